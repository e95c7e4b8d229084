package function

import (
	"maps"
	"strings"

	"github.com/pylon-go/pylon/internal/quickjs"
	"github.com/pylon-go/pylon/store"
)

// operations are all that handlers can ask for and wait for.
var operations map[string]operation

// syncs are answered at once.
var syncs map[string]syncFunc

func init() { // here, because a call leads back to the tables
	operations = merged(dbOperations, runOperations, cacheOperations, webOperations)
	syncs = merged(webSyncs, map[string]syncFunc{"env": syncEnv, "stream": syncStream})
}

func merged[V any](tables ...map[string]V) map[string]V {
	all := map[string]V{}
	for _, t := range tables {
		maps.Copy(all, t)
	}
	return all
}

func syncEnv(c *call, a quickjs.Args) (any, error) {
	return visibleEnv(c.host.getenv, c.host.dev, a.String(1)), nil
}

// visibleEnv is a variable of the environment as functions see it, nil when there is
// none. What opens the server itself is not the functions' business.
func visibleEnv(getenv func(string) string, dev bool, name string) any {
	switch {
	case name == "NODE_ENV" && dev:
		return "development"
	case name == "NODE_ENV":
		return "production"
	case getenv == nil, strings.HasPrefix(name, "PYLON_"), name == "DATABASE_URL":
		return nil
	}
	if v := getenv(name); v != "" {
		return v
	}
	return nil
}

// event is something streamed.
type event struct{ name, data string }

// maxStreamed bounds what a mutation holds back until its commit.
const maxStreamed = 1 << 20

// syncStream takes an event of ctx.stream. A mutation's events are held back until it
// is committed: what is rolled back was never said.
func syncStream(c *call, a quickjs.Args) (any, error) {
	if c.info.Type == Query {
		return nil, store.Errorf(store.Invalid, "NO_STREAM", "a query does not stream")
	}
	e := event{a.String(1), a.String(2)}
	if strings.ContainsAny(e.name, "\r\n") {
		return nil, store.Errorf(store.Invalid, "INVALID_EVENT", "an event's name is one line")
	}
	if c.info.Type == Mutation {
		size := len(e.data)
		for _, held := range c.streamed {
			size += len(held.data)
		}
		if size > maxStreamed {
			return nil, store.Errorf(store.TooLarge, "STREAM_TOO_LARGE", "a mutation streams at most %s", mebibytes(maxStreamed))
		}
		c.streamed = append(c.streamed, e)
		return nil, nil
	}
	if c.request.Stream != nil {
		return nil, c.request.Stream.Event(e.name, e.data)
	}
	return nil, nil
}

// flushStream sends what a mutation held back. The write stands, whether or not
// somebody still listens.
func (c *call) flushStream() {
	if c.request.Stream == nil {
		return
	}
	for _, e := range c.streamed {
		if err := c.request.Stream.Event(e.name, e.data); err != nil {
			return
		}
	}
}
