package main

import (
	"context"
	"net/http"
	"path/filepath"

	"github.com/pylon-go/pylon/bench/process"
)

// app is one entity of the same three fields that the others have. Its policy is
// open, yet requests sign in: as a real client's would.
const app = `{
  "manifest_version": 1,
  "name": "bench",
  "version": "1.0.0",
  "entities": [{"name": "Item", "fields": [
    {"name": "room", "type": "string"},
    {"name": "body", "type": "string"},
    {"name": "created_at", "type": "int"},
  ]}],
  "policies": [{"name": "open", "entity": "Item", "allow": "true"}],
}
`

func startPylon(ctx context.Context, root, dir string) (*server, error) {
	binary := filepath.Join(dir, "pylon.bin")
	if err := process.Build(ctx, root, "./cmd/pylon", binary); err != nil {
		return nil, err
	}
	p, err := process.NewPylon(binary, dir, app)
	if err != nil {
		return nil, err
	}
	s := &server{name: "pylon", url: p.URL()}
	s.create = func(body string) *http.Request { return p.Request("POST", "/api/entities/Item", body) }
	s.get = func(id string) *http.Request { return p.Request("GET", "/api/entities/Item/"+id, "") }
	s.health = func() *http.Request { return process.Request("GET", s.url+"/health", "", "") }
	s.process, err = p.Start(ctx)
	return s, err
}
