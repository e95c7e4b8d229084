package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestSink(t *testing.T) {
	srv := httptest.NewServer(newSink())
	defer srv.Close()
	post := func(path, body string) int {
		t.Helper()
		resp, err := http.Post(srv.URL+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	get := func(path string, to any) {
		t.Helper()
		resp, err := http.Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(to); err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Now().UnixNano()
	for path, want := range map[string]int{"/d/3": 200, "/d/4096": 404, "/d/x": 404, "/d/-1": 404, "/timed/9": 200} {
		if got := post(path, `{"row_id":"r1"}`); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	post("/d/3", "four")
	var counts map[int]struct{ N, Size, First, Last int64 }
	get("/counts", &counts)
	if c := counts[3]; len(counts) != 2 || c.N != 2 || c.Size != 4 || c.First < begin || c.Last < c.First {
		t.Errorf("counted %+v", counts)
	}
	var arrivals map[string]int64
	get("/arrivals", &arrivals)
	if len(arrivals) != 1 || arrivals["r1"] < begin {
		t.Errorf("arrivals %v", arrivals)
	}

	// One that hangs counts and keeps the request until its sender goes away.
	client := http.Client{Timeout: 200 * time.Millisecond}
	if resp, err := client.Post(srv.URL+"/hang/5", "application/json", strings.NewReader("x")); err == nil {
		resp.Body.Close()
		t.Errorf("answered %s", resp.Status)
	}
	get("/counts", &counts)
	if counts[5].N != 1 {
		t.Errorf("counted %+v", counts)
	}
	post("/reset", "")
	counts = nil
	get("/counts", &counts)
	if len(counts) != 0 {
		t.Errorf("after a reset: %+v", counts)
	}
}
