package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pylon-go/pylon/store"
)

// Options say how a database is opened.
type Options struct {
	// Application is shown in pg_stat_activity.
	Application string
}

// Limits that hold unless the URL says otherwise.
const (
	// maxConns is enough to keep the disk busy with shared commits, and leaves a
	// server with the usual hundred connections room for several replicas.
	maxConns       = 16
	connectTimeout = 5 * time.Second
)

// settings are sent when a connection is made, unless the URL has them.
var settings = map[string]string{
	"statement_timeout":                   "30s",
	"lock_timeout":                        "10s",
	"idle_in_transaction_session_timeout": "60s",
}

// fixed settings are what the engine relies on.
var fixed = map[string]string{
	"client_encoding":               "UTF8",
	"TimeZone":                      "UTC",
	"standard_conforming_strings":   "on",
	"default_transaction_isolation": "read committed",
	"default_transaction_read_only": "off",
}

// Open connects to the database of a URL, postgres://user:password@host/name?sslmode=…,
// with all that libpq understands there, and pool_max_conns.
func Open(ctx context.Context, url string, o Options) (*Engine, error) {
	config, err := configure(url, o)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	e := &Engine{pool: pool}
	err = e.ReadOne(ctx, func(c store.Conn) error {
		return c.Query("SELECT current_schema(), current_setting('server_encoding'), current_setting('synchronous_commit')", nil, func(r store.Rows) error {
			e.schema = r.Value(0, store.TypeString).Str()
			if encoding := r.Value(1, store.TypeString).Str(); encoding != "UTF8" {
				return fmt.Errorf("the database's encoding is %s; make one with UTF8", encoding)
			}
			if r.Value(2, store.TypeString).Str() == "off" {
				return errors.New("synchronous_commit is off for this database or user, so an acknowledged write would not be on disk; add synchronous_commit=on to the URL, or leave the setting out")
			}
			return nil
		})
	})
	if err == nil && e.schema == "" {
		err = fmt.Errorf("the database has no schema to put tables into: make one of the search_path")
	}
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("open the database: %w", err)
	}
	return e, nil
}

// CheckURL reports what is wrong with a URL, without connecting.
func CheckURL(url string) error {
	_, err := configure(url, Options{})
	return err
}

func configure(url string, o Options) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil { // pgx takes passwords out of it
		return nil, fmt.Errorf("the database's URL: %w", err)
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = maxConns
	}
	cc := config.ConnConfig
	if !strings.Contains(url, "connect_timeout") {
		cc.ConnectTimeout = connectTimeout
	}
	for name, value := range settings {
		if _, given := cc.RuntimeParams[name]; !given {
			cc.RuntimeParams[name] = value
		}
	}
	for name, value := range fixed {
		cc.RuntimeParams[name] = value
	}
	if cc.RuntimeParams["application_name"] == "" {
		cc.RuntimeParams["application_name"] = "pylon"
		if o.Application != "" {
			cc.RuntimeParams["application_name"] += " " + o.Application
		}
	}
	config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		c.PgConn().CustomData()[sessionKey] = newSession(c.PgConn())
		for name, text := range controls {
			if _, err := c.PgConn().Prepare(ctx, name, text, nil); err != nil {
				return err
			}
		}
		return nil
	}
	return config, nil
}
