package main

import (
	"encoding/json"
	"fmt"
)

// secret signs the deliveries.
const secret = "a-secret-of-the-crash-harness-0123"

// hooksOf are the app's hooks: most writes go to Item, which has an unordered one
// and one in the order of each row; Entry has one that takes everything in turn and so
// is slower than all others.
func hooksOf(ordered bool) []hook {
	hooks := []hook{{name: "plain", entity: "Item"}, {name: "byrow", entity: "Item"}, {name: "byhook", entity: "Entry"}}
	if ordered {
		hooks[1].order, hooks[2].order = "row", "hook"
	}
	return hooks
}

// manifest declares the app. Failed deliveries are repeated soon and for long.
func manifest(hooks []hook, sink, audit string) (string, error) {
	type retry struct {
		MaxAttempts int `json:"max_attempts"`
		BackoffSecs int `json:"backoff_secs"`
	}
	type declared struct {
		Name      string   `json:"name"`
		Entity    string   `json:"entity"`
		Events    []string `json:"events"`
		URL       string   `json:"url"`
		SecretEnv string   `json:"secret_env"`
		Ordered   string   `json:"ordered,omitempty"`
		Retry     retry    `json:"retry"`
	}
	var all []declared
	for _, h := range hooks {
		all = append(all, declared{h.name, h.entity, []string{"insert", "update"}, sink + "/" + h.name, "HOOK_SECRET", h.order, retry{100, 1}})
	}
	list, err := json.Marshal(all)
	if err != nil {
		return "", err
	}
	fields := `[
    {"name": "writer", "type": "int"}, {"name": "birth", "type": "int"},
    {"name": "n", "type": "int"}, {"name": "version", "type": "int"},
    {"name": "pad", "type": "string"}
  ]`
	return fmt.Sprintf(`{
  "manifest_version": 1,
  "name": "crash",
  "version": "1.0.0",
  "entities": [{"name": "Item", "fields": %s}, {"name": "Entry", "fields": %s}],
  "plugins": [
    {"name": "net_guard", "config": {"allow_hosts": ["127.0.0.1"]}},
    %s{"name": "webhooks", "config": {"hooks": %s}}
  ]
}
`, fields, fields, audit, list), nil
}
