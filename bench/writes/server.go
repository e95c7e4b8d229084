package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// server is one of the servers under comparison, in a process of its own.
type server struct {
	name string
	url  string // of the server
	// create makes a request that stores a row; get one that reads a row by id,
	// health one that only asks whether the server is there.
	create func(body string) *http.Request
	get    func(id string) *http.Request
	health func() *http.Request

	cmd    *exec.Cmd
	output output
	exited chan error
}

func start(ctx context.Context, name, root, dir string) (*server, error) {
	dir = filepath.Join(dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	switch name {
	case "pylon":
		return startPylon(ctx, root, dir)
	case "floor":
		return startFloor(ctx, root, dir)
	default:
		return startPocketBase(ctx, root, dir)
	}
}

// build compiles a command as releases are compiled.
func build(ctx context.Context, folder, pkg, binary string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, pkg)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// launch starts the process and waits until the address answers 2xx.
func (s *server) launch(ctx context.Context, cmd *exec.Cmd, ready string) error {
	s.cmd = cmd
	cmd.Stdout, cmd.Stderr = &s.output, &s.output
	// A group of its own: an interrupt at the terminal reaches this command,
	// which then stops its servers in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.exited = make(chan error, 1)
	go func() { s.exited <- cmd.Wait() }()

	deadline := time.After(20 * time.Second)
	for {
		if resp, err := http.Get(ready); err == nil {
			resp.Body.Close()
			if resp.StatusCode/100 == 2 {
				return nil
			}
		}
		select {
		case err := <-s.exited:
			s.exited <- err
			return fmt.Errorf("ended before it was ready: %v\n%s", err, s.output.tail())
		case <-deadline:
			return fmt.Errorf("%s does not answer\n%s", ready, s.output.tail())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *server) pid() int { return s.cmd.Process.Pid }

// stop ends the process: politely, then by force.
func (s *server) stop() error {
	if s.exited == nil {
		return nil
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
		return nil
	case <-time.After(15 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.exited
		return fmt.Errorf("%s did not stop within 15 s and was killed\n%s", s.name, s.output.tail())
	}
}

// output keeps the beginning of what a server prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if room := 64<<10 - o.buf.Len(); room > 0 {
		o.buf.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.buf.String()
	return s[max(0, len(s)-4000):]
}

// freePort is a port nobody listened on a moment ago.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// request makes a request to an address this command itself has put together.
func request(method, url, body, bearer string) *http.Request {
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, url, r)
	if err != nil {
		panic(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	return req
}

// do sends a request that must succeed and returns the answer.
func do(req *http.Request) ([]byte, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %.500s", req.Method, req.URL.Path, resp.Status, body)
	}
	return body, err
}
