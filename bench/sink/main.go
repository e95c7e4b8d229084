// Command sink is the receiver of benchmarks: it answers every delivery with an
// empty 200 at once and counts.
//
//	sink -addr 127.0.0.1:0
//
//	POST /d/N      counts for endpoint N
//	POST /timed/N  counts, and keeps when the delivery of which row arrived
//	POST /hang/N   counts, and never answers
//	GET  /counts   {"N": {"n": deliveries, "size": bytes of the last, "first": ns, "last": ns}, ...}
//	GET  /arrivals {"row id": ns, ...} of timed endpoints
//	POST /reset    forgets all
package main

import (
	"context"
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

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "address to listen on")
	flag.Parse()
	if err := run(*addr); err != nil {
		log.Fatal("sink: ", err)
	}
}

func run(addr string) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Requests end with the process: those that hang would never do by themselves.
	srv := &http.Server{Handler: newSink(), BaseContext: func(net.Listener) context.Context { return ctx }}
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
