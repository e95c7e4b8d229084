package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pylon-go/pylon/bench/process"
)

// secret signs the deliveries; its value does not matter.
const secret = "a-secret-of-the-usual-length-0123"

// appManifest is an app with one entity and a hook for each address. net_guard is on,
// as it should be in production.
func appManifest(addresses []string) string {
	type hook struct {
		Name      string `json:"name"`
		Entity    string `json:"entity"`
		URL       string `json:"url"`
		SecretEnv string `json:"secret_env"`
	}
	hooks := []hook{}
	for i, a := range addresses {
		hooks = append(hooks, hook{"h" + strconv.Itoa(i), "Item", a, "HOOK_SECRET"})
	}
	list, err := json.Marshal(hooks)
	if err != nil {
		panic(err) // strings always can be written
	}
	return `{
  "manifest_version": 1,
  "name": "bench",
  "version": "1.0.0",
  "entities": [{"name": "Item", "fields": [
    {"name": "room", "type": "string"},
    {"name": "body", "type": "string"},
    {"name": "created_at", "type": "int"}
  ]}],
  "policies": [{"name": "open", "entity": "Item", "allow": "true"}],
  "plugins": [
    {"name": "net_guard", "config": {"allow_hosts": ["127.0.0.1"]}},
    {"name": "webhooks", "config": {"hooks": ` + string(list) + `}}
  ]
}
`
}

// serve runs measure with a server of its own, on an empty database, whose hooks
// send to the addresses.
func (b *bench) serve(ctx context.Context, addresses []string, measure func(*process.Pylon, *process.Process) error) error {
	b.apps++
	p, err := process.NewPylon(b.binary, filepath.Join(b.dir, fmt.Sprintf("app-%d", b.apps)), appManifest(addresses), "HOOK_SECRET="+secret, "PYLON_LOG_LEVEL=error")
	if err != nil {
		return err
	}
	running, err := p.Start(ctx)
	if running != nil {
		// Nothing is kept, and an orderly stop would wait for receivers that hang.
		defer running.Kill()
	}
	if err != nil {
		return err
	}
	if err := measure(p, running); err != nil {
		return fmt.Errorf("%w\n%s", err, running.Output())
	}
	return nil
}

var text = strings.Repeat("the quick brown fox jumps over the lazy dog ", 4)[:140]

// row is a body of about 200 bytes, another one each time.
func row(worker, i int) string {
	return fmt.Sprintf(`{"room":"room-%02d","body":"%s","created_at":%d}`, worker, text, 1_700_000_000_000+i)
}

// delivery is a body as a hook sends it for such a row.
func delivery(worker, i int) string {
	const id = "01KAXXXXXXXXXXXXXXXXXXXXXX"
	return `{"event":"insert","entity":"Item","row_id":"` + id + `","data":{"id":"` + id + `",` + row(worker, i)[1:] +
		`,"timestamp":"2026-01-31T09:30:00.000Z","delivery_id":"wh_` + id + `"}`
}
