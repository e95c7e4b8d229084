package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pylon-go/pylon/internal/pgtest"
	"github.com/pylon-go/pylon/store"
	"github.com/pylon-go/pylon/store/postgres"
)

// deadline ends a test that waits for something that does not come.
const deadline = 30 * time.Second

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// numbers is a database with one table of numbers.
func numbers(t testing.TB, d *pgtest.Database) {
	d.Exec(t, "CREATE TABLE numbers (n bigint PRIMARY KEY)")
}

func add(n int) func(store.Conn) error {
	return func(c store.Conn) error {
		return c.Exec("INSERT INTO numbers (n) VALUES (?)", []store.Value{store.Int(int64(n))})
	}
}

func count(t testing.TB, e *postgres.Engine) (n int64) {
	t.Helper()
	must(t, e.Read(t.Context(), func(c store.Conn) error {
		return c.Query("SELECT count(*) FROM numbers", nil, func(r store.Rows) error {
			n = r.Value(0, store.TypeInt).Int()
			return nil
		})
	}))
	return n
}

// shown checks what a caller would see of an error.
func shown(t *testing.T, err error, code string, d *pgtest.Database) {
	t.Helper()
	var e *store.Error
	if !errors.As(err, &e) || e.Code != code || e.Kind != store.Unavailable {
		t.Fatalf("got %v, want %s", err, code)
	}
	u, parsed := url.Parse(d.URL)
	must(t, parsed)
	password, _ := u.User.Password()
	for _, secret := range []string{u.Hostname(), u.Port(), u.User.Username(), password, "INSERT", "SELECT", "numbers"} {
		if strings.Contains(e.Message+e.Hint, secret) {
			t.Errorf("%q is in the message %q", secret, e.Message+" "+e.Hint)
		}
	}
	if strings.Contains(err.Error(), password) {
		t.Errorf("the password is in the log: %v", err)
	}
}

func TestAServerThatGoesAwayAndComesBack(t *testing.T) {
	d := pgtest.NewServer(t)
	numbers(t, d)
	e := open(t, d.URL)
	must(t, e.Write(t.Context(), add(1)))
	for i, end := range []func() error{d.Server.Stop, d.Server.Kill} {
		must(t, end())
		shown(t, e.Write(t.Context(), add(100)), "DATABASE_UNAVAILABLE", d)
		shown(t, e.Read(t.Context(), func(c store.Conn) error { return c.Query("SELECT 1", nil, nil) }), "DATABASE_UNAVAILABLE", d)
		shown(t, e.Ping(t.Context()), "DATABASE_UNAVAILABLE", d)
		must(t, d.Server.Start())
		must(t, e.Write(t.Context(), add(2+i)))
		if n := count(t, e); n != int64(2+i) {
			t.Errorf("%d rows", n)
		}
	}
	must(t, d.Server.Stop())
	if _, err := postgres.Open(t.Context(), d.URL, postgres.Options{}); !store.HasCode(err, "DATABASE_UNAVAILABLE") {
		t.Errorf("open: %v", err)
	}
}

