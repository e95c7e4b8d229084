package main

import (
	"context"
	"net/http"
	"os/exec"
	"path/filepath"
)

func startFloor(ctx context.Context, root, dir string) (*server, error) {
	binary := filepath.Join(dir, "floor.bin")
	if err := build(ctx, root, "./bench/floor", binary); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(binary, "-addr", "127.0.0.1:"+port, "-db", filepath.Join(dir, "floor.db"))
	s := &server{name: "floor", url: "http://127.0.0.1:" + port}
	s.create = func(body string) *http.Request { return request("POST", s.url+"/m", body, "") }
	s.get = func(id string) *http.Request { return request("GET", s.url+"/m/"+id, "", "") }
	s.health = func() *http.Request { return request("GET", s.url+"/health", "", "") }
	return s, s.launch(ctx, cmd, s.url+"/health")
}
