package api

import (
	"net/http"

	"github.com/pylon-go/pylon/store"
)

// query answers POST /api/query/E: a flat filter in, a bare array out.
func (s *Server) query(w http.ResponseWriter, r *http.Request) error {
	e, err := s.schema.Named(r.PathValue("entity"))
	if err != nil {
		return err
	}
	body, release, err := readBody(r)
	if err != nil {
		return err
	}
	defer release()
	q, err := store.DecodeQuery(e, body)
	if err != nil {
		return err
	}
	buf := getBuffer()
	defer putBuffer(buf)
	err = s.cfg.DB.ViewOne(r.Context(), func(tx *store.Tx) (err error) {
		*buf, _, _, _, err = tx.AppendRows((*buf)[:0], q, appendRow)
		return err
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, *buf)
	return nil
}

// maxQueries bounds how many entities one POST /api/query asks for.
const maxQueries = 20

// queryMany answers POST /api/query: a filter for each entity in, an array for
// each out, all read from one snapshot.
func (s *Server) queryMany(w http.ResponseWriter, r *http.Request) error {
	body, release, err := readBody(r)
	if err != nil {
		return err
	}
	defer release()
	var queries []*store.Query
	err = store.EachMember(body, func(name string, raw []byte) error {
		e, err := s.schema.Named(name)
		if err != nil {
			return err
		}
		q, err := store.DecodeQuery(e, raw)
		queries = append(queries, q)
		return err
	})
	if err != nil {
		return err
	}
	if len(queries) > maxQueries {
		return store.Errorf(store.Invalid, "INVALID_QUERY", "one request asks for at most %d entities", maxQueries)
	}
	buf := getBuffer()
	defer putBuffer(buf)
	err = s.cfg.DB.View(r.Context(), func(tx *store.Tx) error {
		b := append((*buf)[:0], '{')
		for i, q := range queries {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(store.AppendJSONString(b, q.Entity.Name), ':')
			var err error
			if b, _, _, _, err = tx.AppendRows(b, q, appendRow); err != nil {
				return err
			}
		}
		*buf = append(b, '}')
		return nil
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, *buf)
	return nil
}

// lookup answers the first row whose field has the value.
func (s *Server) lookup(w http.ResponseWriter, r *http.Request) error {
	e, err := s.schema.Named(r.PathValue("entity"))
	if err != nil {
		return err
	}
	i, err := e.ClientField(r.PathValue("field"))
	if err != nil {
		return err
	}
	v := store.ID(r.PathValue("value"))
	if i != store.FieldIDIndex {
		if v, err = store.ParseTextValue(&e.Fields[i], r.PathValue("value")); err != nil {
			return err
		}
	}
	rows, err := s.cfg.DB.Find(r.Context(), &store.Query{Entity: e, Limit: 1, Filter: store.Compare{Field: i, Op: store.Eq, Value: v}})
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return store.Errorf(store.NotFound, "NOT_FOUND", "no %s with this %s", e.Name, r.PathValue("field"))
	}
	return writeRow(w, rows[0])
}