func TestADeadConnectionOfThePoolIsNotTheCallersMatter(t *testing.T) {
	d := pgtest.New(t)
	numbers(t, d)
	e := open(t, d.URL)
	for i := range 5 {
		var all sync.WaitGroup
		for range 8 { // several idle connections
			all.Go(func() {
				if err := e.Ping(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		d.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		if i%2 == 0 {
			n := int64(0)
			must(t, e.Write(t.Context(), func(c store.Conn) error {
				return c.Query("SELECT count(*) FROM numbers", nil, func(r store.Rows) error { n = r.Value(0, store.TypeInt).Int(); return nil })
			}))
			if n != int64(i) {
				t.Errorf("%d rows, want %d", n, i)
			}
		}
		must(t, e.Read(t.Context(), func(c store.Conn) error { return c.Query("SELECT 1", nil, nil) }))
		must(t, e.Write(t.Context(), add(i)))
	}
}

// cutter is a proxy that breaks connections off when it sees a text from the client.
type cutter struct {
	net.Listener
	to string
	// at is the text; before says that it does not reach the server.
	at     atomic.Pointer[string]
	before atomic.Bool
	cuts   atomic.Int32
}

func newCutter(t *testing.T, d *pgtest.Database) (c *cutter, through string) {
	u, err := url.Parse(d.URL)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	c = &cutter{Listener: l, to: u.Host}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go c.serve(client)
		}
	}()
	u.Host = l.Addr().String()
	return c, u.String()
}

func (c *cutter) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer server.Close()
	var cut atomic.Bool
	go func() {
		b := make([]byte, 64<<10)
		for {
			n, err := server.Read(b)
			if cut.Load() || err != nil {
				client.Close()
				if err != nil {
					return
				}
				continue // the server is heard out, the client hears nothing
			}
			client.Write(b[:n])
		}
	}()
	b := make([]byte, 64<<10)
	for {
		n, err := client.Read(b)
		if err != nil {
			return
		}
		if at := c.at.Load(); at != nil && strings.Contains(string(b[:n]), *at) {
			c.cuts.Add(1)
			if c.before.Load() {
				return
			}
			cut.Store(true)
		}
		server.Write(b[:n])
	}
}

func TestACommitWhoseOutcomeIsUnknownSaysSo(t *testing.T) {
	for _, tt := range []struct {
		name     string
		before   bool // cut before the server has the commit
		asks     bool // the transaction asks something, so the commit is a message of its own
		happened int64
	}{
		{"the server has committed", false, false, 1}, {"the server never heard of it", true, false, 0},
		{"the server has committed, in two trips", false, true, 1}, {"the server never heard of it, in two trips", true, true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := pgtest.New(t)
			numbers(t, d)
			proxy, through := newCutter(t, d)
			e := open(t, through)
			must(t, e.Write(t.Context(), add(1))) // its statement is prepared now
			runs := 0
			at := "4242"
			write := func(c store.Conn) error {
				if runs++; tt.asks {
					if err := c.Query("SELECT 1 FOR UPDATE", nil, nil); err != nil {
						return err
					}
				}
				return c.Exec("INSERT INTO numbers (n) VALUES (CAST(CAST(? AS text) AS bigint))", []store.Value{store.String(at)})
			}
			must(t, e.Write(t.Context(), func(c store.Conn) error {
				at = "1111"
				defer func() { at = "4242" }()
				return write(c)
			}))
			runs = 0
			proxy.before.Store(tt.before)
			proxy.at.Store(&at)
			err := e.Write(t.Context(), write)
			proxy.at.Store(nil)
			shown(t, err, "COMMIT_UNKNOWN", d)
			if runs != 1 || proxy.cuts.Load() != 1 {
				t.Errorf("it ran %d times and was cut %d times", runs, proxy.cuts.Load())
			}
			direct := open(t, d.URL)
			want := 2 + tt.happened
			for end := time.Now().Add(deadline); count(t, direct) != want; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%d rows, want %d", count(t, direct), want)
				}
			}
			must(t, e.Write(t.Context(), add(7))) // over a new connection
		})
	}
}

func TestAConnectionThatBreaksBeforeTheCommitIsTriedAgain(t *testing.T) {
	d := pgtest.New(t)
	numbers(t, d)
	proxy, through := newCutter(t, d)
	e := open(t, through)
	runs := 0
	at := "SELECT 4242"
	proxy.at.Store(&at)
	must(t, e.Write(t.Context(), func(c store.Conn) error {
		if runs++; runs == 2 {
			proxy.at.Store(nil)
		}
		if err := add(1)(c); err != nil {
			return err
		}
		return c.Query("SELECT 4242", nil, nil)
	}))
	if n := count(t, e); n != 1 || runs != 2 {
		t.Errorf("%d rows after %d runs", n, runs)
	}
}

