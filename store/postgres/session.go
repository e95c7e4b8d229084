package postgres

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"
)

// maxStatements bounds the prepared statements a connection keeps: filters make
// an open number of different ones.
const maxStatements = 256

// controls are prepared when a connection is made, by name.
var controls = map[string]string{
	"begin":        "BEGIN ISOLATION LEVEL READ COMMITTED",
	"serializable": "BEGIN ISOLATION LEVEL SERIALIZABLE",
	"snapshot":     "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
	"commit":       "COMMIT",
	"rollback":     "ROLLBACK",
}

// session is one connection with its prepared statements. It serves one caller
// at a time, and speaks the protocol's messages itself: pgx's own pipeline cannot
// read a result in pieces with other statements in between.
type session struct {
	pg       *pgconn.PgConn
	stmts    map[string]*statement
	prepared int // names given so far

	engine *Engine
	pooled *pgxpool.Conn
	// broken says that nothing can be said about the connection any more.
	broken bool
	// cut says that the caller's context ended it.
	cut bool
}

const sessionKey = "pylon"

func newSession(pg *pgconn.PgConn) *session {
	return &session{pg: pg, stmts: map[string]*statement{}}
}

// acquire takes a connection out of the pool, or makes one.
func (e *Engine) acquire(ctx context.Context) (*session, error) {
	for {
		pooled, err := e.pool.Acquire(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, &connectError{err}
		}
		s, ok := pooled.Conn().PgConn().CustomData()[sessionKey].(*session)
		if !ok {
			pooled.Release()
			return nil, errors.New("a connection without a session")
		}
		s.engine, s.pooled = e, pooled
		if s.alive(ctx) {
			return s, nil
		}
		s.release(s.broke(errors.New("it was closed while idle"))) // takes the other dead ones along
	}
}

// release gives the connection back. One that broke takes the idle ones along:
// what ended it, a restart of the server, mostly ended all of them.
func (s *session) release(err error) {
	if !s.broken && outdated(err) {
		s.stmts = map[string]*statement{}
		s.abandon()
	}
	pooled := s.pooled
	s.pooled = nil
	if !s.broken {
		pooled.Release()
		return
	}
	var gone *brokenError
	lost := errors.As(err, &gone)
	lost = lost && !s.cut
	c := pooled.Hijack()
	// Close asks the server to cancel what still runs, which may take a while.
	release, closing := s.engine.use()
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
		defer cancel()
		if !lost {
			c.PgConn().CancelRequest(ctx) //nolint:errcheck // a courtesy; the connection is closed either way
		}
		c.Close(ctx) //nolint:errcheck // it is of no use any more
		if closing == nil {
			release()
		}
	}()
	if lost {
		s.engine.pool.Reset()
	}
}

func (s *session) abandon() { s.broken = true }

// within runs fn and breaks its connection off when ctx ends: the one way to
// stop a statement at once that cannot hit the next caller's.
func (s *session) within(ctx context.Context, fn func() error) error {
	if ctx.Done() == nil {
		return fn()
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		s.pg.Conn().SetDeadline(time.Unix(1, 0)) //nolint:errcheck // a closed connection ends fn too
		close(ended)
	})
	defer func() {
		if !stop() {
			<-ended
			s.cut = true
			s.abandon()
		}
	}()
	return fn()
}

// brokenError is the end of a connection.
type brokenError struct{ cause error }

func (e *brokenError) Error() string { return "the connection broke: " + e.cause.Error() }
func (e *brokenError) Unwrap() error { return e.cause }

func (s *session) broke(err error) error {
	s.abandon()
	return &brokenError{err}
}

// send puts what is queued on the wire, with the end that makes the server answer.
func (s *session) send() error {
	s.pg.Frontend().SendSync(&pgproto3.Sync{})
	if err := s.pg.Frontend().Flush(); err != nil {
		return s.broke(err)
	}
	return nil
}

// prepare gives the statement of a text, prepared on this connection.
func (s *session) prepare(query string) (*statement, error) {
	if st := s.stmts[query]; st != nil {
		return st, nil
	}
	text := translate(query)
	f := s.pg.Frontend()
	if len(s.stmts) >= maxStatements {
		for old, st := range s.stmts { // any one; the hot ones come back at once
			if st.open == 0 {
				f.SendClose(&pgproto3.Close{ObjectType: 'S', Name: st.name})
				delete(s.stmts, old)
				break
			}
		}
	}
	s.prepared++
	st := &statement{name: "s" + strconv.Itoa(s.prepared), plainRead: text.plainRead}
	f.SendParse(&pgproto3.Parse{Name: st.name, Query: text.sql})
	f.SendDescribe(&pgproto3.Describe{ObjectType: 'S', Name: st.name})
	err := s.exchange(func(m pgproto3.BackendMessage) {
		switch m := m.(type) {
		case *pgproto3.ParameterDescription:
			st.params = append(st.params, m.ParameterOIDs...)
		case *pgproto3.RowDescription:
			for _, f := range m.Fields {
				st.results = append(st.results, f.DataTypeOID)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	st.paramFormats, st.resultFormats = formats(st.params), formats(st.results)
	s.stmts[query] = st
	return st, nil
}

// receive reads up to the server's readiness. The first error of the server is
// the answer; what follows it was not run.
func (s *session) receive(each func(pgproto3.BackendMessage)) error {
	var failed error
	for {
		m, err := s.pg.ReceiveMessage(context.Background())
		if err != nil { // also an error that ends the session
			return s.broke(err)
		}
		switch m := m.(type) {
		case *pgproto3.ErrorResponse:
			if failed == nil {
				failed = pgconn.ErrorResponseToPgError(m)
			}
		case *pgproto3.ReadyForQuery:
			return failed
		default:
			if each != nil {
				each(m)
			}
		}
	}
}

// bind queues a statement with its arguments.
func (s *session) bind(portal string, st *statement, args [][]byte) {
	s.pg.Frontend().SendBind(&pgproto3.Bind{DestinationPortal: portal, PreparedStatement: st.name,
		ParameterFormatCodes: st.paramFormats, Parameters: args, ResultFormatCodes: st.resultFormats})
}

func (s *session) execute(portal string, maxRows uint32) {
	s.pg.Frontend().SendExecute(&pgproto3.Execute{Portal: portal, MaxRows: maxRows})
}

// exchange sends everything queued and reads what comes back.
func (s *session) exchange(each func(pgproto3.BackendMessage)) error {
	if err := s.send(); err != nil {
		return err
	}
	return s.receive(each)
}

// control queues BEGIN and the like.
func (s *session) control(name string) {
	s.pg.Frontend().SendBind(&pgproto3.Bind{PreparedStatement: name})
	s.execute("", 0)
}
