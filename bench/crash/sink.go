package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash/maphash"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// sink is the receiver. Now and then it fails as receivers do, and it writes down
// what it accepts.
type sink struct {
	url    string
	server *http.Server
	hash   maphash.Seed

	mu       sync.Mutex
	rng      *rand.Rand
	calm     bool // fail no more
	accepted []acceptance
	distinct map[delivered]struct{}
	requests int
	problems *problems
}

// failing is the share of requests to a hook that fail. One that takes deliveries in
// turn stands still for a second after each.
var failing = map[string]float64{"plain": 0.05, "byrow": 0.02, "byhook": 0.005}

const (
	slow      = 0.05 // share of requests that take their time
	unnoticed = 0.01 // share of accepted ones whose answer is lost
	maxDelay  = 200 * time.Millisecond
)

func startSink(seed uint64, p *problems) (*sink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sink{url: "http://" + l.Addr().String(), hash: maphash.MakeSeed(), rng: rand.New(rand.NewPCG(seed, 1)), distinct: map[delivered]struct{}{}, problems: p}
	s.server = &http.Server{Handler: s}
	go func() { _ = s.server.Serve(l) }() // ends with close
	return s, nil
}

func (s *sink) close() error { return s.server.Close() }

// told is a delivery's body.
type told struct {
	Event, Entity string
	ID            string `json:"delivery_id"`
	Data          struct {
		Writer, Birth, N, Version int
	}
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender was killed
	}
	hook := strings.TrimPrefix(r.URL.Path, "/")
	var t told
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	switch err := json.Unmarshal(body, &t); {
	case err != nil:
		s.problems.add("%s got a body that cannot be read: %v: %.300q", hook, err, body)
	case r.Header.Get("X-Pylon-Signature") != "sha256="+hex.EncodeToString(mac.Sum(nil)):
		s.problems.add("%s got a body with the signature %q", hook, r.Header.Get("X-Pylon-Signature"))
	case t.ID == "" || r.Header.Get("Webhook-Id") != t.ID:
		s.problems.add("%s got the id %q in the body and %q in the header", hook, t.ID, r.Header.Get("Webhook-Id"))
	case (t.Event == "insert") != (t.Data.Version == 1):
		s.problems.add("%s was told of the %s of version %d", hook, t.Event, t.Data.Version)
	}

	fail, delay, status, lost := s.mood(hook)
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
			return // the sender is gone
		}
	}
	switch {
	case fail && status == 0:
		panic(http.ErrAbortHandler) // hang up
	case fail:
		if status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "1")
		}
		w.WriteHeader(status)
		return
	}
	s.accept(acceptance{Hook: hook, ID: t.ID, Body: maphash.Bytes(s.hash, body), Write: key{t.Data.Writer, t.Data.N},
		Row: key{t.Data.Writer, t.Data.Birth}, Version: t.Data.Version})
	if lost {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
}

// mood decides what becomes of a request.
func (s *sink) mood(hook string) (fail bool, delay time.Duration, status int, lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if s.calm {
		return false, 0, http.StatusOK, false
	}
	if s.rng.Float64() < slow*min(1, failing[hook]/0.02) {
		delay = time.Duration(s.rng.Int64N(int64(maxDelay)))
	}
	if s.rng.Float64() < failing[hook] {
		return true, delay, [...]int{0, http.StatusInternalServerError, http.StatusTooManyRequests, http.StatusServiceUnavailable}[s.rng.IntN(4)], false
	}
	return false, delay, [...]int{http.StatusOK, http.StatusAccepted, http.StatusNoContent}[s.rng.IntN(3)], s.rng.Float64() < unnoticed*min(1, failing[hook]/0.02)
}

func (s *sink) accept(a acceptance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accepted = append(s.accepted, a)
	s.distinct[delivered{a.Hook, a.Write}] = struct{}{}
}

// counts are how many requests came, how many were accepted, and how many of those
// were the first of their delivery.
func (s *sink) counts() (requests, accepted, distinct int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests, len(s.accepted), len(s.distinct)
}

// calmDown ends the failures.
func (s *sink) calmDown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calm = true
}

// all is what was accepted.
func (s *sink) all() []acceptance {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]acceptance(nil), s.accepted...)
}
