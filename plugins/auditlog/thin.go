package auditlog

import (
	"context"
	"strings"
	"time"

	"github.com/pylon-go/pylon/store"
)

const (
	thinEvery = time.Hour
	// thinAfter is the age from which on one checkpoint an hour is kept. Any later
	// one proves the same leaves; more of them only tell closer where a change is.
	thinAfter = 24 * time.Hour
	thinBatch = 500
)

// thin deletes old checkpoints, of which there is one for nearly every second. One
// that two keys signed is the proof of their change and stays.
func (p *Plugin) thin(ctx context.Context) error {
	ctx = store.ReadCommitted(store.WithActor(ctx, store.System(name)))
	var drop []int64
	err := p.db.View(ctx, func(tx *store.Tx) error {
		var last int64
		var hour time.Time
		return tx.Query("SELECT size, note, created_at FROM "+checkpointTable+" WHERE created_at < ? ORDER BY size", []store.Value{store.Time(tx.Now().Add(-thinAfter))}, func(r store.Rows) error {
			size, at := r.Value(0, store.TypeInt).Int(), r.Value(2, store.TypeDatetime).Time().Truncate(time.Hour)
			if last > 0 && at.Equal(hour) {
				drop = append(drop, last)
			}
			last, hour = size, at
			if strings.Count(r.Value(1, store.TypeString).Str(), "\n— ") > 1 {
				last = 0
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	for len(drop) > 0 {
		n := min(len(drop), thinBatch)
		if err := p.db.Update(ctx, func(tx *store.Tx) error {
			for _, size := range drop[:n] {
				if err := tx.Exec("DELETE FROM "+checkpointTable+" WHERE size = ?", store.Int(size)); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
		drop = drop[n:]
	}
	return nil
}
