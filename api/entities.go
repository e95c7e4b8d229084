package api

import (
	"net/http"
	"strconv"

	"github.com/pylon-go/pylon/store"
)

// page reads limit and offset of a list.
func page(r *http.Request) (limit, offset int, given bool, err error) {
	limit = store.MaxLimit
	if r.URL.RawQuery == "" {
		return limit, 0, false, nil
	}
	for key, values := range r.URL.Query() {
		n, bad := strconv.Atoi(values[0])
		switch {
		case key == "limit" && bad == nil && n >= 1 && n <= store.MaxLimit:
			limit, given = n, true
		case key == "offset" && bad == nil && n >= 0 && n <= 1<<31:
			offset = n
		case key == "limit":
			return 0, 0, false, store.Errorf(store.Invalid, "INVALID_QUERY", "limit must be a whole number from 1 to %d", store.MaxLimit).WithField(key)
		case key == "offset":
			return 0, 0, false, store.Errorf(store.Invalid, "INVALID_QUERY", "offset must be a whole number from 0").WithField(key)
		default:
			return 0, 0, false, store.Errorf(store.Invalid, "INVALID_QUERY", "unknown parameter %q", key).WithField(key).WithHint("limit and offset work here; POST /api/query/ENTITY filters")
		}
	}
	return limit, offset, given, nil
}

// appendRow writes a row as the API shows it.
func appendRow(dst []byte, r *store.Row) []byte { return r.AppendJSON(dst) }

func (s *Server) list(w http.ResponseWriter, r *http.Request) error {
	e, err := s.schema.Named(r.PathValue("entity"))
	if err != nil {
		return err
	}
	limit, offset, given, err := page(r)
	if err != nil {
		return err
	}
	buf := getBuffer()
	defer putBuffer(buf)
	var count int
	var more bool
	err = s.cfg.DB.ViewOne(r.Context(), func(tx *store.Tx) (err error) {
		*buf, count, _, more, err = tx.AppendRows(append((*buf)[:0], `{"data":`...), &store.Query{Entity: e, Limit: limit, Offset: offset}, appendRow)
		return err
	})
	if err != nil {
		return err
	}
	b := append(*buf, `,"count":`...)
	b = strconv.AppendInt(b, int64(count), 10)
	b = append(b, `,"offset":`...)
	b = strconv.AppendInt(b, int64(offset), 10)
	b = append(b, `,"limit":`...)
	if given {
		b = strconv.AppendInt(b, int64(limit), 10)
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"has_more":`...)
	b = strconv.AppendBool(b, more)
	*buf = append(b, '}')
	writeJSON(w, http.StatusOK, *buf)
	return nil
}

const (
	cursorDefault = 20
	cursorMax     = 100
)

func (s *Server) cursor(w http.ResponseWriter, r *http.Request) error {
	e, err := s.schema.Named(r.PathValue("entity"))
	if err != nil {
		return err
	}
	q := &store.Query{Entity: e, Limit: cursorDefault, Order: []store.Order{{Field: store.FieldIDIndex}}}
	for key, values := range r.URL.Query() {
		switch key {
		case "after":
			q.Filter = store.Compare{Field: store.FieldIDIndex, Op: store.Gt, Value: store.ID(values[0])}
		case "limit":
			n, err := strconv.Atoi(values[0])
			if err != nil || n < 1 || n > cursorMax {
				return store.Errorf(store.Invalid, "INVALID_QUERY", "limit must be a whole number from 1 to %d", cursorMax).WithField(key)
			}
			q.Limit = n
		default:
			return store.Errorf(store.Invalid, "INVALID_QUERY", "unknown parameter %q", key).WithField(key).WithHint("after and limit work here")
		}
	}
	buf := getBuffer()
	defer putBuffer(buf)
	if err = s.cfg.DB.ViewOne(r.Context(), func(tx *store.Tx) (err error) {
		*buf, err = tx.AppendPage((*buf)[:0], q, appendRow)
		return err
	}); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, *buf)
	return nil
}

func (s *Server) get(w http.ResponseWriter, r *http.Request) error {
	e, err := s.schema.Named(r.PathValue("entity"))
	if err != nil {
		return err
	}
	row, err := s.cfg.DB.Get(r.Context(), e, r.PathValue("id"))
	if err != nil {
		return err
	}
	return writeRow(w, row)
}

func writeRow(w http.ResponseWriter, row *store.Row) error {
	buf := getBuffer()
	defer putBuffer(buf)
	*buf = row.AppendJSON((*buf)[:0])
	writeJSON(w, http.StatusOK, *buf)
	return nil
}

func (s *Server) create(w http.ResponseWriter, r *http.Request) error {
	e, err := s.schema.Named(r.PathValue("entity"))
	if err != nil {
		return err
	}
	p, err := s.readPatch(r, e, store.Insert)
	if err != nil {
		return err
	}
	var id string
	err = s.cfg.DB.Update(r.Context(), func(tx *store.Tx) error {
		row, err := tx.Insert(p)
		if err == nil {
			id = row.ID
		}
		return err
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, []byte(`{"id":"`+id+`"}`))
	return nil
}

func (s *Server) update(w http.ResponseWriter, r *http.Request) error {
	e, err := s.schema.Named(r.PathValue("entity"))
	if err != nil {
		return err
	}
	p, err := s.readPatch(r, e, store.Update)
	if err != nil {
		return err
	}
	if err := s.cfg.DB.Update(r.Context(), func(tx *store.Tx) error {
		_, err := tx.Update(r.PathValue("id"), p)
		return err
	}); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, []byte(`{"updated":true}`))
	return nil
}

func (s *Server) delete(w http.ResponseWriter, r *http.Request) error {
	e, err := s.schema.Named(r.PathValue("entity"))
	if err != nil {
		return err
	}
	if err := s.cfg.DB.Update(r.Context(), func(tx *store.Tx) error {
		_, err := tx.Delete(e, r.PathValue("id"))
		return err
	}); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, []byte(`{"deleted":true}`))
	return nil
}

func (s *Server) readPatch(r *http.Request, e *store.Entity, op store.Op) (*store.Patch, error) {
	body, release, err := readBody(r)
	if err != nil {
		return nil, err
	}
	defer release()
	return decodePatch(r, e, op, body)
}

// decodePatch reads a row's fields and refuses those that clients do not set:
// serverOnly ones, and readonly ones of a row that exists. The administrator may
// set both.
func decodePatch(r *http.Request, e *store.Entity, op store.Op, body []byte) (*store.Patch, error) {
	p, err := store.DecodePatch(e, body, op == store.Insert)
	if err != nil {
		return nil, err
	}
	if store.ActorFrom(r.Context()).Admin {
		return p, nil
	}
	for i, set := range p.Set {
		f := &e.Fields[i]
		if set && f.ServerOnly {
			return nil, store.Errorf(store.Denied, "FIELD_NOT_WRITABLE", "%s is set by the server only", f.Name).WithField(f.Name)
		}
		if set && f.Readonly && op == store.Update {
			return nil, store.Errorf(store.Denied, "FIELD_NOT_WRITABLE", "%s is set when the row is created and does not change", f.Name).WithField(f.Name)
		}
	}
	return p, nil
}
