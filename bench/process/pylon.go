package process

import (
	"context"
	"crypto/rand"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
)

// Pylon is how `pylon serve` is run for an app.
type Pylon struct {
	// Binary is the compiled command.
	Binary string
	// Dir gets the app's folder and its database.
	Dir string
	// Port to listen on.
	Port string
	// Env is added to the environment.
	Env []string

	token string
}

// NewPylon writes the app's manifest into a folder of its own below dir and
// chooses a port and a token for the administrator.
func NewPylon(binary, dir, manifest string, env ...string) (*Pylon, error) {
	p := &Pylon{Binary: binary, Dir: dir, Env: env, token: rand.Text()}
	if err := p.SetManifest(manifest); err != nil {
		return nil, err
	}
	var err error
	p.Port, err = FreePort()
	return p, err
}

// SetManifest replaces the app's manifest for the next start.
func (p *Pylon) SetManifest(manifest string) error {
	if err := os.MkdirAll(p.app(), 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(p.app(), "pylon.manifest.json"), []byte(manifest), 0o644)
}

func (p *Pylon) app() string { return filepath.Join(p.Dir, "app") }

// Database is the SQLite file; with DATABASE_URL in the environment there is none.
func (p *Pylon) Database() string { return filepath.Join(p.Dir, "app.db") }

// URL is the server's address.
func (p *Pylon) URL() string { return "http://127.0.0.1:" + p.Port }

// Start starts the server and waits until it is ready.
func (p *Pylon) Start(ctx context.Context) (*Process, error) {
	cmd := exec.Command(p.Binary, "serve", p.app(), "--host", "127.0.0.1", "--port", p.Port)
	cmd.Env = append(os.Environ(), "PYLON_ADMIN_TOKEN="+p.token, "PYLON_DB_PATH="+p.Database())
	cmd.Env = append(cmd.Env, p.Env...)
	return Start(ctx, cmd, p.URL()+"/health")
}

// Request is one of the administrator.
func (p *Pylon) Request(method, path, body string) *http.Request {
	return Request(method, p.URL()+path, body, p.token)
}
