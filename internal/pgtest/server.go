package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const superuser = "pylon"

// Server is a private PostgreSQL.
type Server struct {
	bin  string // folder of the server's programs
	dir  string
	port int
	as   *syscall.SysProcAttr

	mu      sync.Mutex
	cmd     *exec.Cmd
	ended   chan struct{} // closed when cmd has ended
	watcher *exec.Cmd
	leash   io.Closer
}

// start makes a cluster below a folder and runs it.
func start(below string) (s *Server, err error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	s = &Server{bin: bin, as: &syscall.SysProcAttr{Setpgid: true}}
	if s.dir, err = os.MkdirTemp(below, "pgtest"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.remove())
		}
	}()
	if os.Geteuid() == 0 { // PostgreSQL refuses to run as root
		if s.as.Credential, err = nobody(); err != nil {
			return nil, err
		}
		if err := os.Chown(s.dir, int(s.as.Credential.Uid), int(s.as.Credential.Gid)); err != nil {
			return nil, err
		}
	}
	if err := s.watch(); err != nil {
		return nil, err
	}
	// --no-sync is about the making of the cluster only. An ICU collation sorts
	// otherwise than bytes do, so that a column that forgot its own is found out.
	args := []string{"-D", s.data(), "-U", superuser, "--auth=trust", "-E", "UTF8", "--no-sync"}
	if err := s.initdb(append(args, "--locale=C", "--locale-provider=icu", "--icu-locale=en-US")); err != nil {
		// Before 15, or built without ICU.
		if plain := s.initdb(append(args, "--locale=C")); plain != nil {
			return nil, errors.Join(err, plain)
		}
	}
	if s.port, err = freePort(); err != nil {
		return nil, err
	}
	return s, s.Start()
}

func (s *Server) initdb(args []string) error {
	if err := os.RemoveAll(s.data()); err != nil {
		return err
	}
	cmd := exec.Command(filepath.Join(s.bin, "initdb"), args...)
	cmd.Dir, cmd.SysProcAttr, cmd.Env = s.dir, s.as, []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// programs finds the newest installed server.
func programs() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", err
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))) // 0 for a strange name
		return n
	}
	sort.Slice(found, func(i, j int) bool { return version(found[i]) > version(found[j]) })
	if len(found) > 0 {
		return filepath.Dir(found[0]), nil
	}
	path, err := exec.LookPath("postgres")
	if err != nil {
		return "", errors.New("no PostgreSQL server is installed")
	}
	return filepath.Dir(path), nil
}

// nobody is a user without rights.
func nobody() (*syscall.Credential, error) {
	var errs []error
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.Join(errs...)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// watch ties the server's life to this process: a shell holds the other end of a
// pipe, and when that closes, however this process ended, it ends the server and
// removes its folder.
func (s *Server) watch() error {
	const script = `cat >/dev/null
for try in 1 2 3 4 5 6 7 8 9 10; do
	pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) || break
	kill -QUIT "$pid" 2>/dev/null || break
	sleep 0.2
done
rm -rf "$1"`
	s.watcher = exec.Command("/bin/sh", "-c", script, "pgtest", s.dir)
	s.watcher.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	leash, err := s.watcher.StdinPipe()
	if err != nil {
		return err
	}
	s.leash = leash
	return s.watcher.Start()
}

// remove ends the server and removes its folder.
func (s *Server) remove() error {
	err := s.Kill()
	if s.leash == nil {
		return errors.Join(err, os.RemoveAll(s.dir))
	}
	s.leash.Close()
	return errors.Join(err, s.watcher.Wait())
}

// Start runs the server, on the port it had before, and waits until it answers.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd != nil {
		return errors.New("the server is running")
	}
	for end := time.Now().Add(startTimeout); ; time.Sleep(20 * time.Millisecond) {
		said, err := s.run(end)
		// Sessions of a killed server end when they notice its death, and until then
		// keep the next one out.
		if err == nil || !strings.Contains(said, "shared memory block") || time.Now().After(end) {
			return err
		}
	}
}

// run starts the server once. What it said is its log.
func (s *Server) run(end time.Time) (said string, err error) {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), "-D", s.data(), "-p", strconv.Itoa(s.port), "-h", "127.0.0.1",
		"-c", "unix_socket_directories=", "-c", "max_connections=200")
	cmd.Dir, cmd.SysProcAttr, cmd.Stdout, cmd.Stderr = s.dir, s.as, log, log
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait() //nolint:errcheck // it is ended by signals
		close(ended)
	}()
	for ; ; time.Sleep(5 * time.Millisecond) {
		err := s.answers()
		if err == nil {
			s.cmd, s.ended = cmd, ended
			return "", nil
		}
		select {
		case <-ended:
			text, err := os.ReadFile(log.Name())
			return string(text), errors.Join(fmt.Errorf("the server ended: %s", strings.TrimSpace(string(text))), err)
		default:
		}
		if time.Now().After(end) {
			cmd.Process.Kill() //nolint:errcheck // it may have ended
			<-ended
			return "", fmt.Errorf("the server does not answer: %w", err)
		}
	}
}

func (s *Server) answers() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return err
	}
	return c.Close(ctx)
}

// Stop ends the server in order, ending the sessions there are ("fast").
func (s *Server) Stop() error { return s.signal(syscall.SIGINT) }

// Kill ends the server as a crash would: its sessions end without a word, and the
// next Start recovers from the log.
func (s *Server) Kill() error {
	s.mu.Lock()
	running := s.cmd != nil
	s.mu.Unlock()
	if !running {
		return nil
	}
	return s.signal(syscall.SIGKILL)
}

func (s *Server) signal(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return errors.New("the server is not running")
	}
	var sessions []int
	if sig == syscall.SIGKILL { // they would outlive the postmaster for a moment
		var err error
		if sessions, err = children(s.cmd.Process.Pid); err != nil {
			return err
		}
	}
	if err := s.cmd.Process.Signal(sig); err != nil {
		return err
	}
	for _, pid := range sessions {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	select {
	case <-s.ended:
	case <-time.After(startTimeout):
		return errors.New("the server does not end")
	}
	s.cmd = nil
	for end := time.Now().Add(startTimeout); slices.ContainsFunc(sessions, runs); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return errors.New("the server's sessions do not end")
		}
	}
	return nil
}

// runs reports whether a process is there and no zombie.
func runs(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(text), ") ") // the name before it is in parentheses
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

// children are the processes that a process has started.
func children(pid int) (pids []int, err error) {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil, err
	}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			return nil, err
		}
		for _, field := range strings.Fields(string(text)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				return nil, err
			}
			pids = append(pids, child)
		}
	}
	return pids, nil
}

func (s *Server) running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd != nil
}
