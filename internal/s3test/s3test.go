// Package s3test starts an object store that speaks S3, with versions and Object
// Lock, for tests: versitygw over a folder of the test's own, on 127.0.0.1.
package s3test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Store is a running store.
type Store struct {
	Endpoint, AccessKey, SecretKey, Region string
}

// New starts a store for a test. Without the program the test is skipped, or fails
// where PYLON_TEST_SERVICES=required.
func New(t testing.TB) *Store {
	t.Helper()
	program, err := find()
	if err != nil {
		if os.Getenv("PYLON_TEST_SERVICES") == "required" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	s := &Store{AccessKey: "test-access", SecretKey: "test-secret-0123456789", Region: "us-east-1"}
	dir := t.TempDir()
	root, versions := filepath.Join(dir, "root"), filepath.Join(dir, "versions")
	for _, d := range []string{root, versions} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	s.Endpoint = "http://" + address
	said := &output{}
	cmd := exec.Command(program, "--port", address, "--access", s.AccessKey, "--secret", s.SecretKey, "--region", s.Region, "posix", "--versioning-dir", versions, root)
	cmd.Stdout, cmd.Stderr = said, said
	cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Kill() //nolint:errcheck // it may have ended
		<-ended
	})
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		res, err := http.Get(s.Endpoint)
		if err == nil {
			res.Body.Close()
			return s
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the object store ended: %v\n%s", err, said)
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("the object store does not answer: %v\n%s", err, said)
		}
	}
}

// Bucket makes a bucket, with Object Lock if locked.
func (s *Store) Bucket(t testing.TB, name string, locked bool) {
	t.Helper()
	c, err := minio.New(s.Endpoint[len("http://"):], &minio.Options{Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Region: s.Region})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.MakeBucket(context.Background(), name, minio.MakeBucketOptions{Region: s.Region, ObjectLocking: locked}); err != nil {
		t.Fatal(err)
	}
}

// find looks for the program in PATH and where scripts/services puts it.
func find() (string, error) {
	if path, err := exec.LookPath("versitygw"); err == nil {
		return path, nil
	}
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return "", errors.New("the sources are not here")
	}
	path := filepath.Join(filepath.Dir(file), "..", "..", ".cache", "bin", "versitygw")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("versitygw is not here: scripts/services installs it")
	}
	return path, nil
}

// output keeps what the store prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
