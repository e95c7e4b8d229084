package process

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestMain lets the test be the program that is started: with an address in the
// environment it serves there, with the word "end" it ends.
func TestMain(m *testing.M) {
	switch at := os.Getenv("PROCESS_TEST"); at {
	case "":
		os.Exit(m.Run())
	case "end":
		fmt.Println("the last words")
		os.Exit(3)
	default:
		fmt.Fprintln(os.Stderr, http.ListenAndServe(at, http.NotFoundHandler()))
		os.Exit(1)
	}
}

func program(what string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PROCESS_TEST="+what)
	return cmd
}

func TestProcess(t *testing.T) {
	p, err := Start(t.Context(), program("end"), "http://127.0.0.1:1/")
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "the last words") {
		t.Errorf("a program that ends: %v", err)
	}
	if ended, err := p.Ended(); !ended || err == nil {
		t.Errorf("ended %t, %v", ended, err)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("stopped when it had ended: %v", err)
	}

	port, err := FreePort()
	if err != nil {
		t.Fatal(err)
	}
	// 404 is no readiness: wait for the connection only.
	p, err = Launch(program("127.0.0.1:" + port))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	for {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
			break
		}
		if ended, how := p.Ended(); ended {
			t.Fatal(how, p.Output())
		}
	}
	if ended, _ := p.Ended(); ended || p.Pid() <= 1 {
		t.Errorf("ended %t, pid %d", ended, p.Pid())
	}
	p.Kill()
	if ended, err := p.Ended(); !ended || !strings.Contains(err.Error(), "killed") {
		t.Errorf("ended %t, %v", ended, err)
	}
	if err := (*Process)(nil).Stop(); err != nil {
		t.Error(err)
	}
}
