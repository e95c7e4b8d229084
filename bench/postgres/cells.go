package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pylon-go/pylon/bench/load"
	"github.com/pylon-go/pylon/bench/process"
)

const concurrency = 64

// cell is something that is measured once a round.
type cell struct {
	name    string
	measure func(b *bench, ctx context.Context) (float64, error)
}

const (
	floorCreate   = "create, bare pgx server"
	pylonCreate   = "create, pylon, no hook"
	pylonHooked   = "create, pylon, 1 hook"
	pylonQuiet    = "create, pylon, 1 paused hook"
	rawPosts      = "POSTs, bare loop"
	pylonDelivers = "deliveries, a request a row"
	pylonBatches  = "deliveries, 100 rows a transaction"
)

var cells = []cell{
	// What is compared is measured one right after the other.
	{pylonCreate, func(b *bench, ctx context.Context) (float64, error) { return b.creates(ctx, false, false) }},
	{floorCreate, (*bench).floorCreates},
	{pylonHooked, func(b *bench, ctx context.Context) (float64, error) { return b.creates(ctx, true, false) }},
	{pylonQuiet, func(b *bench, ctx context.Context) (float64, error) { return b.creates(ctx, true, true) }},
	{pylonDelivers, func(b *bench, ctx context.Context) (float64, error) { return b.delivers(ctx, concurrency, 1) }},
	{rawPosts, (*bench).raw},
	{pylonBatches, func(b *bench, ctx context.Context) (float64, error) { return b.delivers(ctx, 4, 100) }},
}

var ratios = []struct{ of, to, goal string }{
	{pylonHooked, floorCreate, ">= 0.7"},
	{pylonCreate, floorCreate, "none"},
	{pylonQuiet, floorCreate, "none"},
	{pylonDelivers, rawPosts, ">= 0.2"},
	{pylonBatches, rawPosts, ">= 0.2"},
}

var text = strings.Repeat("the quick brown fox jumps over the lazy dog ", 4)[:140]

func row(worker, i int) string {
	return fmt.Sprintf(`{"room":"room-%02d","body":"%s","created_at":%d}`, worker, text, 1_700_000_000_000+i)
}

const secret = "a-secret-of-the-usual-length-0123"

func manifest(hook string) string {
	hooks := ""
	if hook != "" {
		hooks = `{"name":"h","entity":"Item","url":"` + hook + `","secret_env":"HOOK_SECRET"}`
	}
	return `{
  "manifest_version": 1, "name": "bench", "version": "1.0.0",
  "entities": [{"name": "Item", "fields": [{"name": "room", "type": "string"}, {"name": "body", "type": "string"}, {"name": "created_at", "type": "int"}]}],
  "policies": [{"name": "open", "entity": "Item", "allow": "true"}],
  "plugins": [
    {"name": "net_guard", "config": {"allow_hosts": ["127.0.0.1"]}},
    {"name": "webhooks", "config": {"hooks": [` + hooks + `]}}
  ]
}
`
}

// database is a new one on the server, which stays until the end of the run.
func (b *bench) database(ctx context.Context) (string, error) {
	c, err := pgx.Connect(ctx, b.server.URL)
	if err != nil {
		return "", err
	}
	defer c.Close(ctx)
	b.databases++
	name := fmt.Sprintf("bench_%d", b.databases)
	// A checkpoint now is one that does not fall into what is measured.
	for _, sql := range []string{"CREATE DATABASE " + name, "CHECKPOINT"} {
		if _, err := c.Exec(ctx, sql); err != nil {
			return "", err
		}
	}
	u, err := url.Parse(b.server.URL)
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	q := u.Query()
	q.Set("pool_max_conns", strconv.Itoa(b.conns))
	u.RawQuery = q.Encode()
	return u.String(), nil
}

func (b *bench) load(ctx context.Context, request func(worker, i int) *http.Request) (float64, error) {
	r := load.Run(ctx, load.Options{Concurrency: concurrency, Warmup: b.warmup, Duration: b.duration, NewRequest: request})
	return r.PerSecond(), failed(ctx, &r)
}

func failed(ctx context.Context, r *load.Result) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case r.Errors > 0:
		return fmt.Errorf("%d requests failed, the first: %s", r.Errors, r.Sample)
	case r.Requests == 0:
		return errors.New("no request succeeded")
	}
	return nil
}

