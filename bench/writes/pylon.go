package main

import (
	"context"
	"crypto/rand"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
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
	if err := build(ctx, root, "./cmd/pylon", binary); err != nil {
		return nil, err
	}
	folder := filepath.Join(dir, "app")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(folder, "pylon.manifest.json"), []byte(app), 0o644); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	token := rand.Text()
	cmd := exec.Command(binary, "serve", folder, "--host", "127.0.0.1", "--port", port)
	cmd.Env = append(os.Environ(), "PYLON_ADMIN_TOKEN="+token, "PYLON_DB_PATH="+filepath.Join(dir, "app.db"))
	s := &server{name: "pylon", url: "http://127.0.0.1:" + port}
	s.create = func(body string) *http.Request { return request("POST", s.url+"/api/entities/Item", body, token) }
	s.get = func(id string) *http.Request { return request("GET", s.url+"/api/entities/Item/"+id, "", token) }
	s.health = func() *http.Request { return request("GET", s.url+"/health", "", "") }
	return s, s.launch(ctx, cmd, s.url+"/health")
}
