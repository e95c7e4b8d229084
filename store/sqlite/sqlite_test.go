package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/pylon-go/pylon/store"
	"github.com/pylon-go/pylon/store/sqlite"
	"github.com/pylon-go/pylon/store/storetest"
)

func openFile(t testing.TB, path string, o sqlite.Options) *sqlite.Engine {
	t.Helper()
	e, err := sqlite.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Engine {
		// A path that means something else to a URI, to SQL and to a shell.
		return openFile(t, filepath.Join(t.TempDir(), "it's 100% a?b#c;", "app.db"), sqlite.Options{Exclusive: true})
	}, storetest.WithReopen(func(t *testing.T, e store.Engine) store.Engine {
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		return openFile(t, e.(*sqlite.Engine).Path(), sqlite.Options{Exclusive: true})
	}), storetest.WithBackup(func(t *testing.T, file string) store.Engine {
		return openFile(t, file, sqlite.Options{})
	}))
}
