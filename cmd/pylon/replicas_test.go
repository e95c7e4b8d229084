package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pylon-go/pylon/internal/pgtest"
	"github.com/pylon-go/pylon/store/enginetest"
)

// replicated is the environment of servers that share a database, or skips.
func replicated(t *testing.T) []string {
	t.Helper()
	d := enginetest.New(t)
	if !d.Shared() {
		t.Skip("one process serves this engine's database")
	}
	return append(d.Env(), "HOOK_SECRET="+secret)
}

// startAll starts servers on one database, all at the same time.
func startAll(t *testing.T, n int, env []string, dir string) []*process {
	t.Helper()
	all := make([]*process, n)
	var ready sync.WaitGroup
	for i := range all {
		ready.Go(func() { all[i] = start(t, env, "serve", dir, "--port", "0", "--host", "127.0.0.1") })
	}
	ready.Wait()
	for _, p := range all {
		if p == nil {
			t.FailNow()
		}
	}
	return all
}

// inbox is what a receiver has got so far, by row.
type inbox struct {
	mu  sync.Mutex
	ids map[string]map[string]int // row → delivery id → times
	all []delivery
}

func (b *inbox) collect(got <-chan delivery) {
	b.ids = map[string]map[string]int{}
	go func() {
		for d := range got {
			b.mu.Lock()
			if b.ids[d.Row] == nil {
				b.ids[d.Row] = map[string]int{}
			}
			b.ids[d.Row][d.ID]++
			b.all = append(b.all, d)
			b.mu.Unlock()
		}
	}()
}

// wait waits until every row was delivered.
func (b *inbox) wait(t *testing.T, rows []string) {
	t.Helper()
	for end := time.Now().Add(deadline); ; time.Sleep(10 * time.Millisecond) {
		var missing []string
		b.mu.Lock()
		for _, r := range rows {
			if b.ids[r] == nil {
				missing = append(missing, r)
			}
		}
		b.mu.Unlock()
		if len(missing) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d rows were never delivered: %v", len(missing), len(rows), missing)
		}
	}
}

func rowID(t *testing.T, body string) string {
	t.Helper()
	var row struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(body), &row); err != nil || row.ID == "" {
		t.Fatalf("%s: %v", body, err)
	}
	return row.ID
}

// Three servers start on an empty database at once, so they race to make its
// tables, and share the deliveries.
func TestReplicasShareWebhooks(t *testing.T) {
	env := replicated(t)
	url, got := receiver(t, func() int { return 200 })
	var box inbox
	box.collect(got)
	dir := t.TempDir()
	write(t, dir, hooked(url))
	servers := startAll(t, 3, env, dir)
	var rows []string
	for i := range 90 {
		code, body := servers[i%3].call("POST", "/api/entities/Item", fmt.Sprintf(`{"n":%d}`, i))
		if code != 201 {
			t.Fatal(code, body)
		}
		rows = append(rows, rowID(t, body))
	}
	box.wait(t, rows)
	for _, p := range servers {
		if err := p.signal(syscall.SIGTERM); err != nil {
			t.Errorf("SIGTERM ended with %v\n%s", err, p.output())
		}
	}
	box.mu.Lock()
	defer box.mu.Unlock()
	if len(box.all) != len(rows) {
		t.Errorf("%d deliveries of %d rows", len(box.all), len(rows))
	}
	for _, d := range box.all {
		if !d.Verified {
			t.Errorf("not verified: %+v", d)
		}
	}
}

// A column is added while three servers of the new version start.
func TestAMigrationIsRacedByServers(t *testing.T) {
	env := replicated(t)
	dir := t.TempDir()
	app := func(extra string) string {
		return `{"manifest_version":1,"name":"x","entities":[{"name":"Item","fields":[{"name":"n","type":"int"}` + extra + `]}]}`
	}
	write(t, dir, app(""))
	old := startAll(t, 1, env, dir)[0]
	if code, body := old.call("POST", "/api/entities/Item", `{"n":1}`); code != 201 {
		t.Fatal(code, body)
	}

	write(t, dir, app(`,{"name":"note","type":"string","default":"none"}`))
	for i, p := range startAll(t, 3, env, dir) {
		if code, body := p.call("GET", "/api/entities/Item", ""); code != 200 || !strings.Contains(body, `"note":"none"`) {
			t.Errorf("server %d: %d %s", i, code, body)
		}
		if code, body := p.call("POST", "/api/entities/Item", `{"n":2,"note":"mine"}`); code != 201 {
			t.Errorf("server %d: %d %s", i, code, body)
		}
	}
	// The old version goes on beside the new one.
	if code, body := old.call("GET", "/api/entities/Item", ""); code != 200 {
		t.Error(code, body)
	}
}

