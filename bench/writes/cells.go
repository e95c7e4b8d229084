package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/pylon-go/pylon/bench/load"
	"github.com/pylon-go/pylon/bench/process"
)

// rowsToRead is how many rows of each server the reads go round.
const rowsToRead = 1000

// cell is one thing that is measured once a round.
type cell struct {
	server *server
	what   string // create, get or health
	c      int
	rounds []load.Result
}

// groups are the kinds of cells. Within a group the servers take turns; the
// kinds of one group follow one another directly for each server, because they
// are compared with each other.
var groups = [][]cell{
	{{what: "create", c: 1}},
	{{what: "create", c: 64}},
	{{what: "get", c: 64}, {what: "health", c: 64}},
}

func cellsOf(servers []*server) []*cell {
	var cells []*cell
	for _, group := range groups {
		for _, kind := range group {
			for _, s := range servers {
				cells = append(cells, &cell{server: s, what: kind.what, c: kind.c})
			}
		}
	}
	return cells
}

// measureRound measures every cell once. Each round begins with another server,
// so that what else happens on the machine hits all alike.
func measureRound(ctx context.Context, cells []*cell, round int, o options) error {
	ids := map[*server][]string{}
	for _, group := range groups {
		for i := range o.servers {
			name := o.servers[(i+round)%len(o.servers)]
			for _, kind := range group {
				c := find(cells, name, kind.what, kind.c)
				next, err := requests(c, ids)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				result := load.Run(ctx, load.Options{Concurrency: c.c, Warmup: o.warmup, Duration: o.duration, NewRequest: next})
				if ctx.Err() != nil {
					return ctx.Err()
				}
				c.rounds = append(c.rounds, result)
			}
		}
	}
	return nil
}

// requests gives what the workers of a cell send.
func requests(c *cell, ids map[*server][]string) (func(worker, i int) *http.Request, error) {
	switch c.what {
	case "create":
		return func(worker, i int) *http.Request { return c.server.create(row(worker, i)) }, nil
	case "health":
		return func(int, int) *http.Request { return c.server.health() }, nil
	}
	if ids[c.server] == nil {
		for i := range rowsToRead {
			body, err := process.Do(c.server.create(row(0, i)))
			if err != nil {
				return nil, err
			}
			var created struct{ ID string }
			if err := json.Unmarshal(body, &created); err != nil || created.ID == "" {
				return nil, fmt.Errorf("no id in %.200s (%v)", body, err)
			}
			ids[c.server] = append(ids[c.server], created.ID)
		}
	}
	rows := ids[c.server]
	return func(worker, i int) *http.Request { return c.server.get(rows[(worker*31+i)%len(rows)]) }, nil
}

var text = strings.Repeat("the quick brown fox jumps over the lazy dog ", 4)

// row is a body of about 200 bytes, another one each time.
func row(worker, i int) string {
	return fmt.Sprintf(`{"room":"room-%d","body":"%s","created_at":%d}`, worker, text[:140], 1_700_000_000_000+i)
}

// failures is an error when any request failed.
func failures(cells []*cell) error {
	for _, c := range cells {
		for _, r := range c.rounds {
			if r.Errors > 0 {
				return fmt.Errorf("%s %s c=%d: %d requests failed, the first: %s", c.server.name, c.what, c.c, r.Errors, r.Sample)
			}
			if r.Requests == 0 {
				return fmt.Errorf("%s %s c=%d: no request succeeded", c.server.name, c.what, c.c)
			}
		}
	}
	return nil
}
