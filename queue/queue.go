// Package queue is durable work in the app's own database.
//
// Guarantees, each held by a test of its own:
//
//   - Atomic: an item enqueued in a transaction exists if and only if the
//     transaction commits.
//   - At least once: a committed item is worked on until its worker says done or
//     it becomes a dead letter, through crashes and restarts, always with the same
//     ID. Work may be repeated when a crash or a lost lease comes between the work
//     and its record, so workers are idempotent by ID.
//   - One at a time: an item is leased to one worker; its lease is renewed while
//     the worker runs and ends by itself when the process dies. A worker whose
//     lease was lost cannot record an outcome.
//   - In order: items with the same queue, lane and key run one after the other
//     in the order of their commits; a retry holds back those behind it, a dead
//     letter lets the next one go.
//   - Fair: lanes take turns and have limits of their own, so a slow or dead lane
//     costs the others nothing but its own share of Concurrency.
//   - Patient: a failed attempt waits by exponential backoff with jitter, never
//     less than the worker asks for; an attempt cut short by a crash or a stop is
//     not counted.
//   - Quiet: nothing polls. Workers sleep until the next item is due and are woken
//     by the commit that enqueues one.
//
// Completion is recorded in batches: one transaction for each would cost far more
// than the work's own row.
package queue

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/pylon-go/pylon/store"
)

const (
	table     = "_pylon_queue"
	deadTable = "_pylon_queue_dead"
	// never is the due time of an item that waits for another with its key.
	never = int64(math.MaxInt64 >> 1)
)

// Tables are the queue's private tables. `due` is the one clock of an item: not
// before that time may it be claimed. A claim moves it to the end of the lease, a
// failure to the next attempt, and an item behind another of its key has never.
func Tables() []*store.Table {
	return []*store.Table{{
		Name: table,
		Columns: []store.Column{
			{Name: "seq", Type: store.TypeInt},
			{Name: "id", Type: store.TypeString},
			{Name: "queue", Type: store.TypeString},
			{Name: "lane", Type: store.TypeString},
			{Name: "key", Type: store.TypeString, Null: true},
			{Name: "uniq", Type: store.TypeString, Null: true},
			{Name: "payload", Type: store.TypeBytes},
			{Name: "note", Type: store.TypeBytes, Null: true},
			{Name: "due", Type: store.TypeInt}, // microseconds since the Unix epoch
			{Name: "not_before", Type: store.TypeInt, Null: true},
			{Name: "attempts", Type: store.TypeInt},
			{Name: "enqueued_at", Type: store.TypeDatetime},
			{Name: "first_failure", Type: store.TypeDatetime, Null: true},
			{Name: "last_error", Type: store.TypeString, Null: true},
			{Name: "claim", Type: store.TypeString, Null: true}, // who holds the lease
			{Name: "trace", Type: store.TypeString, Null: true},
		},
		PrimaryKey: []string{"seq"},
		Indexes: []store.Index{
			{Name: "_pylon_queue_due", Columns: []string{"queue", "lane", "due"}},
			{Name: "_pylon_queue_key", Columns: []string{"queue", "lane", "key"}, NotNull: "key"},
			{Name: "_pylon_queue_uniq", Columns: []string{"queue", "uniq"}, Unique: true, NotNull: "uniq"},
		},
	}, {
		Name: deadTable,
		Columns: []store.Column{
			{Name: "id", Type: store.TypeString},
			{Name: "queue", Type: store.TypeString},
			{Name: "lane", Type: store.TypeString},
			{Name: "key", Type: store.TypeString, Null: true},
			{Name: "payload", Type: store.TypeBytes},
			{Name: "attempts", Type: store.TypeInt},
			{Name: "enqueued_at", Type: store.TypeDatetime},
			{Name: "died_at", Type: store.TypeDatetime},
			{Name: "last_error", Type: store.TypeString, Null: true},
			{Name: "trace", Type: store.TypeString, Null: true},
		},
		PrimaryKey: []string{"id"},
		Indexes:    []store.Index{{Name: "_pylon_queue_dead_lane", Columns: []string{"queue", "lane", "died_at"}}},
	}}
}

// Queue is the durable work of one app.
type Queue struct {
	db     *store.DB
	clock  clockwork.Clock
	log    *slog.Logger
	tracer trace.Tracer
	owner  string // who claims: this process

	mu       sync.Mutex
	pools    map[string]*pool
	periodic map[string]*periodic
	started  bool

	ctx      context.Context // of running jobs
	cancel   context.CancelFunc
	finished chan finished
	loops    sync.WaitGroup
	recorder sync.WaitGroup
	// news are lanes that other processes have not been told of; neighbours is who
	// tells and hears.
	news       news
	neighbours sync.WaitGroup
	metrics    *metrics
}