func TestTimeouts(t *testing.T) {
	d := pgtest.New(t)
	numbers(t, d)
	e := open(t, d.URL+"&statement_timeout=100&lock_timeout=50&idle_in_transaction_session_timeout=150")
	must(t, e.Write(t.Context(), add(1)))
	sleep := func(c store.Conn) error { return c.Query("SELECT pg_sleep(20)", nil, nil) }
	shown(t, e.Read(t.Context(), sleep), "DATABASE_TIMEOUT", d)
	shown(t, e.Write(t.Context(), sleep), "DATABASE_TIMEOUT", d)
	lock := "SELECT n FROM numbers WHERE n = 1 FOR UPDATE"
	other := open(t, d.URL)
	must(t, other.Write(t.Context(), func(c store.Conn) error {
		if err := c.Query(lock, nil, nil); err != nil {
			return err
		}
		shown(t, e.Write(t.Context(), func(c store.Conn) error { return c.Query(lock, nil, nil) }), "DATABASE_TIMEOUT", d)
		return nil
	}))
	runs := 0
	gone := make(chan struct{})
	err := e.Write(t.Context(), func(c store.Conn) error {
		runs++
		if err := c.Query(lock, nil, nil); err != nil {
			return err
		}
		go func() { // the server ends the session of a transaction that does nothing
			defer close(gone)
			for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(time.Millisecond) {
				idle := int64(1)
				if err := other.Read(context.Background(), func(c store.Conn) error {
					return c.Query("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%' AND pid <> pg_backend_pid()", nil,
						func(r store.Rows) error { idle = r.Value(0, store.TypeInt).Int(); return nil })
				}); err != nil || idle == 0 {
					return
				}
			}
		}()
		<-gone
		return c.Query(lock, nil, nil)
	})
	shown(t, err, "DATABASE_TIMEOUT", d)
	if runs != 1 {
		t.Errorf("it ran %d times", runs)
	}
	if n := count(t, e); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestAWriteEndsWithItsContext(t *testing.T) {
	d := pgtest.New(t)
	numbers(t, d)
	e := open(t, d.URL)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	begun := time.Now()
	err := e.Write(ctx, func(c store.Conn) error {
		if err := add(1)(c); err != nil {
			return err
		}
		return c.Query("SELECT pg_sleep(60)", nil, nil)
	})
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) > deadline/2 {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
	// The server stops, too: nobody waits for the row that was never committed.
	must(t, e.Write(t.Context(), add(1)))
	for end := time.Now().Add(deadline); ; time.Sleep(5 * time.Millisecond) {
		running := int64(0)
		must(t, e.Read(t.Context(), func(c store.Conn) error {
			return c.Query("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(60)%' AND state = 'active' AND pid <> pg_backend_pid()",
				nil, func(r store.Rows) error { running = r.Value(0, store.TypeInt).Int(); return nil })
		}))
		if running == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the statement still runs")
		}
	}
}

func TestStatementsSurviveAMigrationByAnotherServer(t *testing.T) {
	d := pgtest.New(t)
	d.Exec(t, "CREATE TABLE things (id text PRIMARY KEY, a text)")
	e := open(t, d.URL+"&pool_max_conns=1")
	all := func(c store.Conn) error {
		return c.Query("SELECT * FROM things", nil, func(store.Rows) error { return nil })
	}
	for i := range 3 {
		must(t, e.Read(t.Context(), all))
		must(t, e.ReadOne(t.Context(), all))
		must(t, e.Write(t.Context(), all))
		d.Exec(t, fmt.Sprintf("ALTER TABLE things ADD COLUMN b%d bigint", i))
	}
	must(t, e.Write(t.Context(), all))
	must(t, e.ReadOne(t.Context(), all))
}

