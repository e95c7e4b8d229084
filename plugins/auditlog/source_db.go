package auditlog

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/pylon-go/pylon/store"
)

// Database is a log in the app's database, read without the app.
type Database struct {
	engine store.Engine
	entity *store.Entity
}

// OpenDatabase reads the log that is in a database.
func OpenDatabase(engine store.Engine) *Database { return &Database{engine, newEntity()} }

var leafQuery = "SELECT l.idx, l.hash, l.audit_id, l.event," + entryColumns + " FROM " + leafTable + " l LEFT JOIN " +
	store.Quote(entityName) + " a ON a.id = l.audit_id WHERE l.idx >= ? ORDER BY l.idx LIMIT ?"

// Leaves reads leaves with their entries, in one snapshot.
func (d *Database) Leaves(ctx context.Context, from int64, limit int, fn func(Leaf) error) (size int64, err error) {
	err = d.engine.Read(ctx, func(c store.Conn) error {
		if err := c.Query("SELECT max(size) FROM "+checkpointTable, nil, func(r store.Rows) error {
			size = r.Value(0, store.TypeInt).Int()
			return nil
		}); err != nil {
			return err
		}
		return c.Query(leafQuery, []store.Value{store.Int(from), store.Int(int64(limit))}, func(r store.Rows) error {
			l := Leaf{Index: r.Value(0, store.TypeInt).Int(), AuditID: r.Value(2, store.TypeString).Str()}
			hash := r.Value(1, store.TypeBytes).Str()
			if len(hash) == tlog.HashSize {
				copy(l.Hash[:], hash)
			}
			if event := r.Value(3, store.TypeBytes); !event.IsNull() {
				l.Event = []byte(event.Str())
			} else if !r.Value(4, store.TypeID).IsNull() {
				_, l.Row = scanEntry(d.entity, r, 4)
			}
			return fn(l)
		})
	})
	return size, err
}

// Checkpoints reads the log's own.
func (d *Database) Checkpoints(ctx context.Context, from, to int64, fn func(int64, string) error) error {
	return d.engine.Read(ctx, func(c store.Conn) error {
		return c.Query("SELECT size, note FROM "+checkpointTable+" WHERE size > ? AND size <= ? ORDER BY size", []store.Value{store.Int(from), store.Int(to)}, func(r store.Rows) error {
			return fn(r.Value(0, store.TypeInt).Int(), r.Value(1, store.TypeString).Str())
		})
	})
}

// Events reads the leaves that are events.
func (d *Database) Events(ctx context.Context, from int64, fn func(int64, []byte) error) error {
	return d.engine.Read(ctx, func(c store.Conn) error {
		return c.Query("SELECT idx, event FROM "+leafTable+" WHERE idx >= ? AND event IS NOT NULL ORDER BY idx", []store.Value{store.Int(from)}, func(r store.Rows) error {
			return fn(r.Value(0, store.TypeInt).Int(), []byte(r.Value(1, store.TypeBytes).Str()))
		})
	})
}

// Unsealed reads the entries without a leaf. Most often there are none, or a few at
// the end: counting both tables tells, and costs a fraction of looking for each.
func (d *Database) Unsealed(ctx context.Context, fn func(string, []store.Value) error) error {
	return d.engine.Read(ctx, func(c store.Conn) error {
		var counts [2]int64
		for i, sql := range [...]string{
			"SELECT count(*) FROM " + store.Quote(entityName),
			"SELECT count(*) FROM " + leafTable + " l JOIN " + store.Quote(entityName) + " a ON a.id = l.audit_id",
		} {
			if err := c.Query(sql, nil, func(r store.Rows) error {
				counts[i] = r.Value(0, store.TypeInt).Int()
				return nil
			}); err != nil {
				return err
			}
		}
		if counts[0] == counts[1] {
			return nil
		}
		return c.Query("SELECT "+entryColumns+" FROM "+store.Quote(entityName)+" a WHERE NOT EXISTS (SELECT 1 FROM "+leafTable+" l WHERE "+leafOfEntry+") ORDER BY a.id", nil, func(r store.Rows) error {
			id, v := scanEntry(d.entity, r, 0)
			return fn(id, v)
		})
	})
}

// Expected is how many tree heads were published to each anchor.
func (d *Database) Expected(ctx context.Context) (map[string]int64, error) {
	expected := map[string]int64{}
	err := d.engine.Read(ctx, func(c store.Conn) error {
		return c.Query("SELECT anchor, published FROM "+anchorTable, nil, func(r store.Rows) error {
			expected[r.Value(0, store.TypeString).Str()] = r.Value(1, store.TypeInt).Int()
			return nil
		})
	})
	return expected, err
}

// Origin is the log's name, from its state. It is empty where there is no log.
func (d *Database) Origin(ctx context.Context) (origin string, err error) {
	err = d.engine.Read(ctx, func(c store.Conn) error {
		return c.Query("SELECT value FROM "+stateTable+" WHERE name = ?", []store.Value{store.String(stateOrigin)}, func(r store.Rows) error {
			origin = r.Value(0, store.TypeString).Str()
			return nil
		})
	})
	if err != nil {
		err = fmt.Errorf("read the log's name: %w", err)
	}
	return origin, err
}

var _ Source = (*Database)(nil)
