package function

import (
	"context"
	"encoding/json"

	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/store"
)

// The operations of ctx.db (runtime/call.ts).
var dbOperations = map[string]operation{
	"db.get":      {inTx, dbGet},
	"db.lookup":   {inTx, dbLookup},
	"db.list":     {inTx, dbList},
	"db.query":    {inTx, dbQuery},
	"db.graph":    {inTx, dbGraph},
	"db.paginate": {inTx, dbPaginate},
	"db.count":    {inTx, dbCount},
	"db.insert":   {inTx, dbInsert},
	"db.update":   {inTx, dbUpdate},
	"db.delete":   {inTx, dbDelete},
}

// dbArgs are the arguments of all of them; each uses its own.
type dbArgs struct {
	Entity string          `json:"entity"`
	ID     *string         `json:"id"`
	Field  string          `json:"field"`
	Value  json.RawMessage `json:"value"`
	Filter json.RawMessage `json:"filter"`
	Data   json.RawMessage `json:"data"`
	Limit  *int            `json:"limit"`
	Offset int             `json:"offset"`
	After  string          `json:"after"`
}

var null = []byte("null")

// on reads the arguments and finds the entity.
func (c *call) on(args []byte) (in dbArgs, e *store.Entity, err error) {
	if err := json.Unmarshal(args, &in); err != nil {
		return in, nil, store.Errorf(store.Invalid, "INVALID_DB_CALL", "wrong arguments for the database: %v", err)
	}
	e, err = c.entity(in.Entity)
	return in, e, err
}

func (c *call) entity(name string) (*store.Entity, error) {
	schema := c.host.db.Schema()
	if e := schema.Entity(name); e != nil {
		return e, nil
	}
	err := store.Errorf(store.Invalid, "ENTITY_NOT_FOUND", "no entity %q", name)
	var names []string
	for _, e := range schema.Entities {
		names = append(names, e.Name)
	}
	if near := manifest.Nearest(name, names); near != "" {
		err = err.WithHint("did you mean %q?", near)
	}
	return nil, err
}

// id is the id that a call must give.
func (in *dbArgs) id(what string) (string, error) {
	if in.ID == nil || *in.ID == "" {
		return "", store.Errorf(store.Invalid, "INVALID_DB_CALL", "%s needs the id of a %s as a string", what, in.Entity).WithField("id")
	}
	return *in.ID, nil
}

// appendRow writes a row for a handler: serverOnly fields apart, see runtime/call.ts, row.
func appendRow(dst []byte, r *store.Row) []byte {
	dst = r.AppendJSON(dst)
	open := false
	for i := range r.Entity.Fields {
		f := &r.Entity.Fields[i]
		if !f.ServerOnly {
			continue
		}
		if dst = dst[:len(dst)-1]; !open {
			dst = append(dst, `,"$server":{`...)
			open = true
		} else {
			dst[len(dst)-1] = ','
		}
		dst = append(store.AppendJSONString(dst, f.Name), ':')
		dst = append(r.Values[i].AppendJSON(dst), "}}"...)
	}
	return dst
}

// appendRows writes the rows of a query; more says that there are some beyond its limit.
func appendRows(dst []byte, tx *store.Tx, q *store.Query) (out []byte, last string, more bool, err error) {
	ask, n := *q, 0
	ask.Limit++
	dst = append(dst, '[')
	err = tx.Each(&ask, func(row *store.Row) error {
		if n == q.Limit {
			more = true
			return store.Stop
		}
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = appendRow(dst, row)
		last = row.ID
		n++
		return nil
	})
	return append(dst, ']'), last, more, err
}

func dbGet(_ context.Context, c *call, args, _ []byte) (answer, error) {
	in, e, err := c.on(args)
	if err != nil {
		return answer{}, err
	}
	id, err := in.id("get")
	if err != nil {
		return answer{}, err
	}
	row, err := c.tx.Get(e, id)
	if store.IsKind(err, store.NotFound) {
		return answer{json: null}, nil
	}
	if err != nil {
		return answer{}, err
	}
	return answer{json: appendRow(nil, row)}, nil
}

func dbLookup(_ context.Context, c *call, args, _ []byte) (answer, error) {
	in, e, err := c.on(args)
	if err != nil {
		return answer{}, err
	}
	if in.Value == nil { // undefined
		return answer{}, store.Errorf(store.Invalid, "INVALID_DB_CALL", "lookup needs a value for %s.%s", in.Entity, in.Field).WithField(in.Field)
	}
	filter := append(append(append([]byte{'{'}, store.AppendJSONString(nil, in.Field)...), ':'), in.Value...)
	q, err := store.DecodeServerQuery(e, append(filter, '}'))
	if err != nil {
		return answer{}, err
	}
	q.Limit = 1
	rows, err := c.tx.Find(q)
	if err != nil || len(rows) == 0 {
		return answer{json: null}, err
	}
	return answer{json: appendRow(nil, rows[0])}, nil
}

