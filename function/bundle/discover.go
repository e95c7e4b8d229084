package bundle

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Folder is where functions are, below the app's folder.
const Folder = "functions"

// Source is the file of one function.
type Source struct {
	// Name is what the function is called by: orders/create.
	Name string
	// File is its path below the app's folder, with slashes: functions/orders/create.ts.
	File string
}

var (
	extension    = regexp.MustCompile(`\.(?:ts|tsx|mts|js|jsx|mjs)$`)
	functionName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*(?:/[A-Za-z][A-Za-z0-9_-]*)*$`)
)

// ValidName reports whether a function can be called that.
func ValidName(name string) bool { return functionName.MatchString(name) }

// Discover finds the functions of the app in dir, by name: every TypeScript or
// JavaScript file below functions is one, named like its path, and index.ts like its
// folder. Files and folders that begin with "_" or ".", declarations (*.d.ts), tests
// (*.test.*) and node_modules only help others. An app without the folder has none.
func Discover(dir string) ([]Source, error) {
	var found []Source
	wrong := &Error{}
	root := filepath.Join(dir, Folder)
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || file == root {
			return err
		}
		if helper(d.Name()) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !extension.MatchString(d.Name()) || !regular(file, d) {
			return nil
		}
		below, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		s := Source{File: filepath.ToSlash(below)}
		s.Name = nameOf(s.File)
		if !ValidName(s.Name) {
			wrong.add(Problem{
				Code: "INVALID_FUNCTION_NAME", File: s.File, Message: "the path is no name for a function",
				Hint: `letters, digits, "_" and "-", beginning with a letter; a file that only helps others begins with "_"`,
			})
			return nil
		}
		found = append(found, s)
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	slices.SortFunc(found, func(a, b Source) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.File, b.File)) })
	for i := 1; i < len(found); i++ {
		if found[i].Name == found[i-1].Name {
			wrong.add(Problem{
				Code: "DUPLICATE_FUNCTION", File: found[i].File,
				Message: "the function " + found[i].Name + " is in " + found[i-1].File + " too",
			})
		}
	}
	return found, wrong.orNil()
}

// helper reports whether the name says that a file or folder is no function's.
func helper(name string) bool {
	return strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".") || name == "node_modules" ||
		strings.Contains(name, ".test.") || strings.Contains(name, ".d.")
}

// regular reports whether the entry is a file, or a link to one.
func regular(file string, d fs.DirEntry) bool {
	if d.Type()&fs.ModeSymlink != 0 {
		to, err := os.Stat(file)
		return err == nil && to.Mode().IsRegular()
	}
	return d.Type().IsRegular()
}

// nameOf is the name of the function in a file.
func nameOf(file string) string {
	name := strings.TrimPrefix(extension.ReplaceAllString(file, ""), Folder+"/")
	if folder, last := path.Split(name); last == "index" && folder != "" {
		return strings.TrimSuffix(folder, "/")
	}
	return name
}
