package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pylon-go/pylon/bench/load"
	"github.com/pylon-go/pylon/bench/process"
)

// A server under comparison.
type server struct {
	name, plugin string
	chain        bool

	app   *process.Pylon
	proc  *process.Process
	rows  []string
	rates map[int][]load.Result // by concurrency
}

const key = "AUDIT_KEY=0123456789abcdef0123456789abcdef"

var servers = []*server{
	{name: "not audited"},
	{name: "unsigned", plugin: `{"name": "audit_log", "config": {"entities": "*", "verify_secs": 0}}`},
	{name: "signed", plugin: `{"name": "audit_log", "config": {"entities": "*", "sign_entries": true, "signing_key_env": "AUDIT_KEY", "verify_secs": 0}}`},
	{name: "chain head in the transaction", plugin: `{"name": "bench_chain"}`, chain: true},
}

func manifest(plugin string) string {
	return `{ "manifest_version": 1, "name": "audit", "version": "1.0.0",
  "entities": [{"name": "User", "fields": [{"name": "email", "type": "string"}, {"name": "name", "type": "string"}, {"name": "bio", "type": "string"}, {"name": "n", "type": "int"}]}],
  "policies": [{"name": "all", "entity": "User", "allow": "true"}],
  "plugins": [` + plugin + `] }`
}

// rowsOf is how many rows the updates go round.
const rowsOf = 1000

// start starts a server on an empty database with rows.
func (b *bench) start(ctx context.Context, s *server) (err error) {
	binary := b.pylon
	if s.chain {
		binary = b.chain
	}
	env := []string{key, "PYLON_LOG_LEVEL=warn"}
	if b.postgres {
		b.databases++
		url, err := b.database(ctx, fmt.Sprintf("audit%d", b.databases))
		if err != nil {
			return err
		}
		env = append(env, "DATABASE_URL="+url)
	}
	if s.app, err = process.NewPylon(binary, filepath.Join(b.dir, strings.ReplaceAll(s.name, " ", "-")), manifest(s.plugin), env...); err != nil {
		return err
	}
	if s.proc, err = s.app.Start(ctx); err != nil {
		return err
	}
	s.rates, s.rows = map[int][]load.Result{}, nil
	bio := strings.Repeat("x", 200)
	for i := range rowsOf {
		body, err := process.Do(s.app.Request(http.MethodPost, "/api/entities/User", fmt.Sprintf(`{"email":"u%d@example.com","name":"User %d","bio":"%s","n":0}`, i, i, bio)))
		if err != nil {
			return err
		}
		var made struct{ ID string }
		if err := json.Unmarshal(body, &made); err != nil {
			return err
		}
		s.rows = append(s.rows, made.ID)
	}
	return nil
}

// database is a new one on the server of this run.
func (b *bench) database(ctx context.Context, name string) (string, error) {
	c, err := pgx.Connect(ctx, b.server.URL)
	if err != nil {
		return "", err
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	u, err := url.Parse(b.server.URL)
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}

// updates are PATCHes of one field, each worker's of other rows.
func (s *server) updates(workers int) func(worker, i int) *http.Request {
	return func(worker, i int) *http.Request {
		id := s.rows[(worker+i*workers)%len(s.rows)]
		return s.app.Request(http.MethodPatch, "/api/entities/User/"+id, fmt.Sprintf(`{"n":%d}`, i+1))
	}
}

var concurrencies = []int{8, 64}

func (b *bench) writes(ctx context.Context) (err error) {
	defer func() {
		for _, s := range servers {
			err = errors.Join(err, s.proc.Stop())
		}
	}()
	for _, s := range servers {
		fmt.Fprintf(os.Stderr, "starting: %s\n", s.name)
		if err := b.start(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	for round := range b.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, b.rounds)
		for _, c := range concurrencies {
			for i := range servers {
				s := servers[(i+round)%len(servers)]
				r := load.Run(ctx, load.Options{Concurrency: c, Warmup: b.warmup, Duration: b.duration, NewRequest: s.updates(c)})
				if r.Errors > 0 {
					return fmt.Errorf("%s: %d errors, the first: %s", s.name, r.Errors, r.Sample)
				}
				s.rates[c] = append(s.rates[c], r)
			}
		}
	}
	report()
	return nil
}

var goals = []struct {
	of, to string
	goal   float64
}{
	{"signed", "not audited", 0.85},
	{"signed", "unsigned", 0.97},
	{"signed", "chain head in the transaction", 3},
}

func report() {
	for _, c := range concurrencies {
		fmt.Printf("\nPATCH c=%d\n", c)
		byName := map[string][]load.Result{}
		for _, s := range servers {
			byName[s.name] = s.rates[c]
			var rates, p99 []float64
			for _, r := range s.rates[c] {
				rates, p99 = append(rates, r.PerSecond()), append(p99, r.P99.Seconds()*1000)
			}
			fmt.Printf("  %-32s %8.0f/s   p99 %6.1f ms   rounds %.0f\n", s.name, load.Median(rates), load.Median(p99), rates)
		}
		for _, g := range goals {
			var each []float64
			for i := range byName[g.of] {
				each = append(each, byName[g.of][i].PerSecond()/byName[g.to][i].PerSecond())
			}
			mark := "met"
			if load.Median(each) < g.goal {
				mark = "MISSED"
			}
			fmt.Printf("  %-50s %.2f   goal >= %.2f %s   rounds %.2f\n", g.of+" / "+g.to, load.Median(each), g.goal, mark, each)
		}
	}
}