// Servers are killed, and the database too, while rows are written. What was
// acknowledged is there and is delivered, always under one id.
func TestWebhooksSurviveKilledReplicasAndDatabases(t *testing.T) {
	t.Parallel() // it waits for the end of a lease
	if !enginetest.New(t).Shared() {
		t.Skip("one process serves this engine's database")
	}
	d := pgtest.NewServer(t)
	env := []string{"DATABASE_URL=" + d.URL, "HOOK_SECRET=" + secret}
	url, got := receiver(t, func() int { time.Sleep(time.Millisecond); return 200 })
	var box inbox
	box.collect(got)
	dir := t.TempDir()
	write(t, dir, hooked(url))
	servers := startAll(t, 2, env, dir)

	var (
		mu    sync.Mutex
		urls  = []string{servers[0].url, servers[1].url}
		acked []string
		n     atomic.Int64
		over  = make(chan struct{})
		all   sync.WaitGroup
	)
	client := &http.Client{Timeout: 30 * time.Second}
	for w := range 4 {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-over:
					return
				default:
				}
				mu.Lock()
				at := urls[(w+i)%len(urls)]
				mu.Unlock()
				req, err := http.NewRequest("POST", at+"/api/entities/Item", strings.NewReader(`{"n":1}`))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Authorization", "Bearer "+token)
				res, err := client.Do(req)
				if err != nil { // the server was killed
					time.Sleep(5 * time.Millisecond)
					continue
				}
				var row struct {
					ID    string `json:"id"`
					Error struct {
						Code string `json:"code"`
					} `json:"error"`
				}
				err = json.NewDecoder(res.Body).Decode(&row)
				res.Body.Close()
				switch {
				case res.StatusCode == 201 && err == nil:
					mu.Lock()
					acked = append(acked, row.ID)
					mu.Unlock()
					n.Add(1)
				case res.StatusCode == 503 && (row.Error.Code == "DATABASE_UNAVAILABLE" || row.Error.Code == "COMMIT_UNKNOWN"):
					time.Sleep(5 * time.Millisecond)
				case err == nil:
					t.Errorf("%d %s", res.StatusCode, row.Error.Code)
				}
			}
		})
	}
	more := func(rows int64) {
		t.Helper()
		for from, end := n.Load(), time.Now().Add(deadline); n.Load() < from+rows; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("no more rows are written\n%s", servers[1].output())
			}
		}
	}
	more(40)
	servers[0].signal(syscall.SIGKILL)
	more(40)
	must(t, d.Server.Kill())
	must(t, d.Server.Start())
	more(40)
	third := start(t, env, "serve", dir, "--port", "0", "--host", "127.0.0.1")
	mu.Lock()
	urls = []string{servers[1].url, third.url}
	mu.Unlock()
	more(40)
	must(t, d.Server.Stop())
	must(t, d.Server.Start())
	more(40)
	close(over)
	all.Wait()

	box.wait(t, acked)
	box.mu.Lock()
	again := 0
	for row, ids := range box.ids {
		if len(ids) != 1 {
			t.Errorf("row %s was delivered under %d ids: %v", row, len(ids), ids)
		}
		for _, times := range ids {
			again += times - 1
		}
	}
	box.mu.Unlock()
	// Once more is allowed for what was under way at a kill, not for everything.
	if again > len(acked)/2 {
		t.Errorf("%d of %d rows were delivered again", again, len(acked))
	}
	t.Logf("%d rows acknowledged, %d deliveries repeated", len(acked), again)
	for id, p := range map[string]*process{"second": servers[1], "third": third} {
		if code, body := p.call("GET", "/api/entities/Item/"+acked[0], ""); code != 200 {
			t.Errorf("the %s server: %d %s", id, code, body)
		}
	}
	for _, row := range acked {
		if code, body := third.call("GET", "/api/entities/Item/"+row, ""); code != 200 {
			t.Errorf("acknowledged and not there: %d %s", code, body)
		}
	}
}

// Two writers of one row, each counting up a field of its own, on two servers.
// Deliveries are in the order of the commits when neither ever goes back.
func TestOrderedDeliveriesOfOneRowFromTwoServers(t *testing.T) {
	env := replicated(t)
	url, got := receiver(t, func() int { return 200 })
	var box inbox
	box.collect(got)
	dir := t.TempDir()
	write(t, dir, `{ "manifest_version": 1, "name": "order", "version": "1",
	"entities": [{ "name": "Item", "fields": [{ "name": "a", "type": "int" }, { "name": "b", "type": "int" }] }],
	"plugins": [
		{ "name": "net_guard", "config": { "allow_hosts": ["127.0.0.1"] } },
		{ "name": "webhooks", "config": { "hooks": [{ "entity": "Item", "url": "`+url+`", "secret_env": "HOOK_SECRET", "ordered": "row" }] } },
	] }`)
	servers := startAll(t, 2, env, dir)
	code, body := servers[0].call("POST", "/api/entities/Item", `{"a":0,"b":0}`)
	if code != 201 {
		t.Fatal(code, body)
	}
	row := rowID(t, body)
	const each = 30
	var all sync.WaitGroup
	for i, field := range []string{"a", "b"} {
		all.Go(func() {
			for n := 1; n <= each; n++ {
				if code, body := servers[i].call("PATCH", "/api/entities/Item/"+row, fmt.Sprintf(`{"%s":%d}`, field, n)); code != 200 {
					t.Error(code, body)
					return
				}
			}
		})
	}
	all.Wait()
	for end := time.Now().Add(deadline); ; time.Sleep(5 * time.Millisecond) {
		box.mu.Lock()
		n := len(box.all)
		box.mu.Unlock()
		if n == 2*each+1 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d deliveries, want %d", n, 2*each+1)
		}
	}
	box.mu.Lock()
	defer box.mu.Unlock()
	var last struct{ A, B int }
	for i, d := range box.all {
		var told struct {
			Data struct{ A, B int } `json:"data"`
		}
		must(t, json.Unmarshal([]byte(d.Body), &told))
		if step := told.Data.A - last.A + told.Data.B - last.B; i > 0 && (step != 1 || told.Data.A < last.A || told.Data.B < last.B) {
			t.Fatalf("delivery %d tells %+v after %+v", i, told.Data, last)
		}
		last = told.Data
	}
}
