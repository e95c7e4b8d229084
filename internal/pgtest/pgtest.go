// Package pgtest gives tests a PostgreSQL of their own: a private server on
// 127.0.0.1 for each test binary, a fresh database for each test. The server has
// the settings of production where they matter (fsync is on), and a default
// collation that is not bytewise, as most databases have.
//
// Without PostgreSQL on the machine a test is skipped, in words; with
// PYLON_TEST_SERVICES=required it fails.
package pgtest

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Database is a fresh database on the test binary's server.
type Database struct {
	// URL is what DATABASE_URL would hold.
	URL string
	// Server runs it, with other tests' databases.
	Server *Server
}

var (
	shared     *Server
	sharedErr  error
	sharedOnce sync.Once
	databases  atomic.Int64
)

// New makes a database that is dropped when the test ends.
func New(t testing.TB) *Database {
	t.Helper()
	sharedOnce.Do(func() { shared, sharedErr = start("") })
	require(t, sharedErr)
	return shared.database(t)
}

// NewServer starts a server for one test, which may stop, kill and start it again
// without disturbing others.
func NewServer(t testing.TB) *Database {
	t.Helper()
	s, err := start("")
	require(t, err)
	t.Cleanup(func() {
		if err := s.remove(); err != nil {
			t.Error(err)
		}
	})
	return s.database(t)
}

// Start starts a server for a program that is no test, below the folder dir or the
// system's temporary one. It lives until stop or the program's end.
func Start(dir string) (d *Database, stop func() error, err error) {
	s, err := start(dir)
	if err != nil {
		return nil, nil, err
	}
	return &Database{URL: s.url("postgres"), Server: s}, s.remove, nil
}

func require(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("PYLON_TEST_SERVICES") == "required":
		t.Fatalf("PostgreSQL is required: %v", err)
	default:
		t.Skipf("SKIPPED, NOT TESTED ON POSTGRESQL: %v (scripts/services installs it)", err)
	}
}

func (s *Server) database(t testing.TB) *Database {
	t.Helper()
	name := "test_" + strconv.FormatInt(databases.Add(1), 10)
	if err := s.admin("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !s.running() { // a test may end with its server down
			return
		}
		if err := s.admin("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return &Database{URL: s.url(name), Server: s}
}

func (s *Server) url(database string) string {
	return (&url.URL{Scheme: "postgres", User: url.UserPassword(superuser, "not-checked"), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Path: "/" + database, RawQuery: "sslmode=disable"}).String()
}

// Exec runs statements on the database, beside whatever the test does.
func (d *Database) Exec(t testing.TB, sql string) {
	t.Helper()
	if err := execute(d.URL, sql); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) admin(sql string) error { return execute(s.url("postgres"), sql) }

func execute(url, sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

// startTimeout bounds what a healthy server does in a fraction of it.
const startTimeout = 30 * time.Second