func TestThePoolIsALimit(t *testing.T) {
	d := pgtest.New(t)
	numbers(t, d)
	e := open(t, d.URL+"&pool_max_conns=3")
	most := atomic.Int64{}
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			err := e.Write(context.Background(), func(c store.Conn) error {
				if err := add(i)(c); err != nil {
					return err
				}
				return c.Query("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pylon' FOR KEY SHARE OF pg_stat_activity", nil, nil)
			})
			if err == nil {
				t.Error("a view cannot be locked: the test asks nothing")
			}
			err = e.Write(store.ReadCommitted(context.Background()), func(c store.Conn) error {
				return c.Query("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pylon'", nil, func(r store.Rows) error {
					for {
						n, now := most.Load(), r.Value(0, store.TypeInt).Int()
						if now <= n || most.CompareAndSwap(n, now) {
							return nil
						}
					}
				})
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := most.Load(); n < 1 || n > 3 {
		t.Errorf("%d connections", n)
	}
}

func TestURLs(t *testing.T) {
	d := pgtest.New(t)
	plain := strings.TrimSuffix(d.URL, "?sslmode=disable")
	for url, good := range map[string]bool{
		plain: true, plain + "?sslmode=prefer": true, plain + "?sslmode=allow": true, plain + "?sslmode=disable": true,
		plain + "?sslmode=require": false, plain + "?sslmode=verify-full": false, plain + "?sslmode=verify-ca": false,
		plain + "?sslmode=nonsense": false, plain + "?search_path=nowhere": false, plain + "?synchronous_commit=off": false, plain + "?synchronous_commit=remote_write": true,
		plain + "?application_name=mine&connect_timeout=2&statement_timeout=1234": true,
		strings.Replace(plain, "postgres://", "postgresql://", 1):                 true,
	} {
		e, err := postgres.Open(t.Context(), url, postgres.Options{Application: "shop"})
		if (err == nil) != good {
			t.Errorf("%s: %v", strings.TrimPrefix(url, plain), err)
		}
		if err != nil {
			if strings.Contains(err.Error(), "not-checked") {
				t.Errorf("the password is in the error: %v", err)
			}
			continue
		}
		settings := ""
		must(t, e.Read(t.Context(), func(c store.Conn) error {
			return c.Query("SELECT current_setting('application_name') || ' ' || current_setting('statement_timeout') || ' ' || current_setting('lock_timeout')", nil,
				func(r store.Rows) error { settings = r.Value(0, store.TypeString).Str(); return nil })
		}))
		want := "pylon shop 30s 10s"
		if strings.Contains(url, "mine") {
			want = "mine 1234ms 10s"
		}
		if settings != want {
			t.Errorf("%s: the settings are %s, want %s", url, settings, want)
		}
		must(t, e.Close())
	}
}

// Three servers start at once and each wants to make the tables.
func TestAMigrationIsRaced(t *testing.T) {
	table := func(extra ...store.Column) []*store.Table {
		return []*store.Table{{Name: "Thing", PrimaryKey: []string{"id"}, Columns: append([]store.Column{{Name: "id", Type: store.TypeID}, {Name: "n", Type: store.TypeInt, Null: true}}, extra...)}}
	}
	d := pgtest.New(t)
	for round, want := range [][]*store.Table{table(), table(store.Column{Name: "at", Type: store.TypeDatetime, DefaultNow: true}), table(store.Column{Name: "at", Type: store.TypeDatetime})} {
		var all sync.WaitGroup
		planned := make(chan struct{}, 3)
		apply := make(chan struct{})
		for range 3 {
			e := open(t, d.URL)
			all.Go(func() {
				m, err := e.Plan(t.Context(), want, false)
				planned <- struct{}{}
				<-apply
				if err == nil {
					err = e.Apply(t.Context(), m)
				}
				if err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		for range 3 {
			<-planned
		}
		close(apply)
		all.Wait()
		e := open(t, d.URL)
		m, err := e.Plan(t.Context(), want, true)
		must(t, err)
		if len(m.Steps) > 0 {
			t.Errorf("round %d left %v", round, m.Steps)
		}
		d.Exec(t, `INSERT INTO "Thing" (id`+map[bool]string{true: ", at"}[round > 0]+`) VALUES ('`+fmt.Sprint(round)+`'`+map[bool]string{true: ", now()"}[round > 0]+`)`)
	}
	// Another plan than the one that was made is not carried out.
	e, other := open(t, d.URL), open(t, d.URL)
	mine, err := e.Plan(t.Context(), table(store.Column{Name: "at", Type: store.TypeDatetime}, store.Column{Name: "x", Type: store.TypeInt, Null: true}), false)
	must(t, err)
	theirs, err := other.Plan(t.Context(), table(store.Column{Name: "at", Type: store.TypeDatetime}, store.Column{Name: "x", Type: store.TypeString, Null: true}), false)
	must(t, err)
	must(t, other.Apply(t.Context(), theirs))
	if err := e.Apply(t.Context(), mine); !store.HasCode(err, "MIGRATION_OUTDATED") {
		t.Errorf("got %v", err)
	}
}
