package queue

import (
	"slices"
	"strings"

	"github.com/pylon-go/pylon/store"
)

// leases are the claims of items by their seq, as the database has them.
type leases map[int64]string

// holding locks the rows of the jobs that are to be recorded, all at once, and
// reads who has their leases. A process that is alone has them in memory.
func (q *Queue) holding(tx *store.Tx, batch []finished) (leases, error) {
	var seqs []int64
	var keys []string
	for i := range batch {
		f := &batch[i]
		if f.pool.alone {
			continue
		}
		if f.job.Key != "" { // the next of its key may be on its way in
			keys = append(keys, keyLock(f.job.Queue, f.job.Lane, f.job.Key))
		}
		if !f.plain() {
			seqs = append(seqs, f.job.seq)
		}
	}
	slices.Sort(keys) // the same order in every process
	for _, key := range slices.Compact(keys) {
		if err := tx.Lock(key); err != nil {
			return nil, err
		}
	}
	held := leases{}
	if len(seqs) == 0 {
		return held, nil
	}
	// Few different numbers of placeholders, so that few statements are prepared.
	n := 1
	for n < len(seqs) {
		n *= 2
	}
	args := make([]store.Value, n)
	for i := range args {
		args[i] = store.Int(seqs[min(i, len(seqs)-1)])
	}
	err := tx.Query("SELECT seq, claim FROM _pylon_queue WHERE seq IN (?"+strings.Repeat(",?", n-1)+") ORDER BY seq"+tx.Dialect().ForUpdate, args, func(r store.Rows) error {
		held[r.Value(0, store.TypeInt).Int()] = r.Value(1, store.TypeString).Str()
		return nil
	})
	return held, err
}

// plain reports whether an outcome only deletes its item, which needs no lock.
func (f *finished) plain() bool {
	return f.outcome.kind == outcomeDone && f.outcome.InTx == nil && f.job.Key == ""
}

// holds reports whether the lease of a job is still ours.
func (q *Queue) holds(tx *store.Tx, f *finished, held leases) bool {
	if f.pool.alone || held[f.job.seq] == f.job.claim {
		return true
	}
	tx.OnCommit(func() {
		q.log.Warn("a lease ran out before the work ended; its outcome is not recorded", "queue", f.job.Queue, "item", f.job.ID)
	})
	return false
}
