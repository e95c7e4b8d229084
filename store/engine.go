package store

import "context"

// Engine is a database underneath the write pipeline. It knows tables, SQL and
// transactions, and nothing of entities, policies or plugins. storetest is the
// suite every engine passes.
type Engine interface {
	Dialect() *Dialect

	// Write runs fn in a write transaction. When Write returns nil the changes are
	// on disk; otherwise none of them happened. fn may share its commit with
	// others (a savepoint keeps them apart) and may be run again after a
	// serialisation conflict, so it must have no effect outside conn. It must not
	// call the engine again: with a single writer that would wait for itself.
	Write(ctx context.Context, fn func(conn Conn) error) error

	// Read runs fn on one consistent snapshot that includes every write
	// acknowledged before the call.
	Read(ctx context.Context, fn func(conn Conn) error) error

	// Plan compares the database with the tables it should have. Tables that are
	// not wanted are left alone and listed, unless drop is set.
	Plan(ctx context.Context, want []*Table, drop bool) (*Migration, error)
	// Apply carries a plan out, all of it or nothing. It refuses a blocked plan. What
	// another server did meanwhile is not done again.
	Apply(ctx context.Context, m *Migration) error

	// Backup writes a consistent copy of the running database to a new file.
	// progress is called now and then with pages or rows done and in total. An
	// engine whose database has better ways refuses with BACKUP_UNSUPPORTED and names them.
	Backup(ctx context.Context, file string, progress func(done, total int)) error

	// Ping reports whether the database answers.
	Ping(ctx context.Context) error
	Close() error
}

// Conn executes SQL inside one transaction. Placeholders are ?; identifiers are
// quoted with "; only SQL that every engine understands is allowed above the
// engines.
type Conn interface {
	// Exec queues a statement whose outcome nobody reads. An engine may send it
	// later; its error then comes from the next Query or from the commit.
	Exec(query string, args []Value) error
	// Query runs a statement and calls each for every row until it returns an
	// error; [Stop] ends the rows without being one. What Rows gives is valid
	// only during the call.
	Query(query string, args []Value, each func(Rows) error) error
}

// Rows gives the current row's columns by position.
type Rows interface {
	Value(col int, t Type) Value
}

// Stop ends the rows of a query early.
var Stop = &Error{Kind: Invalid, Code: "STOP", Message: "no more rows wanted"}

// Dialect is what differs between engines in SQL that is otherwise the same.
type Dialect struct {
	Name string
	// Like is the operator of a case-insensitive match, with its escape clause turned off.
	Like func(column, placeholder string) string
	// EndsWith compares a column's last n characters with a placeholder.
	EndsWith func(column string, n int, placeholder string) string
	// IntFloat compares an int with a float exactly. Nil means that the operator does.
	IntFloat func(i, op, f string) string
	// NullsFirst and NullsLast follow ASC and DESC in ORDER BY where the engine's
	// own order differs from nulls first ascending, last descending.
	NullsFirst, NullsLast string
	// Renumber is a query that lets the numbers of a table go on after the largest one
	// there is. Nil means that they do by themselves.
	Renumber func(table, column string) string
	// ForUpdate locks the selected rows; SkipLocked passes over locked ones.
	ForUpdate, SkipLocked string
}

// Migration is a plan to bring the database to the declared tables.
type Migration struct {
	// Steps are what will run, in order.
	Steps []MigrationStep
	// Losses say which data the steps throw away. A caller applies such a plan
	// only when it was told to.
	Losses []string
	// Blocked says why the plan cannot be carried out as things are.
	Blocked []string
	// Undeclared are tables in the database that nothing declares any more.
	Undeclared []string
	// Want and Drop are what was asked of Plan. Where several servers may migrate
	// at once, Apply compares again before it begins.
	Want []*Table
	Drop bool
}

// MigrationStep is one statement of a [Migration].
type MigrationStep struct {
	SQL     string
	Comment string // what it does, for people
}
