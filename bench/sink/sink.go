package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// endpoints is how many a sink has.
const endpoints = 4096

// endpoint counts what arrived at one address.
type endpoint struct {
	n           atomic.Int64
	size        atomic.Int64 // bytes of the last body
	first, last atomic.Int64 // nanoseconds since the Unix epoch, 0 before any
}

func (e *endpoint) count(now, size int64) {
	e.size.Store(size)
	e.first.CompareAndSwap(0, now)
	e.last.Store(now)
	e.n.Add(1)
}

// sink is the state of the receiver.
type sink struct {
	all [endpoints]endpoint

	mu       sync.Mutex
	arrivals map[string]int64 // by row
}

func newSink() http.Handler {
	s := &sink{arrivals: map[string]int64{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /d/{n}", s.deliver)
	mux.HandleFunc("POST /timed/{n}", s.timed)
	mux.HandleFunc("POST /hang/{n}", s.hang)
	mux.HandleFunc("GET /counts", s.counts)
	mux.HandleFunc("GET /arrivals", s.listArrivals)
	mux.HandleFunc("POST /reset", s.reset)
	return mux
}

// endpoint is the one a request is for, nil after the request was answered with an error.
func (s *sink) endpoint(w http.ResponseWriter, r *http.Request) *endpoint {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 0 || n >= endpoints {
		http.Error(w, "no such endpoint", http.StatusNotFound)
		return nil
	}
	return &s.all[n]
}

func (s *sink) deliver(w http.ResponseWriter, r *http.Request) {
	e := s.endpoint(w, r)
	if e == nil {
		return
	}
	if size, err := io.Copy(io.Discard, r.Body); err == nil {
		e.count(time.Now().UnixNano(), size)
	}
}

func (s *sink) timed(w http.ResponseWriter, r *http.Request) {
	now := time.Now().UnixNano()
	e := s.endpoint(w, r)
	if e == nil {
		return
	}
	var told struct {
		Row string `json:"row_id"`
	}
	if err := json.NewDecoder(r.Body).Decode(&told); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	if _, again := s.arrivals[told.Row]; !again {
		s.arrivals[told.Row] = now
	}
	s.mu.Unlock()
	e.count(now, r.ContentLength)
}

func (s *sink) hang(w http.ResponseWriter, r *http.Request) {
	e := s.endpoint(w, r)
	if e == nil {
		return
	}
	if size, err := io.Copy(io.Discard, r.Body); err == nil {
		e.count(time.Now().UnixNano(), size)
	}
	<-r.Context().Done()
}

func (s *sink) counts(w http.ResponseWriter, _ *http.Request) {
	type counted struct {
		N     int64 `json:"n"`
		Size  int64 `json:"size"`
		First int64 `json:"first"`
		Last  int64 `json:"last"`
	}
	out := map[int]counted{}
	for i := range s.all {
		if e := &s.all[i]; e.n.Load() > 0 {
			out[i] = counted{e.n.Load(), e.size.Load(), e.first.Load(), e.last.Load()}
		}
	}
	reply(w, out)
}

func (s *sink) listArrivals(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	reply(w, s.arrivals)
}

func (s *sink) reset(http.ResponseWriter, *http.Request) {
	for i := range s.all {
		s.all[i].n.Store(0)
		s.all[i].first.Store(0)
		s.all[i].last.Store(0)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.arrivals)
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(http.ErrAbortHandler) // the caller sees a broken answer instead of a short one
	}
}
