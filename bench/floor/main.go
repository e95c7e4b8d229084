// Command floor is the least a durable JSON server on SQLite can do: decode,
// insert, commit to disk, answer. It has no sign-in, policies, schema, hooks or
// metrics. What Pylon reaches of its rate is what those cost.
//
//	floor -addr 127.0.0.1:0 -db FILE
//
// It prints its address when it is ready.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// message is the one kind of row.
type message struct {
	ID        string `json:"id"`
	Room      string `json:"room"`
	Body      string `json:"body"`
	CreatedAt int64  `json:"created_at"`
}

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "address to listen on")
	file := flag.String("db", "floor.db", "database file")
	flag.Parse()
	if err := run(*addr, *file); err != nil {
		log.Fatal("floor: ", err)
	}
}

func run(addr, file string) error {
	db, err := open(file)
	if err != nil {
		return err
	}
	defer db.close()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: routes(db)}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() {
		bound, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = srv.Shutdown(bound)
	})
	fmt.Println("http://" + listener.Addr().String())
	if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func routes(db *database) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /m", func(w http.ResponseWriter, r *http.Request) {
		var m message
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&m); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		m.ID = newID()
		if err := db.insert(&m); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		reply(w, http.StatusCreated, map[string]string{"id": m.ID})
	})
	mux.HandleFunc("GET /m/{id}", func(w http.ResponseWriter, r *http.Request) {
		m, err := db.get(r.PathValue("id"))
		switch {
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		case m == nil:
			http.NotFound(w, r)
		default:
			reply(w, http.StatusOK, m)
		}
	})
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	return mux
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone when this fails
}