// Options are what a Queue needs beside the database; zero values get defaults.
type Options struct {
	Logger *slog.Logger
	Tracer trace.Tracer
	Meter  metric.Meter
}

// New makes the queue of a database. Register its workers with Handle, then Start it.
func New(db *store.DB, o Options) (*Queue, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Tracer == nil {
		o.Tracer = noop.NewTracerProvider().Tracer("")
	}
	q := &Queue{
		db: db, clock: db.Clock(), log: o.Logger, tracer: o.Tracer, owner: rand.Text(),
		pools: map[string]*pool{}, periodic: map[string]*periodic{},
		finished: make(chan finished, maxBatch),
	}
	// What the queue decides by, it locks: an item by its row, a key by its name.
	q.ctx, q.cancel = context.WithCancel(store.ReadCommitted(store.WithActor(context.Background(), store.System("queue"))))
	var err error
	if q.metrics, err = newMetrics(o.Meter, q); err != nil {
		return nil, err
	}
	return q, nil
}

// Handle sets the worker of a queue. Call before Start.
func (q *Queue) Handle(name string, c Config) error {
	switch {
	case c.Worker == nil || c.Concurrency < 1 || c.Timeout <= 0 || c.Backoff == nil:
		return fmt.Errorf("queue %s: worker, concurrency, timeout and backoff must be set", name)
	case q.started:
		return fmt.Errorf("queue %s: workers are set before the queue starts", name)
	case q.pools[name] != nil:
		return fmt.Errorf("queue %s has a worker", name)
	}
	if c.LaneConcurrency == 0 {
		c.LaneConcurrency = c.Concurrency
	}
	q.pools[name] = newPool(q, name, c)
	return nil
}

// Enqueue adds an item in a transaction and answers its id. Workers see it after
// the commit.
func (q *Queue) Enqueue(tx *store.Tx, it Item) (string, error) {
	if it.Queue == "" || it.Lane == "" {
		return "", errors.New("enqueue: an item needs a queue and a lane")
	}
	now := tx.Now()
	if it.ID == "" {
		it.ID = store.NewID(now)
	}
	due, notBefore := now.UnixMicro(), store.Null
	if it.NotBefore.After(now) {
		due = it.NotBefore.UnixMicro()
		notBefore = store.Int(due)
	}
	args := []store.Value{
		store.String(it.ID), store.String(it.Queue), store.String(it.Lane), store.OptString(it.Key), store.OptString(it.Unique),
		store.Bytes(it.Payload), optBytes(it.Note), store.Int(due), notBefore, store.Time(now), store.OptString(traceParent(tx.Context())),
	}
	insert := insertSQL
	switch {
	case it.Key != "" && it.Unique != "":
		return "", errors.New("enqueue: an item has a key or is unique, not both")
	case it.Key != "":
		insert = insertKeyedSQL
		args = []store.Value{args[0], args[1], args[2], args[3], args[4], args[5], args[6],
			args[1], args[2], args[3], store.Int(never), args[7], args[8], args[9], args[10]}
	case it.Unique != "":
		insert = insertUniqueSQL
	}
	if it.Key != "" {
		// Numbers rise in the order of commits only among those who wait for each other.
		if err := tx.Lock(keyLock(it.Queue, it.Lane, it.Key)); err != nil {
			return "", fmt.Errorf("enqueue for %s: %w", it.Queue, err)
		}
	}
	p := q.pools[it.Queue]
	if p != nil && !p.alone && it.Key == "" && it.Unique == "" && notBefore.IsNull() && p.promise(tx, it.Lane, due) {
		return it.ID, q.enqueueLeased(tx, p, it, args)
	}
	if p == nil || !p.alone || it.Unique != "" || !notBefore.IsNull() {
		if err := tx.Exec(insert, args...); err != nil {
			return "", fmt.Errorf("enqueue for %s: %w", it.Queue, err)
		}
		tx.OnCommit(func() {
			q.enqueued(p, it.Queue)
			q.wake(it.Queue, it.Lane, due)
			q.announce(it.Queue, it.Lane)
		})
		return it.ID, nil
	}
	j := &Job{Item: it, EnqueuedAt: now, TraceParent: args[len(args)-1].Str()}
	if err := tx.Query(insert+" RETURNING seq,due", args, func(r store.Rows) error {
		j.seq, due = r.Value(0, store.TypeInt).Int(), r.Value(1, store.TypeInt).Int()
		return nil
	}); err != nil {
		return "", fmt.Errorf("enqueue for %s: %w", it.Queue, err)
	}
	tx.OnCommit(func() {
		q.enqueued(p, it.Queue)
		if due != never { // otherwise it goes when the one before it is done
			p.offer(j, due)
		}
	})
	return it.ID, nil
}

