# Everything is done with the Go toolchain; nothing has to be installed first.
# `make help` lists the targets.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# Packages with enough concurrency of their own to be worth the race detector.
RACE := queue policy manifest store plugin plugins api auth function bench/load
# Time for each fuzz target in `make test` and in `make fuzz`.
SMOKE_FUZZTIME := 3s
FUZZTIME := 1m

.PHONY: help build test lint fmt services fuzz bench bench-writes bench-webhooks bench-postgres bench-cache bench-functions bench-audit crash unit race fuzz-smoke

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## compile bin/pylon, one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/pylon ./cmd/pylon

test: lint services unit race fuzz-smoke ## everything CI checks: lint, tests, race detector, a little fuzzing

unit: ## all tests, none skipped for a missing service
	PYLON_TEST_SERVICES=required go test -timeout 10m ./...

race: ## tests under the race detector, where it pays
	scripts/race $(RACE)

fuzz-smoke: ## every fuzz target for a few seconds
	scripts/fuzz $(SMOKE_FUZZTIME)

fuzz: ## every fuzz target for FUZZTIME (1m)
	scripts/fuzz $(FUZZTIME)

lint: ## gofmt, go vet and staticcheck
	scripts/gofmt
	go vet ./...
	go run $(STATICCHECK) $$(go list ./... | grep -v /internal/quickjs/qjs)

fmt: ## format all Go files
	scripts/gofmt -w

services: ## install what tests need and this machine lacks
	scripts/services

bench: bench-writes bench-webhooks bench-postgres bench-cache bench-functions bench-audit ## all benchmarks
	go test -run '^$$' -bench . -benchmem ./...

bench-writes: ## Pylon's reads and writes beside a bare server and PocketBase
	go run ./bench/writes

bench-webhooks: ## deliveries from write to receiver beside a bare loop of POSTs
	go run ./bench/webhooks

bench-postgres: ## writes and deliveries on PostgreSQL beside a bare pgx server and a bare loop of POSTs
	go run ./bench/postgres

bench-functions: ## functions over HTTP beside the plain routes, cold start, costs inside the process
	go run ./bench/functions
	go test -run '^$$' -bench . -benchmem ./internal/quickjs
	PYLON_TEST_ENGINE=sqlite go test -run '^$$' -bench 'Calls|Load' -benchmem ./function

bench-cache: ## the cache's engine beside otter and a strict LRU
	go run ./bench/cache

bench-audit: ## what audit_log costs a write, how fast a log is verified, how long entries wait for their leaf
	go run ./bench/audit

crash: ## kill the server 1000 times under load and count what is lost
	go run ./bench/crash
