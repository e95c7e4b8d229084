package pylon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/pylon-go/pylon/auth"
	"github.com/pylon-go/pylon/function"
	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/plugin"
	_ "github.com/pylon-go/pylon/plugins" // the plugins that come with Pylon
	"github.com/pylon-go/pylon/policy"
	"github.com/pylon-go/pylon/queue"
	"github.com/pylon-go/pylon/store"
	"github.com/pylon-go/pylon/store/postgres"
)

// ManifestName is the file that declares an app.
const ManifestName = "pylon.manifest.json"

// declared is an app whose declaration was read and found right. Nothing of it runs yet.
type declared struct {
	manifest *manifest.Manifest
	schema   *store.Schema
	policies *policy.Policies
	plugins  []namedPlugin
	program  *function.Program
}

type namedPlugin struct {
	name string
	plugin.Plugin
}

// Check reads and checks the app in a folder without starting it. The error of a
// wrong manifest is a *manifest.Problems with every problem found. The notices
// tell of keys that are accepted and have no effect. A nil getenv is os.Getenv.
func Check(dir string, getenv func(string) string) (notices []manifest.Problem, err error) {
	if getenv == nil {
		getenv = os.Getenv
	}
	d, err := declare(dir, getenv)
	if err != nil {
		return nil, err
	}
	if err := d.compile(function.Build{Dir: dir, Dev: true, Getenv: getenv}, nil); err != nil {
		return nil, err
	}
	if url := getenv("DATABASE_URL"); url != "" {
		if err := postgres.CheckURL(url); err != nil {
			return nil, err
		}
	}
	return manifest.Notices(d.manifest), nil
}

func declare(dir string, getenv func(string) string) (*declared, error) {
	file := filepath.Join(dir, ManifestName)
	written, err := function.Declare(function.Build{Dir: dir, Getenv: getenv})
	if err != nil {
		return nil, err
	}
	m, err := manifest.LoadWith(file, written)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("no %s and no app.ts in %s; `pylon init NAME` makes a new app", ManifestName, dir)
	}
	if err != nil {
		return nil, err
	}
	problems := &manifest.Problems{}
	for i, name := range m.RequiredEnv {
		if getenv(name) == "" {
			problems.Add(m.Root.At("requiredEnv", i).Problem("MISSING_ENV", "the environment variable %s is not set or empty", name))
		}
	}
	entities, err := store.EntitiesOf(m)
	if err != nil {
		return nil, err
	}
	appSchema, err := store.NewSchema(entities, nil)
	if err != nil {
		return nil, err
	}
	d := &declared{manifest: m}
	var configs []manifest.Node
	named := map[string]bool{}
	for i := range m.Plugins {
		named[m.Plugins[i].Name] = true
		if p := configure(&m.Plugins[i], problems); p != nil {
			d.plugins = append(d.plugins, namedPlugin{m.Plugins[i].Name, p})
			configs = append(configs, m.Plugins[i].Config)
		}
	}
	for _, name := range plugin.Names() {
		if p, _ := plugin.New(name); !named[name] && runsByDefault(p, getenv) {
			d.plugins = append(d.plugins, namedPlugin{name, p})
			configs = append(configs, m.Root.Get("plugins"))
		}
	}
	for i, p := range d.plugins { // when all are decoded, since one may ask another
		if v, ok := p.Plugin.(plugin.Validator); ok {
			v.Validate(&plugin.Check{Manifest: m, Config: configs[i], Schema: appSchema, Getenv: getenv, Problems: problems, Peers: d})
		}
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	tables := slices.Concat(queue.Tables(), auth.Tables(), function.Tables())
	for _, p := range d.plugins {
		if ep, ok := p.Plugin.(plugin.EntityProvider); ok {
			entities = append(entities, ep.Entities()...)
		}
		if tp, ok := p.Plugin.(plugin.TableProvider); ok {
			tables = append(tables, tp.Tables()...)
		}
	}
	if d.schema, err = store.NewSchema(entities, tables); err != nil {
		return nil, err
	}
	if d.policies, err = policy.Compile(m, d.schema); err != nil {
		return nil, err
	}
	return d, nil
}

// compile compiles the app's functions and holds what names them against what there is.
func (d *declared) compile(b function.Build, native []*Function) (err error) {
	if d.program, err = function.Compile(b); err != nil {
		return err
	}
	return checkCrons(d.manifest, d.program, native)
}

// checkCrons holds the manifest's crons against the functions there are.
func checkCrons(m *manifest.Manifest, program *function.Program, native []*Function) error {
	names := program.Names()
	for _, f := range native {
		names = append(names, f.Name())
	}
	problems := &manifest.Problems{}
	for i, c := range m.Crons {
		if !slices.Contains(names, c.Function) {
			problems.Add(m.Root.At("crons", i, "function").Problem("FN_NOT_FOUND", "no function %q", c.Function).WithNearest(c.Function, names))
		}
	}
	return problems.Err()
}

// configure makes a declared plugin and gives it its config.
func configure(entry *manifest.PluginEntry, problems *manifest.Problems) plugin.Plugin {
	p, ok := plugin.New(entry.Name)
	if !ok {
		problems.Add(entry.Node.At("name").Problem("UNKNOWN_PLUGIN", "no plugin %q", entry.Name).WithNearest(entry.Name, plugin.Names()))
		return nil
	}
	before := problems.Len()
	if c, ok := p.(plugin.Configurable); ok {
		if !entry.Config.IsZero() {
			entry.Config.Decode(c.Config(), problems)
		} else {
			entry.Node.Empty("config").Decode(c.Config(), problems)
		}
	} else if !entry.Config.IsZero() {
		problems.Add(entry.Config.Problem("UNKNOWN_KEY", "%s has no config", entry.Name))
	}
	if problems.Len() > before {
		return nil
	}
	return p
}

func runsByDefault(p plugin.Plugin, getenv func(string) string) bool {
	d, ok := p.(plugin.Defaulter)
	return ok && d.RunsByDefault(getenv)
}

// Each calls fn for every plugin: those the manifest names in its order, then
// those that run by default.
func (d *declared) Each(fn func(name string, p plugin.Plugin)) {
	for _, p := range d.plugins {
		fn(p.name, p.Plugin)
	}
}
