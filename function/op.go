package function

import (
	"context"

	"github.com/pylon-go/pylon/internal/quickjs"
)

// An operation is something asynchronous that handlers ask of the host, by its name
// (runtime/host.ts, ask). args is JSON, body the bytes that came with it.
type operation struct {
	kind opKind
	run  func(ctx context.Context, c *call, args, body []byte) (answer, error)
	// db is instead of run for what is done to an entity: its arguments are not JSON
	// but the entity's name, an id or a field's name, and JSON.
	db func(c *call, entity, id string, args []byte) (answer, error)
}

// answer is what an operation answers: a JSON value (nil is undefined) and bytes.
type answer struct {
	json []byte
	body []byte
}

type opKind uint8

const (
	// inTx operations run in the call's transaction, which the first of them begins.
	inTx opKind = iota
	// inline operations take no time worth mentioning and need no transaction.
	inline
	// outside operations wait for something else than the database: they run in a
	// goroutine each, and are refused once the call has a transaction.
	outside
	// unlessInTx operations are inline ones in a transaction and outside ones without.
	unlessInTx
)

// syncFunc answers runtime/host.ts, sync: what it returns is nil, bool, float64,
// string or []byte; an error is thrown in JavaScript.
type syncFunc func(c *call, args quickjs.Args) (any, error)
