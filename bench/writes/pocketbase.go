package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"

	"github.com/pylon-go/pylon/bench/process"
)

// collection is the same three fields, open to everybody: a rule that is empty
// is the cheapest PocketBase has.
const collection = `{"name":"m","type":"base","createRule":"","viewRule":"","fields":[
	{"name":"room","type":"text"},{"name":"body","type":"text"},{"name":"created_at","type":"number"}]}`

// startPocketBase runs PocketBase with its own settings. They include
// synchronous=NORMAL: unlike the other two it may lose answered writes when the
// power fails.
func startPocketBase(ctx context.Context, root, dir string) (*server, error) {
	binary := filepath.Join(dir, "pocketbase.bin")
	if err := process.Build(ctx, filepath.Join(root, "bench", "pocketbase"), ".", binary); err != nil {
		return nil, err
	}
	// A binary in a temporary folder is taken for `go run` and put in development
	// mode, which prints every statement: slower by far.
	data := []string{"--dir=" + filepath.Join(dir, "data"), "--dev=false"}
	const email = "bench@example.com"
	password := rand.Text()
	upsert := exec.CommandContext(ctx, binary, append([]string{"superuser", "upsert", email, password}, data...)...)
	if out, err := upsert.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("making the superuser: %w\n%s", err, out)
	}
	port, err := process.FreePort()
	if err != nil {
		return nil, err
	}
	s := &server{name: "pocketbase", url: "http://127.0.0.1:" + port}
	records := s.url + "/api/collections/m/records"
	s.create = func(body string) *http.Request { return process.Request("POST", records, body, "") }
	s.get = func(id string) *http.Request { return process.Request("GET", records+"/"+id, "", "") }
	s.health = func() *http.Request { return process.Request("GET", s.url+"/api/health", "", "") }
	cmd := exec.Command(binary, append([]string{"serve", "--http=127.0.0.1:" + port}, data...)...)
	if s.process, err = process.Start(ctx, cmd, s.url+"/api/health"); err != nil {
		return s, err
	}
	return s, makeCollection(s.url, email, password)
}

func makeCollection(url, email, password string) error {
	login, err := json.Marshal(map[string]string{"identity": email, "password": password})
	if err != nil {
		return err
	}
	body, err := process.Do(process.Request("POST", url+"/api/collections/_superusers/auth-with-password", string(login), ""))
	if err != nil {
		return err
	}
	var auth struct{ Token string }
	if err := json.Unmarshal(body, &auth); err != nil {
		return err
	}
	_, err = process.Do(process.Request("POST", url+"/api/collections", collection, auth.Token))
	return err
}
