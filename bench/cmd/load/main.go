// Command load sends one HTTP request again and again and prints how fast the
// answers come.
//
//	go run ./bench/cmd/load -c 64 -d 5s -url http://127.0.0.1:4321/health
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/pylon-go/pylon/bench/load"
)

func main() {
	url := flag.String("url", "", "where to send the requests")
	method := flag.String("method", "", "HTTP method (default GET, or POST when there is a body)")
	body := flag.String("body", "", "body to send, or @FILE")
	concurrency := flag.Int("c", 1, "workers, each with one connection")
	warmup := flag.Duration("warmup", 500*time.Millisecond, "time before requests count")
	duration := flag.Duration("d", 3*time.Second, "time in which they count")
	header := http.Header{}
	flag.Func("H", "header to send, as `Name: value`; may be repeated", func(s string) error {
		name, value, ok := strings.Cut(s, ":")
		if !ok {
			return fmt.Errorf("%q is not Name: value", s)
		}
		header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
		return nil
	})
	flag.Parse()

	if err := run(*url, *method, *body, header, *concurrency, *warmup, *duration); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(url, method, body string, header http.Header, concurrency int, warmup, duration time.Duration) error {
	if file, ok := strings.CutPrefix(body, "@"); ok {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		body = string(text)
	}
	if method == "" {
		method = http.MethodGet
		if body != "" {
			method = http.MethodPost
		}
	}
	if body != "" && header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/json")
	}
	if concurrency < 1 || duration <= 0 {
		return fmt.Errorf("-c and -d must be positive")
	}
	first, err := http.NewRequest(method, url, nil)
	if err != nil {
		return err
	}
	if first.URL.Host == "" {
		return fmt.Errorf("-url wants an address, like http://127.0.0.1:4321/health")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	result := load.Run(ctx, load.Options{
		Concurrency: concurrency, Warmup: warmup, Duration: duration,
		NewRequest: func(int, int) *http.Request {
			req, err := http.NewRequest(method, url, strings.NewReader(body))
			if err != nil {
				panic(err) // the same request was made above
			}
			req.Header = header
			return req
		},
	})
	fmt.Println(&result)
	if result.Errors > 0 {
		return fmt.Errorf("%d requests failed", result.Errors)
	}
	return nil
}
