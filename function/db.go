package function

import (
	"encoding/json"

	"github.com/pylon-go/pylon/store"
)

// The operations of ctx.db (runtime/call.ts).
var dbOperations = map[string]operation{
	"db.get":      {kind: inTx, db: dbGet},
	"db.lookup":   {kind: inTx, db: dbLookup},
	"db.list":     {kind: inTx, db: dbList},
	"db.query":    {kind: inTx, db: dbQuery},
	"db.graph":    {kind: inTx, db: dbGraph},
	"db.paginate": {kind: inTx, db: dbPaginate},
	"db.count":    {kind: inTx, db: dbCount},
	"db.insert":   {kind: inTx, db: dbInsert},
	"db.update":   {kind: inTx, db: dbUpdate},
	"db.delete":   {kind: inTx, db: dbDelete},
}

// pageArgs are the options of list and paginate.
type pageArgs struct {
	Limit  *int            `json:"limit"`
	Offset int             `json:"offset"`
	After  string          `json:"after"`
	Filter json.RawMessage `json:"filter"`
}

var null = []byte("null")

func (c *call) entity(name string) (*store.Entity, error) { return c.host.db.Schema().Named(name) }

// needID refuses a call without an id.
func needID(what, entity, id string) error {
	if id == "" {
		return store.Errorf(store.Invalid, "INVALID_DB_CALL", "%s needs the id of a %s as a string", what, entity).WithField("id")
	}
	return nil
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

func dbGet(c *call, entity, id string, _ []byte) (answer, error) {
	e, err := c.entity(entity)
	if err == nil {
		err = needID("get", entity, id)
	}
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

func dbLookup(c *call, entity, field string, value []byte) (answer, error) {
	e, err := c.entity(entity)
	if err != nil {
		return answer{}, err
	}
	if value == nil { // undefined
		return answer{}, store.Errorf(store.Invalid, "INVALID_DB_CALL", "lookup needs a value for %s.%s", entity, field).WithField(field)
	}
	filter := append(append(store.AppendJSONString([]byte{'{'}, field), ':'), value...)
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

// decodePage reads the options of list and paginate.
func decodePage(args []byte, q *store.Query) (in pageArgs, err error) {
	if args == nil {
		return in, nil
	}
	if err := store.DecodeJSON(args, &in); err != nil {
		return in, err
	}
	if in.Limit != nil {
		if *in.Limit < 1 || *in.Limit > store.MaxLimit {
			return in, store.Errorf(store.Invalid, "INVALID_QUERY", "limit must be a whole number from 1 to %d", store.MaxLimit).WithField("limit")
		}
		q.Limit = *in.Limit
	}
	if in.Offset < 0 {
		return in, store.Errorf(store.Invalid, "INVALID_QUERY", "offset must be a whole number from 0").WithField("offset")
	}
	q.Offset = in.Offset
	if in.Filter != nil {
		filtered, err := store.DecodeServerQuery(q.Entity, in.Filter)
		if err != nil {
			return in, err
		}
		q.Filter = filtered.Filter
	}
	return in, nil
}

func dbList(c *call, entity, _ string, args []byte) (answer, error) {
	e, err := c.entity(entity)
	if err != nil {
		return answer{}, err
	}
	q := &store.Query{Entity: e, Limit: store.MaxLimit}
	if _, err := decodePage(args, q); err != nil {
		return answer{}, err
	}
	b, _, _, _, err := c.tx.AppendRows(nil, q, appendRow)
	return answer{json: b}, err
}

func dbQuery(c *call, entity, _ string, filter []byte) (answer, error) {
	q, err := c.filtered(entity, filter)
	if err != nil {
		return answer{}, err
	}
	b, _, _, _, err := c.tx.AppendRows(nil, q, appendRow)
	return answer{json: b}, err
}

// filtered is the query of a filter, which may be left out.
func (c *call) filtered(entity string, filter []byte) (*store.Query, error) {
	e, err := c.entity(entity)
	if err != nil {
		return nil, err
	}
	return store.DecodeServerQuery(e, orEmpty(filter))
}

func dbGraph(c *call, _, _ string, queries []byte) (answer, error) {
	b := []byte{'{'}
	err := store.EachMember(orEmpty(queries), func(name string, raw []byte) error {
		q, err := c.filtered(name, raw)
		if err != nil {
			return err
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(store.AppendJSONString(b, name), ':')
		b, _, _, _, err = c.tx.AppendRows(b, q, appendRow)
		return err
	})
	return answer{json: append(b, '}')}, err
}

// pageDefault is the length of a page of paginate, as of GET /api/entities/E/cursor.
const pageDefault = 20

func dbPaginate(c *call, entity, _ string, args []byte) (answer, error) {
	e, err := c.entity(entity)
	if err != nil {
		return answer{}, err
	}
	q := &store.Query{Entity: e, Limit: pageDefault, Order: []store.Order{{Field: store.FieldIDIndex}}}
	in, err := decodePage(args, q)
	if err != nil {
		return answer{}, err
	}
	if in.After != "" {
		after := store.Compare{Field: store.FieldIDIndex, Op: store.Gt, Value: store.ID(in.After)}
		if q.Filter == nil {
			q.Filter = after
		} else {
			q.Filter = store.And{q.Filter, after}
		}
	}
	b, err := c.tx.AppendPage(nil, q, appendRow)
	return answer{json: b}, err
}

func dbCount(c *call, entity, _ string, filter []byte) (answer, error) {
	q, err := c.filtered(entity, filter)
	if err != nil {
		return answer{}, err
	}
	n, err := c.tx.Count(q)
	if err != nil {
		return answer{}, err
	}
	return answer{json: store.Int(int64(n)).AppendJSON(nil)}, nil
}

func dbInsert(c *call, entity, _ string, data []byte) (answer, error) {
	e, err := c.entity(entity)
	if err != nil {
		return answer{}, err
	}
	p, err := store.DecodePatch(e, orEmpty(data), true)
	if err != nil {
		return answer{}, err
	}
	row, err := c.tx.Insert(p)
	if err != nil {
		return answer{}, err
	}
	return answer{json: store.AppendJSONString(nil, row.ID)}, nil
}

func dbUpdate(c *call, entity, id string, data []byte) (answer, error) {
	e, err := c.entity(entity)
	if err == nil {
		err = needID("update", entity, id)
	}
	if err != nil {
		return answer{}, err
	}
	p, err := store.DecodePatch(e, orEmpty(data), false)
	if err != nil {
		return answer{}, err
	}
	if _, err = c.tx.Update(id, p); err != nil {
		return answer{}, err
	}
	return answer{json: []byte("true")}, nil
}

func dbDelete(c *call, entity, id string, _ []byte) (answer, error) {
	e, err := c.entity(entity)
	if err == nil {
		err = needID("delete", entity, id)
	}
	if err != nil {
		return answer{}, err
	}
	if _, err = c.tx.Delete(e, id); err != nil {
		return answer{}, err
	}
	return answer{json: []byte("true")}, nil
}

// orEmpty is JSON that may be left out as an empty object, so that what is missing in
// it is named.
func orEmpty(json []byte) []byte {
	if json == nil {
		return []byte("{}")
	}
	return json
}
