package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"

	"github.com/pylon-go/pylon/bench/process"
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

	process *process.Process
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