// pageOf reads limit and offset.
func (in *dbArgs) pageOf(q *store.Query, most int) error {
	if in.Limit != nil {
		if *in.Limit < 1 || *in.Limit > most {
			return store.Errorf(store.Invalid, "INVALID_QUERY", "limit must be a whole number from 1 to %d", most).WithField("limit")
		}
		q.Limit = *in.Limit
	}
	if in.Offset < 0 {
		return store.Errorf(store.Invalid, "INVALID_QUERY", "offset must be a whole number from 0").WithField("offset")
	}
	q.Offset = in.Offset
	return nil
}

func dbList(_ context.Context, c *call, args, _ []byte) (answer, error) {
	in, e, err := c.on(args)
	if err != nil {
		return answer{}, err
	}
	q := &store.Query{Entity: e, Limit: store.MaxLimit}
	if err := in.pageOf(q, store.MaxLimit); err != nil {
		return answer{}, err
	}
	b, _, _, err := appendRows(nil, c.tx, q)
	return answer{json: b}, err
}

func dbQuery(_ context.Context, c *call, args, _ []byte) (answer, error) {
	in, e, err := c.on(args)
	if err != nil {
		return answer{}, err
	}
	q, err := store.DecodeServerQuery(e, in.Filter)
	if err != nil {
		return answer{}, err
	}
	b, _, _, err := appendRows(nil, c.tx, q)
	return answer{json: b}, err
}

func dbGraph(_ context.Context, c *call, args, _ []byte) (answer, error) {
	b := []byte{'{'}
	err := store.EachMember(args, func(name string, raw []byte) error {
		e, err := c.entity(name)
		if err != nil {
			return err
		}
		q, err := store.DecodeServerQuery(e, raw)
		if err != nil {
			return err
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(store.AppendJSONString(b, name), ':')
		b, _, _, err = appendRows(b, c.tx, q)
		return err
	})
	return answer{json: append(b, '}')}, err
}

// Pages of paginate, as GET /api/entities/E/cursor has them but larger.
const (
	pageDefault = 20
	pageMax     = store.MaxLimit
)

func dbPaginate(_ context.Context, c *call, args, _ []byte) (answer, error) {
	in, e, err := c.on(args)
	if err != nil {
		return answer{}, err
	}
	q := &store.Query{Entity: e, Limit: pageDefault, Order: []store.Order{{Field: store.FieldIDIndex}}}
	if err := in.pageOf(q, pageMax); err != nil {
		return answer{}, err
	}
	var and store.And
	if in.Filter != nil {
		filtered, err := store.DecodeServerQuery(e, in.Filter)
		if err != nil {
			return answer{}, err
		}
		if filtered.Filter != nil {
			and = append(and, filtered.Filter)
		}
	}
	if in.After != "" {
		and = append(and, store.Compare{Field: store.FieldIDIndex, Op: store.Gt, Value: store.ID(in.After)})
	}
	if and != nil {
		q.Filter = and
	}
	b, last, more, err := appendRows([]byte(`{"data":`), c.tx, q)
	b = append(b, `,"next_cursor":`...)
	if more {
		b = append(store.AppendJSONString(b, last), `,"has_more":true}`...)
	} else {
		b = append(b, `null,"has_more":false}`...)
	}
	return answer{json: b}, err
}

func dbCount(_ context.Context, c *call, args, _ []byte) (answer, error) {
	in, e, err := c.on(args)
	if err != nil {
		return answer{}, err
	}
	q, err := store.DecodeServerQuery(e, in.Filter)
	if err != nil {
		return answer{}, err
	}
	n, err := c.tx.Count(q)
	if err != nil {
		return answer{}, err
	}
	return answer{json: store.Int(int64(n)).AppendJSON(nil)}, nil
}

func dbInsert(_ context.Context, c *call, args, _ []byte) (answer, error) {
	in, e, err := c.on(args)
	if err != nil {
		return answer{}, err
	}
	p, err := store.DecodePatch(e, object(in.Data), true)
	if err != nil {
		return answer{}, err
	}
	row, err := c.tx.Insert(p)
	if err != nil {
		return answer{}, err
	}
	return answer{json: store.AppendJSONString(nil, row.ID)}, nil
}

func dbUpdate(_ context.Context, c *call, args, _ []byte) (answer, error) {
	in, e, err := c.on(args)
	if err != nil {
		return answer{}, err
	}
	id, err := in.id("update")
	if err != nil {
		return answer{}, err
	}
	p, err := store.DecodePatch(e, object(in.Data), false)
	if err != nil {
		return answer{}, err
	}
	_, err = c.tx.Update(id, p)
	return answer{json: []byte("true")}, err
}

func dbDelete(_ context.Context, c *call, args, _ []byte) (answer, error) {
	in, e, err := c.on(args)
	if err != nil {
		return answer{}, err
	}
	id, err := in.id("delete")
	if err != nil {
		return answer{}, err
	}
	_, err = c.tx.Delete(e, id)
	return answer{json: []byte("true")}, err
}

// object is data that was left out as an empty object, so that what is missing in it is named.
func object(data json.RawMessage) []byte {
	if data == nil {
		return []byte("{}")
	}
	return data
}
