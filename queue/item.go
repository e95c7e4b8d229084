package queue

import (
	"context"
	"time"

	"github.com/pylon-go/pylon/store"
)

// Item is work to be done later, committed with the write that causes it.
type Item struct {
	// ID is stable over every attempt and crash; consumers are idempotent by it.
	// Empty lets Enqueue choose a ULID.
	ID string
	// Queue names the worker.
	Queue string
	// Lane is the unit of fairness and of concurrency inside a queue: a hook, a
	// provider, a tenant. A slow lane does not slow the others.
	Lane string
	// Key orders items: those with the same queue, lane and key run one after the
	// other, in the order of their commits. Empty means in any order, side by side.
	Key string
	// Unique lets at most one item with this value wait in the queue; a second
	// one is dropped.
	Unique string
	// Payload is what the worker needs; the queue does not look into it.
	Payload []byte
	// Note is what a worker remembers from attempt to attempt (see [Outcome.Note]);
	// an item may begin with one.
	Note []byte
	// NotBefore delays the first attempt.
	NotBefore time.Time
}

// Job is an item handed to a worker.
type Job struct {
	Item
	// Attempts counts the attempts that failed before this one. An attempt cut
	// short by a crash is not counted.
	Attempts int
	// FirstFailure is when the first of them failed, zero before that.
	FirstFailure time.Time
	EnqueuedAt   time.Time
	LastError    string
	// TraceParent is the W3C trace context of the request that enqueued the item.
	TraceParent string

	seq   int64
	claim string
}

// Worker does the work of one queue. It may be called by several goroutines, and
// again for work already done when a crash or a lost lease came between the work
// and its record: at least once, with the same ID.
type Worker interface {
	Work(ctx context.Context, job *Job) Outcome
}

// WorkerFunc is a function as a [Worker].
type WorkerFunc func(ctx context.Context, job *Job) Outcome

func (f WorkerFunc) Work(ctx context.Context, job *Job) Outcome { return f(ctx, job) }

// Outcome is what became of an attempt. The zero Outcome is done.
type Outcome struct {
	kind  outcomeKind
	err   error
	delay time.Duration
	at    time.Time
	// InTx runs in the transaction that records the outcome, so that what the
	// worker learnt is kept if and only if the outcome is. For an attempt that
	// exhausts the retries it runs before Config.OnDead.
	InTx func(tx *store.Tx) error
	// Note replaces the item's note, for the next attempt and for Config.OnDead;
	// nil leaves it as it is.
	Note []byte
}

type outcomeKind uint8

const (
	outcomeDone outcomeKind = iota
	outcomeRetry
	outcomeDead
	outcomeSnooze
	outcomeReleased // given back without an attempt
)

// Done removes the item.
func Done() Outcome { return Outcome{} }

// Retry counts a failed attempt and tries again after the queue's backoff, but
// not before atLeast has passed (a receiver's Retry-After). When the attempts are
// used up the item becomes a dead letter.
func Retry(err error, atLeast time.Duration) Outcome {
	return Outcome{kind: outcomeRetry, err: err, delay: atLeast}
}

// Dead makes the item a dead letter at once: trying again cannot help.
func Dead(err error) Outcome { return Outcome{kind: outcomeDead, err: err} }

// Snooze puts the item off until a time, without counting an attempt.
func Snooze(until time.Time) Outcome { return Outcome{kind: outcomeSnooze, at: until} }

// WithNote sets the note for the next attempt.
func (o Outcome) WithNote(note []byte) Outcome {
	o.Note = note
	return o
}

// With adds work for the transaction that records the outcome.
func (o Outcome) With(inTx func(tx *store.Tx) error) Outcome {
	o.InTx = inTx
	return o
}

// Backoff is the delay between attempts: Base doubles with every failure up to
// Max; each delay varies by ±Jitter (0.2 is 20 %), so that many failures at once do
// not come back at once.
type Backoff struct {
	Base   time.Duration
	Max    time.Duration
	Jitter float64
	// MaxAttempts counts the first one too; 0 means never give up.
	MaxAttempts int
}

// Config is how a queue works.
type Config struct {
	Worker Worker
	// Concurrency bounds attempts under way in this process, over all lanes.
	Concurrency int
	// LaneConcurrency bounds them for each lane; 0 means Concurrency.
	LaneConcurrency int
	// Timeout bounds one attempt; the lease is longer by a margin.
	Timeout time.Duration
	// Backoff decides the delay before the next attempt; it may depend on the job.
	Backoff func(job *Job) Backoff
	// OnDead runs in the transaction that makes a job a dead letter.
	OnDead func(tx *store.Tx, job *Job, err error) error
	// NoDeadLetters says that OnDead keeps all that is wanted of a dead job, so that
	// the queue keeps nothing.
	NoDeadLetters bool
}
