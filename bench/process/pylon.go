package process

import (
	"context"
	"crypto/rand"
	"io"
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
	if err := os.MkdirAll(p.App(), 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(p.App(), "pylon.manifest.json"), []byte(manifest), 0o644); err != nil {
		return nil, err
	}
	var err error
	p.Port, err = FreePort()
	return p, err
}

// App is the app's folder.
func (p *Pylon) App() string { return filepath.Join(p.Dir, "app") }

// Database is the SQLite file; with DATABASE_URL in the environment there is none.
func (p *Pylon) Database() string { return filepath.Join(p.Dir, "app.db") }

// URL is the server's address.
func (p *Pylon) URL() string { return "http://127.0.0.1:" + p.Port }

// Start starts the server and waits until it is ready.
func (p *Pylon) Start(ctx context.Context) (*Process, error) {
	return Start(ctx, p.command(), p.Health())
}

// Launch starts the server and does not wait. What it prints goes to log too.
func (p *Pylon) Launch(log io.Writer) (*Process, error) {
	cmd := p.command()
	cmd.Stderr = log
	return Launch(cmd)
}

func (p *Pylon) command() *exec.Cmd {
	cmd := exec.Command(p.Binary, "serve", p.App(), "--host", "127.0.0.1", "--port", p.Port)
	cmd.Env = append(os.Environ(), "PYLON_ADMIN_TOKEN="+p.token, "PYLON_DB_PATH="+p.Database())
	cmd.Env = append(cmd.Env, p.Env...)
	return cmd
}

// Health is the address that answers 2xx when the server is ready.
func (p *Pylon) Health() string { return p.URL() + "/health" }

// Request is one of the administrator.
func (p *Pylon) Request(method, path, body string) *http.Request {
	return Request(method, p.URL()+path, body, p.token)
}
