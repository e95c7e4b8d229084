package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// Backup copies the database as of now into a new file, while it is in use. The
// copy is made under a temporary name, checked, put on disk and then renamed, so
// a file of the wanted name is always whole.
func (e *Engine) Backup(ctx context.Context, file string, progress func(done, total int)) error {
	release, err := e.use()
	if err != nil {
		return err
	}
	defer release()
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("%s exists; a backup does not overwrite", file)
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	part := file + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	defer os.Remove(part)

	src, err := openConn(e.path, false)
	if err != nil {
		return err
	}
	defer src.close()
	src.raw.SetInterrupt(ctx.Done())
	total := 0
	for _, pragma := range []string{"page_count", "page_size"} {
		if err := sqlitex.ExecuteTransient(src.raw, "PRAGMA "+pragma, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
			if total == 0 {
				total = 1
			}
			total *= s.ColumnInt(0)
			return nil
		}}); err != nil {
			return err
		}
	}
	stop := watch(part, total, progress)
	// VACUUM INTO reads one snapshot to the end; the page-by-page backup API would
	// start over at every write of a busy server.
	err = sqlitex.ExecuteTransient(src.raw, "VACUUM INTO ?", &sqlitex.ExecOptions{Args: []any{part}})
	stop()
	if err != nil {
		return fmt.Errorf("copy the database: %w", err)
	}
	if err := checkCopy(part); err != nil {
		return err
	}
	if err := syncFile(part); err != nil {
		return err
	}
	if err := os.Rename(part, file); err != nil {
		return err
	}
	if err := syncFile(filepath.Dir(file)); err != nil {
		return err
	}
	if progress != nil {
		progress(total, total)
	}
	return nil
}

// watch reports the size of the growing copy until stopped.
func watch(file string, total int, progress func(done, total int)) (stop func()) {
	if progress == nil {
		return func() {}
	}
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				if fi, err := os.Stat(file); err == nil {
					progress(min(int(fi.Size()), total), total)
				}
			}
		}
	}()
	return func() { close(quit); <-ended }
}

func checkCopy(file string) error {
	c, err := sqlite.OpenConn(file, sqlite.OpenReadOnly)
	if err != nil {
		return err
	}
	defer c.Close()
	verdict := ""
	err = sqlitex.ExecuteTransient(c, "PRAGMA quick_check(1)", &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		verdict = s.ColumnText(0)
		return nil
	}})
	if err != nil || verdict != "ok" {
		return fmt.Errorf("the copy does not pass SQLite's check: %s %w", verdict, err)
	}
	return nil
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
