package function

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/queue"
	"github.com/pylon-go/pylon/store"
)

// withQueue gives the host a queue and a clock that stands still.
func withQueue(t *testing.T, files map[string]string, setup ...func(*Host)) (*app, *clockwork.FakeClock) {
	clock := clockwork.NewFakeClockAt(time.Date(2026, 1, 1, 0, 0, 30, 0, time.UTC))
	var q *queue.Queue
	a := newAppAt(t, clock, files, func(c *Config) {
		var err error
		if q, err = queue.New(c.DB, queue.Options{Logger: slog.New(slog.DiscardHandler)}); err != nil {
			t.Fatal(err)
		}
		c.Queue = q
	})
	for _, f := range setup {
		f(a.Host)
	}
	if err := q.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := q.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return a, clock
}

// eventually asks until the answer is right: queue workers run in goroutines of their own.
func (a *app) eventually(name, args, want string) {
	a.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		got, err := a.call(name, args)
		if err == nil && got == want {
			return
		}
		if time.Now().After(deadline) {
			a.t.Fatalf("%s is %s, %v; want %s", name, got, err, want)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

const schedulerFunctions = `export default mutation({ handler: async (ctx, { after, at, title, fail, cancel }) => {
	const id = at ? await ctx.scheduler.runAt(at, "add", { title }) : await ctx.scheduler.runAfter(after, "add", { title });
	if (cancel) return ctx.scheduler.cancel(id);
	if (fail) throw ctx.error("NO", "no");
	return typeof id;
} })`

func TestScheduler(t *testing.T) {
	a, clock := withQueue(t, map[string]string{
		"plan":   schedulerFunctions,
		"add":    `export default mutation({ auth: "internal", handler: async (ctx, { title }) => ctx.db.insert("Item", { title, secret: JSON.stringify(ctx.auth.userId) }) })`,
		"titles": `export default query({ handler: async (ctx) => (await ctx.db.query("Item", { $order: { title: "asc" } })).map(i => i.title + i.secret).join() })`,
		"act":    `export default action({ handler: async (ctx) => { const id = await ctx.scheduler.runAfter(60000, "add", { title: "z" }); return [await ctx.scheduler.cancel(id), await ctx.scheduler.cancel(id)] } })`,
	})
	a.ok("plan", `{"after":0,"title":"now"}`, `"string"`)
	a.fails("plan", `{"after":0,"title":"never","fail":true}`, "NO")
	a.ok("plan", `{"after":5000,"title":"soon"}`, `"string"`)
	a.ok("plan", `{"after":5000,"title":"not","cancel":true}`, `true`)
	a.ok("plan", `{"after":0,"title":"not2","cancel":true}`, `true`)
	a.ok("plan", `{"at":"2026-01-01T01:00:00Z","title":"then"}`, `"string"`)
	a.ok("act", "", `[true,false]`)
	for _, bad := range []string{`{"after":-1}`, `{"after":"x"}`, `{}`} {
		a.fails("plan", bad, "INVALID_SCHEDULE")
	}
	a.fails("plan", `{"at":"never"}`, "FN_FAILED") // RangeError: Invalid Date
	clock.Advance(time.Millisecond)
	a.eventually("titles", "", `"nownull"`)
	clock.Advance(5 * time.Second)
	a.eventually("titles", "", `"nownull,soonnull"`)
	clock.Advance(time.Hour)
	a.eventually("titles", "", `"nownull,soonnull,thennull"`)
}

func TestAScheduledMutationRunsOnce(t *testing.T) {
	a := newApp(t, map[string]string{
		"add":   `export default mutation({ handler: (ctx) => ctx.db.insert("Item", { title: "t" + Math.random() + ctx.requestId.length }) })`,
		"count": `export default query({ handler: (ctx) => ctx.db.count("Item") })`,
	})
	for range 3 { // as after crashes between the commit and the queue's record of it
		if _, err := a.Call(store.WithActor(t.Context(), store.System("scheduler")), Request{Name: "add", internal: true, once: "item1"}); err != nil {
			t.Fatal(err)
		}
	}
	a.ok("count", "", "1")
}

func TestScheduledFunctionsThatFail(t *testing.T) {
	a, clock := withQueue(t, map[string]string{
		"plan":  `export default mutation({ handler: (ctx, { name }) => ctx.scheduler.runAfter(0, name) })`,
		"flaky": `export default mutation({ handler: async (ctx) => { throw new Error("again") } })`,
		"wrong": `export default mutation({ handler: async (ctx) => { throw ctx.error("NEVER", "never") } })`,
	})
	dead := func() (n int) {
		err := a.db.View(store.WithActor(t.Context(), store.System("test")), func(tx *store.Tx) error {
			return tx.Query("SELECT count(*) FROM _pylon_queue_dead", nil, func(r store.Rows) error {
				n = int(r.Value(0, store.TypeInt).Int())
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if _, err := a.call("plan", `{"name":"wrong"}`); err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Millisecond)
	until(t, func() bool { return dead() == 1 })
	if _, err := a.call("plan", `{"name":"flaky"}`); err != nil {
		t.Fatal(err)
	}
	tries := func() (n int) {
		for _, trace := range a.Traces() {
			if trace.Function == "flaky" {
				n++
			}
		}
		return n
	}
	for i := 1; i <= scheduledAttempts; i++ {
		until(t, func() bool { clock.Advance(10 * time.Second); return tries() >= i })
	}
	until(t, func() bool { return dead() == 2 })
	if n := tries(); n != scheduledAttempts {
		t.Errorf("tried %d times", n)
	}
}

func until(t *testing.T, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen")
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// waiting is the number of items of a queue, those under way included.
func (a *app) waiting(name string) (n int) {
	a.t.Helper()
	if err := a.db.View(store.WithActor(context.Background(), store.System("test")), func(tx *store.Tx) (err error) {
		n, err = a.queue.Depth(tx, name)
		return err
	}); err != nil {
		a.t.Fatal(err)
	}
	return n
}

func TestCrons(t *testing.T) {
	m, err := manifest.Parse("m.json", []byte(`{"manifest_version":1,"name":"x","crons":[
		{"schedule":"*/5 * * * *","function":"add","args":{"title":"five"}}, {"name":"daily","schedule":"@daily","function":"add","args":{"title":"day"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	a, clock := withQueue(t, map[string]string{
		"add":   `export default mutation({ auth: "internal", handler: async (ctx, { title }) => ctx.db.insert("Item", { title: title + (await ctx.db.count("Item")) }) })`,
		"count": `export default query({ handler: async (ctx) => (await ctx.db.list("Item")).map(i => i.title).join() })`,
	}, func(h *Host) {
		if err := h.Crons(m.Crons); err != nil {
			t.Fatal(err)
		}
	})
	a.ok("count", "", `""`)
	clock.Advance(4*time.Minute + 29*time.Second)
	a.ok("count", "", `""`)
	clock.Advance(2 * time.Second)
	a.eventually("count", "", `"five0"`)
	until(t, func() bool { return a.waiting(scheduledQueue) == 0 }) // a time passes by while the last run is not over
	clock.Advance(5 * time.Minute)
	a.eventually("count", "", `"five0,five1"`)
}

// stream collects events.
type stream []string

func (s *stream) Event(event, data string) error {
	*s = append(*s, event+"="+data)
	return nil
}

func TestStreams(t *testing.T) {
	a := newApp(t, map[string]string{
		"act":  `export default action({ handler: async (ctx) => { ctx.stream.write("a"); ctx.stream.writeEvent("more", { b: 1 }); return 1 } })`,
		"mut":  `export default mutation({ handler: async (ctx, { fail }) => { ctx.stream.write("held"); await ctx.db.count("Item"); if (fail) throw ctx.error("NO"); } })`,
		"line": `export default action({ handler: async (ctx) => ctx.stream.writeEvent("a\nb", 1) })`,
	})
	for _, c := range []struct{ name, args, want string }{
		{"act", "", `message=a|more={"b":1}`},
		{"mut", "", "message=held"},
		{"mut", `{"fail":true}`, ""},
		{"line", "", ""},
	} {
		var s stream
		_, err := a.Call(store.WithActor(t.Context(), alice), Request{Name: c.name, Args: []byte(c.args), Stream: &s})
		if got := strings.Join(s, "|"); got != c.want {
			t.Errorf("%s streamed %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}
