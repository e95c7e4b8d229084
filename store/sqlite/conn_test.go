package sqlite

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"

	"github.com/pylon-go/pylon/store"
)

// planDependent are statements of which SQLite looks at the arguments to plan.
var planDependent = map[string]string{
	"left join": `SELECT a.k, b.v FROM a LEFT JOIN b ON b.k = a.k WHERE a.k = ?`,
	"order by":  `SELECT k, v FROM a WHERE k = ? ORDER BY v, k`,
	"like":      `SELECT k FROM a WHERE ` + dialect.Like("k", "?"),
	"by key":    `SELECT k FROM a WHERE k = ?`,
}

func planConn(t testing.TB) *conn {
	t.Helper()
	c, err := openConn(filepath.Join(t.TempDir(), "p.db"), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	})
	for _, sql := range []string{"CREATE TABLE a (k text PRIMARY KEY, v text)", "CREATE TABLE b (k text PRIMARY KEY, v text)", "BEGIN"} {
		if err := c.Exec(sql, nil); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 50 {
		for _, table := range []string{"a", "b"} {
			if err := c.Exec("INSERT INTO "+table+" VALUES (?,?)", []store.Value{store.String(fmt.Sprint("k", i)), store.String("v")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.Exec("COMMIT", nil); err != nil {
		t.Fatal(err)
	}
	return c
}

// SQLite asks the authorizer while it prepares a statement, and only then.
func TestAStatementIsPreparedOnce(t *testing.T) {
	for name, q := range planDependent {
		t.Run(name, func(t *testing.T) {
			c := planConn(t)
			asked := 0
			if err := c.raw.SetAuthorizer(sqlite.AuthorizeFunc(func(sqlite.Action) sqlite.AuthResult {
				asked++
				return sqlite.AuthResultOK
			})); err != nil {
				t.Fatal(err)
			}
			use := func(i int) {
				t.Helper()
				rows := 0
				if err := c.Query(q, []store.Value{store.String(fmt.Sprint("k", i))}, func(store.Rows) error { rows++; return nil }); err != nil || rows != 1 {
					t.Fatalf("use %d: %d rows, %v", i, rows, err)
				}
			}
			use(0)
			use(1)
			if asked == 0 {
				t.Fatal("the authorizer is never asked: this test cannot see a preparation")
			}
			asked = 0
			for i := range 20 {
				use(i)
			}
			if asked > 0 {
				t.Errorf("20 uses prepared it again: %d questions", asked)
			}
		})
	}
}

func TestMoreStatementsThanTheCacheHolds(t *testing.T) {
	c := planConn(t)
	rows := 0
	count := func(store.Rows) error { rows++; return nil }
	// The outer statement stays in use while so many others come that each could
	// be thrown out several times.
	err := c.Query("SELECT k FROM a ORDER BY k", nil, func(r store.Rows) error {
		before := r.Value(0, store.TypeString)
		for i := range maxStatements + 44 {
			if err := c.Query(fmt.Sprintf("SELECT k, %d FROM b WHERE k = ?", i), []store.Value{before}, count); err != nil {
				return err
			}
		}
		if after := r.Value(0, store.TypeString); after != before {
			return fmt.Errorf("the outer row was %#v and is %#v", before, after)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := 50 * (maxStatements + 44); rows != want {
		t.Errorf("%d rows, want %d", rows, want)
	}
	if len(c.stmts) > maxStatements {
		t.Errorf("%d statements are kept, at most %d should be", len(c.stmts), maxStatements)
	}
	for text, s := range c.stmts {
		if s.busy {
			t.Errorf("still in use: %s", text)
		}
	}
}

func TestLargeArgumentsAreLetGo(t *testing.T) {
	c := planConn(t)
	q := "SELECT 1 WHERE ? <> ''"
	if err := c.Query(q, []store.Value{store.String(strings.Repeat("x", maxKept+1))}, nil); err != nil {
		t.Fatal(err)
	}
	// A statement without a value of its own sees what is still bound.
	s := c.stmts[q].raw
	row, err := s.Step()
	if err != nil || row {
		t.Fatalf("row %v, %v: the argument is still bound", row, err)
	}
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
}

func TestNotOneStatement(t *testing.T) {
	c := planConn(t)
	for _, sql := range []string{"", " ", "-- nothing", "SELECT 1; SELECT 2", "SELECT 1;DROP TABLE a"} {
		if err := c.Exec(sql, nil); err == nil {
			t.Errorf("%q: no error", sql)
		}
	}
	if err := c.Query("SELECT k FROM a", nil, nil); err != nil {
		t.Error(err)
	}
}
