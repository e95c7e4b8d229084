// Command floor is the least a durable JSON server on PostgreSQL can do: decode,
// insert through a pool of pgx, answer. It has no sign-in, policies, schema, hooks
// or metrics. What Pylon reaches of its rate is what those cost.
//
//	floor -addr 127.0.0.1:0 -db URL -conns 16
package main

import (
	"context"
	"crypto/rand"
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

	"github.com/jackc/pgx/v5/pgxpool"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "address to listen on")
	url := flag.String("db", "", "URL of the database")
	conns := flag.Int("conns", 16, "connections of the pool")
	flag.Parse()
	if err := run(*addr, *url, int32(*conns)); err != nil {
		log.Fatal("floor: ", err)
	}
}

func run(addr, url string, conns int32) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return err
	}
	config.MaxConns = conns
	db, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer db.Close()
	// A benchmark against a database that is not durable is worth nothing.
	for _, setting := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		var value string
		if err := db.QueryRow(ctx, "SELECT current_setting($1)", setting).Scan(&value); err != nil || value != "on" {
			return fmt.Errorf("%s is %q, not on: %w", setting, value, err)
		}
	}
	if _, err := db.Exec(ctx, "CREATE TABLE IF NOT EXISTS m (id text PRIMARY KEY, room text NOT NULL, body text NOT NULL, created_at bigint NOT NULL)"); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: routes(db)}
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

func routes(db *pgxpool.Pool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /m", func(w http.ResponseWriter, r *http.Request) {
		var m struct {
			Room      string `json:"room"`
			Body      string `json:"body"`
			CreatedAt int64  `json:"created_at"`
		}
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&m); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		id := rand.Text()
		if _, err := db.Exec(r.Context(), "INSERT INTO m (id, room, body, created_at) VALUES ($1, $2, $3, $4)", id, m.Room, m.Body, m.CreatedAt); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]string{"id": id}) // the client is gone when this fails
	})
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	return mux
}