func (b *bench) floorCreates(ctx context.Context) (float64, error) {
	db, err := b.database(ctx)
	if err != nil {
		return 0, err
	}
	port, err := process.FreePort()
	if err != nil {
		return 0, err
	}
	at := "http://127.0.0.1:" + port
	p, err := process.Start(ctx, exec.Command(b.floor, "-addr", "127.0.0.1:"+port, "-db", db, "-conns", strconv.Itoa(b.conns)), at+"/health")
	if p != nil {
		defer p.Kill()
	}
	if err != nil {
		return 0, err
	}
	return b.load(ctx, func(worker, i int) *http.Request {
		return process.Request(http.MethodPost, at+"/m", row(worker, i), "")
	})
}

// serve runs measure with a server of its own on an empty database.
func (b *bench) serve(ctx context.Context, hook string, measure func(p *process.Pylon) error) error {
	db, err := b.database(ctx)
	if err != nil {
		return err
	}
	p, err := process.NewPylon(b.pylon, filepath.Join(b.dir, fmt.Sprintf("app-%d", b.databases)), manifest(hook),
		"HOOK_SECRET="+secret, "PYLON_LOG_LEVEL=error", "DATABASE_URL="+db)
	if err != nil {
		return err
	}
	running, err := p.Start(ctx)
	if running != nil {
		defer running.Kill() // nothing is kept
	}
	if err != nil {
		return err
	}
	if err := measure(p); err != nil {
		return fmt.Errorf("%w\n%s", err, running.Output())
	}
	return nil
}

func (b *bench) creates(ctx context.Context, hook, paused bool) (rate float64, err error) {
	to := ""
	if hook {
		to = b.sinkURL + "/d/0"
	}
	err = b.serve(ctx, to, func(p *process.Pylon) error {
		if paused { // what the write itself costs, without deliveries on the same cores
			if _, err := process.Do(p.Request(http.MethodPost, "/api/webhooks/hooks/h/pause", "{}")); err != nil {
				return err
			}
		}
		rate, err = b.load(ctx, func(worker, i int) *http.Request {
			return p.Request(http.MethodPost, "/api/entities/Item", row(worker, i))
		})
		return err
	})
	return rate, err
}

// raw is the bare loop: a body as a hook sends it, signed, no row, no queue.
func (b *bench) raw(ctx context.Context) (float64, error) {
	const id = "01KAXXXXXXXXXXXXXXXXXXXXXX"
	return b.load(ctx, func(worker, i int) *http.Request {
		body := `{"event":"insert","entity":"Item","row_id":"` + id + `","data":{"id":"` + id + `",` + row(worker, i)[1:] +
			`,"timestamp":"2026-01-31T09:30:00.000Z","delivery_id":"wh_` + id + `"}`
		req := process.Request(http.MethodPost, b.sinkURL+"/d/4000", body, "")
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(body))
		req.Header.Set("X-Pylon-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
		return req
	})
}

// delivers writes rows, some in a request, and waits until every delivery has arrived; the rate is that
// of arrivals, from the first to the last.
func (b *bench) delivers(ctx context.Context, writers, rows int) (rate float64, err error) {
	err = b.serve(ctx, b.sinkURL+"/d/1", func(p *process.Pylon) error {
		if _, err := process.Do(process.Request(http.MethodPost, b.sinkURL+"/reset", "", "")); err != nil {
			return err
		}
		var sent atomic.Int64
		r := load.Run(ctx, load.Options{Concurrency: writers, Duration: time.Hour, NewRequest: func(worker, i int) *http.Request {
			if sent.Add(1) > int64(b.deliveries/rows) {
				return nil
			}
			if rows > 1 {
				var body strings.Builder
				for k := range rows {
					body.WriteString(",{\"op\":\"insert\",\"entity\":\"Item\",\"data\":" + row(worker, i*rows+k) + "}")
				}
				return p.Request(http.MethodPost, "/api/transact", "["+body.String()[1:]+"]")
			}
			return p.Request(http.MethodPost, "/api/entities/Item", row(worker, i))
		}})
		if err := failed(ctx, &r); err != nil {
			return err
		}
		rate, err = b.await(ctx, int64(r.Requests*rows))
		return err
	})
	return rate, err
}

func (b *bench) await(ctx context.Context, n int64) (float64, error) {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(2 * time.Minute); ; {
		body, err := process.Do(process.Request(http.MethodGet, b.sinkURL+"/counts", "", ""))
		if err != nil {
			return 0, err
		}
		var counts map[string]struct{ N, First, Last int64 }
		if err := json.Unmarshal(body, &counts); err != nil {
			return 0, err
		}
		switch got := counts["1"]; {
		case got.N == n:
			return float64(n-1) / (float64(got.Last-got.First) / 1e9), nil
		case got.N > n:
			return 0, fmt.Errorf("%d deliveries arrived of %d", got.N, n)
		case time.Now().After(end):
			return 0, fmt.Errorf("only %d of %d deliveries arrived", got.N, n)
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}
