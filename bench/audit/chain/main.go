// Command chain is `pylon serve` with the design that audit_log does not have: every
// entry holds the hash of the one before it, so each write reads and moves the head
// of a chain in its transaction. bench/audit measures what that costs.
package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/pylon-go/pylon"
	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/store"
)

const (
	headTable  = "_pylon_bench_chain_head"
	entryTable = "_pylon_bench_chain_entries"
)

// chain is the plugin.
type chain struct{}

func (chain) Info() plugin.Info { return plugin.Info{Summary: "A chain of hashes, for comparison."} }

func (chain) Tables() []*store.Table {
	return []*store.Table{
		{Name: headTable, PrimaryKey: []string{"name"}, Columns: []store.Column{{Name: "name", Type: store.TypeString}, {Name: "seq", Type: store.TypeInt}, {Name: "hash", Type: store.TypeBytes}}},
		{Name: entryTable, PrimaryKey: []string{"seq"}, Columns: []store.Column{{Name: "seq", Type: store.TypeInt}, {Name: "entity", Type: store.TypeString}, {Name: "row_id", Type: store.TypeString},
			{Name: "before", Type: store.TypeString, Null: true}, {Name: "after", Type: store.TypeString, Null: true}, {Name: "at", Type: store.TypeDatetime}, {Name: "hash", Type: store.TypeBytes}}},
	}
}

func (chain) InTx(_ context.Context, tx *store.Tx, w *store.Write) error {
	var seq int64
	var last string
	found := false
	if err := tx.Query("SELECT seq, hash FROM "+headTable+" WHERE name='head'"+tx.Dialect().ForUpdate, nil, func(r store.Rows) error {
		seq, last, found = r.Value(0, store.TypeInt).Int(), r.Value(1, store.TypeBytes).Str(), true
		return nil
	}); err != nil {
		return err
	}
	text := func(row *store.Row) store.Value {
		if row == nil {
			return store.Null
		}
		return store.String(string(row.AppendJSON(nil)))
	}
	before, after := text(w.Before), text(w.After)
	mac := hmac.New(sha256.New, []byte("0123456789abcdef0123456789abcdef"))
	fmt.Fprintf(mac, "%s%d%s%s%s%s", last, seq, w.Entity.Name, w.ID, before.Str(), after.Str())
	hash := store.Bytes(mac.Sum(nil))
	seq++
	if err := tx.Exec("INSERT INTO "+entryTable+" (seq,entity,row_id,before,after,at,hash) VALUES (?,?,?,?,?,?,?)",
		store.Int(seq), store.String(w.Entity.Name), store.String(w.ID), before, after, store.Time(w.Time), hash); err != nil {
		return err
	}
	if !found {
		return tx.Exec("INSERT INTO "+headTable+" (name,seq,hash) VALUES ('head',?,?)", store.Int(seq), hash)
	}
	return tx.Exec("UPDATE "+headTable+" SET seq=?, hash=? WHERE name='head'", store.Int(seq), hash)
}

func main() {
	plugin.Register("bench_chain", func() plugin.Plugin { return chain{} })
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "bench/audit/chain:", err)
		os.Exit(1)
	}
}

// serve takes the arguments of `pylon serve DIR`.
func serve() error {
	if len(os.Args) < 3 {
		return errors.New("usage: chain serve DIR --host HOST --port PORT")
	}
	f := flag.NewFlagSet("serve", flag.ContinueOnError)
	host, port := f.String("host", "127.0.0.1", "address"), f.String("port", "4321", "port")
	if err := f.Parse(os.Args[3:]); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	app, err := pylon.New(ctx, pylon.Options{Dir: os.Args[2]})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", net.JoinHostPort(*host, *port))
	if err == nil {
		err = pylon.Serve(ctx, l, app, slog.Default())
	}
	end, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return errors.Join(err, app.Stop(end))
}
