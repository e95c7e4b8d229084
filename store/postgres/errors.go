package postgres

import (
	"context"
	"errors"
	"hash/fnv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pylon-go/pylon/store"
)

// connectError says that no connection could be had.
type connectError struct{ cause error }

func (e *connectError) Error() string { return e.cause.Error() }
func (e *connectError) Unwrap() error { return e.cause }

// unknownError is a connection that broke while the server committed.
type unknownError struct{ cause error }

func (e *unknownError) Error() string {
	return "the outcome of a commit is unknown: " + e.cause.Error()
}
func (e *unknownError) Unwrap() error { return e.cause }

func pgError(m *pgproto3.ErrorResponse) error { return pgconn.ErrorResponseToPgError(m) }

// idleTimeout is idle_in_transaction_session_timeout.
const idleTimeout = "25P03"

func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// retriable reports whether a transaction that failed so certainly did nothing and
// may well succeed when it is run again.
func retriable(err error) bool {
	var unknown *unknownError
	if errors.As(err, &unknown) {
		return false
	}
	var broke *brokenError
	switch sqlState(err) {
	case "40001", "40P01": // serialisation failure, deadlock
		return true
	case idleTimeout: // the caller took too long, and would again
		return false
	}
	return outdated(err) || errors.As(err, &broke)
}

// outdated reports whether a prepared statement no longer fits the tables: another
// process migrated them.
func outdated(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "0A000" && strings.Contains(pg.Routine, "RevalidateCachedQuery")
}

// explain turns an engine's error into one the caller may see.
func (e *Engine) explain(err error) error {
	var known *store.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var unknown *unknownError
	if errors.As(err, &unknown) {
		return &store.Error{Kind: store.Unavailable, Code: "COMMIT_UNKNOWN",
			Message: "the connection to the database broke during the commit; the write may or may not have happened",
			Hint:    "look whether it happened before trying again", Cause: err}
	}
	switch sqlState(err) {
	case "57014", "55P03", idleTimeout: // statement_timeout, lock_timeout
		return &store.Error{Kind: store.Unavailable, Code: "DATABASE_TIMEOUT", Message: "the database or the transaction took too long", Hint: "try again", Cause: err}
	}
	var connect *connectError
	var broke *brokenError
	if errors.As(err, &connect) || errors.As(err, &broke) {
		return unavailable(err)
	}
	switch state := sqlState(err); {
	case state == "25006": // a standby, or reading was all that was asked for
		return unavailable(err)
	case state == "":
	default:
		switch state[:2] {
		case "08", "53", "57", "58", "XX": // connection, resources, operator, system, internal
			return unavailable(err)
		}
	}
	return err
}

func unavailable(cause error) error {
	return &store.Error{Kind: store.Unavailable, Code: "DATABASE_UNAVAILABLE", Message: "the database cannot be used at the moment", Cause: cause}
}

const indexColumns = `SELECT a.attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relname = ? AND n.nspname = ? ORDER BY a.attnum`

// clash names the columns of a unique index that refused a row. The server names
// only the index, or all of it in its own language.
func (e *Engine) clash(s *session, err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "23505" || s.broken {
		return err
	}
	columns, ok := e.uniques.Load(pg.ConstraintName)
	if !ok {
		var names []string
		t := &transaction{session: s, kind: asking}
		if asked := t.Query(indexColumns, []store.Value{store.String(pg.ConstraintName), store.String(pg.SchemaName)}, func(r store.Rows) error {
			names = append(names, r.Value(0, store.TypeString).Str())
			return nil
		}); asked != nil || len(names) == 0 {
			return errors.Join(err, asked)
		}
		columns = names
		e.uniques.Store(pg.ConstraintName, names)
	}
	u := store.UniqueViolation(pg.TableName, columns.([]string))
	u.Cause = err
	return u
}

// lockKey is an advisory lock's number. Two names with one number only wait for
// each other more than they need to.
func lockKey(name string) int64 {
	h := fnv.New64a()
	h.Write([]byte("pylon\x00" + name)) //nolint:errcheck // never fails
	return int64(h.Sum64())
}