func (q *Queue) enqueued(p *pool, queue string) {
	labels := metric.MeasurementOption(nil)
	if p != nil {
		labels = p.labels
	} else {
		labels = queueLabels(queue)
	}
	q.metrics.count(q.metrics.enqueued, labels)
}

const (
	insertColumns   = "INSERT INTO _pylon_queue (id,queue,lane,key,uniq,payload,note,due,not_before,attempts,enqueued_at,trace) "
	insertSQL       = insertColumns + "VALUES (?,?,?,?,?,?,?,?,?,0,?,?)"
	insertUniqueSQL = insertSQL + " ON CONFLICT (queue,uniq) WHERE uniq IS NOT NULL DO NOTHING"
	// An item that its own process works on next.
	insertLeasedSQL = "INSERT INTO _pylon_queue (id,queue,lane,key,uniq,payload,note,due,not_before,attempts,enqueued_at,trace,claim) VALUES (?,?,?,?,?,?,?,?,?,0,?,?,?) RETURNING seq"
	// An item behind another of its key waits for it.
	insertKeyedSQL = insertColumns + "VALUES (?,?,?,?,?,?,?,CASE WHEN EXISTS (SELECT 1 FROM _pylon_queue WHERE queue=? AND lane=? AND key=?) THEN CAST(? AS bigint) ELSE ? END,?,0,?,?)"
)

// keyLock names the lock of those who add to a key or take from it.
func keyLock(queue, lane, key string) string {
	return "queue\x00" + queue + "\x00" + lane + "\x00" + key
}

// wake tells a queue that a lane has an item due at that time.
func (q *Queue) wake(name, lane string, due int64) {
	if p := q.pools[name]; p != nil {
		p.wake(lane, due)
	}
}

// Start begins work: the database must be migrated.
func (q *Queue) Start(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.started {
		return errors.New("the queue is started already")
	}
	if err := q.startPeriodic(ctx); err != nil {
		return err
	}
	if q.db.Alone() {
		// Nobody else serves this database, so every lease is one of a process that died.
		if err := q.db.Update(ctx, func(tx *store.Tx) error {
			return tx.Exec("UPDATE _pylon_queue SET due=?, claim=NULL WHERE claim IS NOT NULL", store.Int(tx.Now().UnixMicro()))
		}); err != nil {
			return fmt.Errorf("release the leases of the last run: %w", err)
		}
	}
	if err := q.warnUnhandled(ctx); err != nil {
		return err
	}
	q.started = true
	q.listen()
	q.recorder.Go(q.record)
	for _, p := range q.pools {
		q.loops.Go(p.loop)
	}
	return nil
}

// warnUnhandled tells of waiting items that no worker will take, such as those of
// a plugin that is no longer declared. They are kept.
func (q *Queue) warnUnhandled(ctx context.Context) error {
	return q.db.View(ctx, func(tx *store.Tx) error {
		return tx.Query("SELECT queue, count(*) FROM _pylon_queue GROUP BY queue", nil, func(r store.Rows) error {
			name := r.Value(0, store.TypeString).Str()
			if q.pools[name] == nil {
				q.log.Warn("items wait in a queue that has no worker", "queue", name, "items", r.Value(1, store.TypeInt).Int())
			}
			return nil
		})
	})
}

// Stop takes no more items, lets running attempts finish until ctx ends, then
// interrupts them, records every outcome and gives unfinished items back.
func (q *Queue) Stop(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.started {
		return nil
	}
	q.started = false
	for _, p := range q.pools {
		p.stop()
	}
	idle := make(chan struct{})
	go func() {
		q.loops.Wait() // a claim under way comes to its end and is given back
		for _, p := range q.pools {
			p.drain()
		}
		close(idle)
	}()
	var late error
	select {
	case <-idle:
	case <-ctx.Done():
		late = errors.New("attempts were interrupted; they will be repeated")
		q.cancel()
		<-idle
	}
	q.cancel()
	close(q.finished)
	q.recorder.Wait()
	q.neighbours.Wait()
	return late
}

var propagator = propagation.TraceContext{}

func traceParent(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagator.Inject(ctx, carrier)
	return carrier["traceparent"]
}

func withTraceParent(ctx context.Context, parent string) context.Context {
	if parent == "" {
		return ctx
	}
	return propagator.Extract(ctx, propagation.MapCarrier{"traceparent": parent})
}

func optBytes(b []byte) store.Value {
	if b == nil {
		return store.Null
	}
	return store.Bytes(b)
}

func micros(t time.Time) store.Value { return store.Int(t.UnixMicro()) }
