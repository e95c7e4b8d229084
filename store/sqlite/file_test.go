package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pylon-go/pylon/store"
	"github.com/pylon-go/pylon/store/sqlite"
)

func ask(t testing.TB, run func(context.Context, func(store.Conn) error) error, sql string) string {
	t.Helper()
	var got string
	if err := run(t.Context(), func(c store.Conn) error {
		return c.Query(sql, nil, func(r store.Rows) error {
			got = r.Value(0, store.TypeString).Str()
			return nil
		})
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func exec1(t testing.TB, e *sqlite.Engine, sql string, args ...store.Value) {
	t.Helper()
	if err := e.Write(t.Context(), func(c store.Conn) error { return c.Exec(sql, args) }); err != nil {
		t.Fatal(err)
	}
}

func TestPragmas(t *testing.T) {
	e := openFile(t, filepath.Join(t.TempDir(), "a.db"), sqlite.Options{Readers: 1})
	for _, c := range []struct{ pragma, writer, reader string }{
		{"journal_mode", "wal", "wal"},
		{"synchronous", "2", "2"}, // FULL: acknowledged means on disk
		{"query_only", "0", "1"},
		{"foreign_keys", "0", "0"},
		{"encoding", "UTF-8", "UTF-8"},
		{"case_sensitive_like", "", ""},
	} {
		if got := ask(t, e.Write, "PRAGMA "+c.pragma); got != c.writer {
			t.Errorf("the writer's %s is %q, want %q", c.pragma, got, c.writer)
		}
		if got := ask(t, e.Read, "PRAGMA "+c.pragma); got != c.reader {
			t.Errorf("a reader's %s is %q, want %q", c.pragma, got, c.reader)
		}
	}
}

func TestOneServerAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	first, err := sqlite.Open(path, sqlite.Options{Exclusive: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = sqlite.Open(path, sqlite.Options{Exclusive: true})
	if want := "the database app.db is being served by another process; stop it first, or use PostgreSQL for several servers"; err == nil || err.Error() != want {
		t.Fatalf("got %v\nwant %s", err, want)
	}
	exec1(t, first, "CREATE TABLE x (n integer)")

	tool := openFile(t, path, sqlite.Options{})
	if !first.Exclusive() || tool.Exclusive() {
		t.Errorf("Exclusive: server %v, tool %v", first.Exclusive(), tool.Exclusive())
	}
	// Both write at once: one waits for the other and neither fails.
	var all sync.WaitGroup
	for _, e := range []*sqlite.Engine{first, tool} {
		all.Go(func() {
			for range 30 {
				if err := e.Write(context.Background(), func(c store.Conn) error { return c.Exec("INSERT INTO x VALUES (1)", nil) }); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	for name, e := range map[string]*sqlite.Engine{"server": first, "tool": tool} {
		if got := ask(t, e.Read, "SELECT count(*) FROM x"); got != "60" {
			t.Errorf("the %s sees %s rows, want 60", name, got)
		}
	}

	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	openFile(t, path, sqlite.Options{Exclusive: true}) // the next server may
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"a file that is no database": text, "a folder": dir, "a path through a file": filepath.Join(file, "a.db")} {
		for _, exclusive := range []bool{true, false} {
			if e, err := sqlite.Open(path, sqlite.Options{Exclusive: exclusive}); err == nil {
				e.Close()
				t.Errorf("%s: no error", name)
			}
		}
	}
}

// A long read keeps its snapshot while the WAL grows, and what is left of the
// WAL after that is reset by later writes.
func TestWALWithReaders(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	e := openFile(t, path, sqlite.Options{Readers: 2})
	exec1(t, e, "CREATE TABLE x (n integer PRIMARY KEY, body text)")
	exec1(t, e, "INSERT INTO x VALUES (0, 'seed')")
	const insert = "INSERT INTO x (body) VALUES (?)"
	body := store.String(strings.Repeat("x", 20_000))
	writeMany := func() error {
		for range 20 {
			if err := e.Write(context.Background(), func(c store.Conn) error {
				for range 10 {
					if err := c.Exec(insert, []store.Value{body}); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	}
	count := func(c store.Conn) (n int64, err error) {
		err = c.Query("SELECT count(*) FROM x", nil, func(r store.Rows) error { n = r.Value(0, store.TypeInt).Int(); return nil })
		return n, err
	}
	err := e.Read(t.Context(), func(c store.Conn) error {
		before, err := count(c)
		if err != nil {
			return err
		}
		if err := writeMany(); err != nil { // 4 MB, past the automatic checkpoint's 1000 pages
			return err
		}
		after, err := count(c)
		if err == nil && (before != 1 || after != 1) {
			err = fmt.Errorf("the snapshot has %d rows, then %d", before, after)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(t, e.Read, "SELECT count(*) FROM x"); got != "201" {
		t.Errorf("%s rows, want 201", got)
	}
	size := func() int64 {
		fi, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return fi.Size()
	}
	grown := size()
	for range 3 {
		if err := writeMany(); err != nil {
			t.Fatal(err)
		}
	}
	if now := size(); now > grown+grown/2 {
		t.Errorf("the WAL had %d bytes when the reader ended and has %d now: it is not used again", grown, now)
	}
}

func TestFullDisk(t *testing.T) {
	e := openFile(t, filepath.Join(t.TempDir(), "a.db"), sqlite.Options{})
	exec1(t, e, "CREATE TABLE x (n integer PRIMARY KEY, body text)")
	exec1(t, e, "INSERT INTO x VALUES (1, 'small')")
	if got := ask(t, e.Write, "PRAGMA max_page_count=20"); got != "20" { // stands for the end of the disk
		t.Fatalf("max_page_count is %s", got)
	}
	full := func() error {
		return e.Write(t.Context(), func(c store.Conn) error {
			return c.Exec("INSERT INTO x (body) VALUES (?)", []store.Value{store.String(strings.Repeat("x", 1<<20))})
		})
	}
	var all sync.WaitGroup
	for range 20 { // others in the same commit are not told that all is well and then forgotten
		all.Go(func() { full() }) //nolint:errcheck // fails, which is looked at below
	}
	all.Wait()
	err := full()
	var known *store.Error
	if !errors.As(err, &known) || known.Code != "DATABASE_UNAVAILABLE" || known.Kind != store.Unavailable {
		t.Fatalf("got %v", err)
	}
	if strings.Contains(known.Message, "x (") || strings.Contains(known.Message, e.Path()) {
		t.Errorf("the message tells too much: %s", known.Message)
	}
	if got := ask(t, e.Read, "SELECT count(*) FROM x"); got != "1" {
		t.Errorf("%s rows, want 1", got)
	}
	if got := ask(t, e.Write, "PRAGMA max_page_count=100000"); got != "100000" {
		t.Fatalf("max_page_count is %s", got)
	}
	if err := full(); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if got := ask(t, e.Read, "PRAGMA integrity_check"); got != "ok" {
		t.Error(got)
	}
}

const killEnv = "PYLON_SQLITE_KILL_TEST"

// TestMain turns a re-run of the test binary into the writer that
// TestAcknowledgedSurvivesKill kills.
func TestMain(m *testing.M) {
	if path := os.Getenv(killEnv); path != "" {
		writeUntilKilled(path)
		return
	}
	os.Exit(m.Run())
}

// writeUntilKilled writes from several goroutines and prints each number once
// its write was acknowledged.
func writeUntilKilled(path string) {
	e, err := sqlite.Open(path, sqlite.Options{Exclusive: true})
	if err == nil {
		err = e.Write(context.Background(), func(c store.Conn) error {
			return c.Exec("CREATE TABLE IF NOT EXISTS x (n integer PRIMARY KEY, half integer)", nil)
		})
	}
	if err != nil {
		fmt.Println("error", err)
		return
	}
	base, _ := strconv.Atoi(os.Getenv(killEnv + "_BASE"))
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := 0; ; i++ {
				n := int64(base + w*100_000 + i)
				err := e.Write(context.Background(), func(c store.Conn) error {
					for half := range int64(2) {
						if err := c.Exec("INSERT INTO x VALUES (?,?)", []store.Value{store.Int(2*n + half), store.Int(half)}); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					fmt.Println("error", err)
					return
				}
				os.Stdout.WriteString(strconv.FormatInt(n, 10) + "\n") //nolint:errcheck // one write call a line: killed between lines or not at all
			}
		})
	}
	all.Wait()
}

// SIGKILL at any moment loses no acknowledged write, leaves no half of one, and
// frees the lock.
func TestAcknowledgedSurvivesKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	acked := map[int64]bool{}
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	for round := range rounds {
		child := exec.Command(os.Args[0], "-test.run=^$")
		child.Env = append(os.Environ(), killEnv+"="+path, fmt.Sprintf("%s_BASE=%d", killEnv, round*1_000_000))
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		killAfter := 1 + rand.IntN(400)
		lines, before := bufio.NewReader(out), len(acked)
		for {
			line, err := lines.ReadString('\n')
			if err != nil { // the pipe's rest is read to the end: all of it was acknowledged
				if !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
				break
			}
			n, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
			if err != nil {
				t.Fatalf("the child says: %s", line)
			}
			acked[n] = true
			if len(acked)-before == killAfter {
				if err := child.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		child.Wait() //nolint:errcheck // killed
		if len(acked)-before < killAfter {
			t.Fatalf("round %d: the child ended by itself after %d writes", round, len(acked)-before)
		}

		e, err := sqlite.Open(path, sqlite.Options{Exclusive: true})
		if err != nil {
			t.Fatal(err)
		}
		there := map[int64]int{}
		if err := e.Read(t.Context(), func(c store.Conn) error {
			return c.Query("SELECT n FROM x", nil, func(r store.Rows) error {
				there[r.Value(0, store.TypeInt).Int()/2]++
				return nil
			})
		}); err != nil {
			t.Fatal(err)
		}
		for n := range acked {
			if there[n] != 2 {
				t.Errorf("round %d: %d was acknowledged, %d of its 2 rows are there", round, n, there[n])
			}
		}
		for n, rows := range there {
			if rows != 2 {
				t.Errorf("round %d: half of %d is there", round, n)
			}
		}
		if got := ask(t, e.Read, "PRAGMA integrity_check"); got != "ok" {
			t.Error(got)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d writes were acknowledged over %d kills", len(acked), rounds)
}
