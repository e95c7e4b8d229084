package main

import (
	"context"
	"net/http"
	"os/exec"
	"path/filepath"

	"github.com/pylon-go/pylon/bench/process"
)

func startFloor(ctx context.Context, root, dir string) (*server, error) {
	binary := filepath.Join(dir, "floor.bin")
	if err := process.Build(ctx, root, "./bench/floor", binary); err != nil {
		return nil, err
	}
	port, err := process.FreePort()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(binary, "-addr", "127.0.0.1:"+port, "-db", filepath.Join(dir, "floor.db"))
	s := &server{name: "floor", url: "http://127.0.0.1:" + port}
	s.create = func(body string) *http.Request { return process.Request("POST", s.url+"/m", body, "") }
	s.get = func(id string) *http.Request { return process.Request("GET", s.url+"/m/"+id, "", "") }
	s.health = func() *http.Request { return process.Request("GET", s.url+"/health", "", "") }
	s.process, err = process.Start(ctx, cmd, s.url+"/health")
	return s, err
}
