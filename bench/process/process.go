// Package process builds and runs the programs that benchmarks and the crash
// harness measure, each in a process of its own on 127.0.0.1.
package process

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

const (
	readyTimeout = 20 * time.Second
	stopTimeout  = 15 * time.Second
)

// Process is a running program.
type Process struct {
	cmd    *exec.Cmd
	output output
	exited chan error // holds the outcome once the process has ended
}

// Start launches the program and waits until the address ready answers 2xx. The
// process is returned with an error too when it was started: stop it in any case.
func Start(ctx context.Context, cmd *exec.Cmd, ready string) (*Process, error) {
	p, err := Launch(cmd)
	if err != nil {
		return nil, err
	}
	return p, p.Ready(ctx, ready)
}

// Launch starts the program and does not wait. What it prints is kept, and goes
// to cmd.Stderr too when that is set.
func Launch(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, exited: make(chan error, 1)}
	var out io.Writer = &p.output
	if cmd.Stderr != nil {
		out = io.MultiWriter(&p.output, cmd.Stderr)
	}
	cmd.Stdout, cmd.Stderr = out, out
	// A group of its own: an interrupt at the terminal reaches the command that
	// started it, which then stops it in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.exited <- cmd.Wait() }()
	return p, nil
}

// Ready waits until the address answers 2xx.
func (p *Process) Ready(ctx context.Context, address string) error {
	// A connection kept from one question to the next would survive the process.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	deadline := time.After(readyTimeout)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		if resp, err := client.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode/100 == 2 {
				return nil
			}
		}
		select {
		case err := <-p.exited:
			p.exited <- err
			return fmt.Errorf("ended before it was ready: %v\n%s", err, p.output.tail())
		case <-deadline:
			return fmt.Errorf("%s does not answer\n%s", address, p.output.tail())
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
		}
	}
}

// Pid is the process's id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Output is the end of what the process printed.
func (p *Process) Output() string { return p.output.tail() }

// Ended says whether the process has ended, and how.
func (p *Process) Ended() (ended bool, err error) {
	select {
	case err := <-p.exited:
		p.exited <- err
		return true, err
	default:
		return false, nil
	}
}

// Stop ends the process: politely, then by force, which is an error.
func (p *Process) Stop() error {
	if p == nil {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case err := <-p.exited:
		p.exited <- err
		return nil
	case <-time.After(stopTimeout):
		p.Kill()
		return fmt.Errorf("%s did not stop within %s and was killed\n%s", p.cmd.Path, stopTimeout, p.output.tail())
	}
}

// Kill ends the process with SIGKILL and waits until it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	p.exited <- <-p.exited
}

// output keeps the beginning of what a process prints.
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
