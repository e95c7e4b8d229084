package api

import (
	"encoding/json"
	"net/http"

	"github.com/pylon-go/pylon/store"
)

// maxOperations bounds a batch or a transaction.
const maxOperations = 10000

// operation is one write of a batch or a transaction.
type operation struct {
	Op     store.Op        `json:"op"`
	Entity string          `json:"entity"`
	ID     string          `json:"id"`
	Data   json.RawMessage `json:"data"`

	entity *store.Entity
	patch  *store.Patch
	given  string // ID as it was asked for; a new row may get one of its own
}

type opResult struct {
	Op    store.Op        `json:"op"`
	ID    string          `json:"id,omitempty"`
	OK    bool            `json:"ok"`
	Error json.RawMessage `json:"error,omitempty"`
}

// prepare checks an operation before a transaction is begun for it.
func (s *Server) prepare(r *http.Request, raw json.RawMessage) (*operation, error) {
	var op operation
	if err := store.DecodeJSON(raw, &op); err != nil {
		return &op, err
	}
	op.given = op.ID
	var err error
	if op.entity, err = s.schema.Named(op.Entity); err != nil {
		return &op, err
	}
	switch op.Op {
	case store.Insert, store.Update, store.Delete:
	default:
		return &op, store.Errorf(store.Invalid, "INVALID_OPERATION", "unknown op %q", op.Op).WithField("op").WithHint("ops: insert, update, delete")
	}
	if op.Op != store.Insert && op.ID == "" {
		return &op, store.Errorf(store.Invalid, "INVALID_OPERATION", "an %s needs an id", op.Op).WithField("id")
	}
	if op.Op == store.Delete {
		return &op, nil
	}
	if op.Data == nil {
		return &op, store.Errorf(store.Invalid, "INVALID_OPERATION", "an %s needs data", op.Op).WithField("data")
	}
	if op.patch, err = decodePatch(r, op.entity, op.Op, op.Data); err != nil {
		return &op, err
	}
	if op.Op == store.Insert && op.ID != "" {
		if !store.ValidID(op.ID) {
			return &op, store.Errorf(store.Invalid, "INVALID_VALUE", "id must be a ULID").WithField("id")
		}
		op.patch.ID = op.ID
	}
	return &op, nil
}

// apply carries an operation out.
func (op *operation) apply(tx *store.Tx) error {
	switch op.Op {
	case store.Insert:
		row, err := tx.Insert(op.patch)
		if err == nil {
			op.ID = row.ID
		}
		return err
	case store.Update:
		_, err := tx.Update(op.ID, op.patch)
		return err
	default:
		_, err := tx.Delete(op.entity, op.ID)
		return err
	}
}

func (s *Server) result(r *http.Request, op *operation, err error) opResult {
	res := opResult{Op: op.Op, ID: op.ID, OK: err == nil}
	if err != nil {
		e, _ := s.visible(r, store.ActorFrom(r.Context()).RequestID, err)
		res.Error = appendErrorObject(nil, e)
	}
	return res
}

// batch carries operations out one by one; each succeeds or fails for itself.
func (s *Server) batch(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Operations []json.RawMessage `json:"operations"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	if err := checkCount(len(in.Operations)); err != nil {
		return err
	}
	out := struct {
		Results   []opResult `json:"results"`
		Succeeded int        `json:"succeeded"`
		Failed    int        `json:"failed"`
	}{Results: []opResult{}}
	for _, raw := range in.Operations {
		op, err := s.prepare(r, raw)
		if err == nil {
			err = s.cfg.DB.Update(r.Context(), op.apply)
		}
		if err == nil {
			out.Succeeded++
		} else {
			out.Failed++
			op.ID = op.given // of a row that is not there
		}
		out.Results = append(out.Results, s.result(r, op, err))
	}
	return answer(w, http.StatusOK, out)
}

func checkCount(n int) error {
	if n > maxOperations {
		return store.Errorf(store.TooLarge, "TOO_MANY_OPERATIONS", "one request carries out at most %d operations", maxOperations)
	}
	return nil
}

// applyAll carries operations out in one transaction, flushing each when one that
// fails must be known. failedAt is -1 when it is not.
func (s *Server) applyAll(r *http.Request, ops []*operation, flush bool) (failedAt int, err error) {
	err = s.cfg.DB.Update(r.Context(), func(tx *store.Tx) error {
		failedAt = -1
		for i, op := range ops {
			err := op.apply(tx)
			if err == nil && flush {
				err = tx.Flush()
			}
			if err != nil {
				failedAt = i
				return err
			}
		}
		return nil
	})
	return failedAt, err
}

// transact carries operations out in one transaction: all of them or none.
func (s *Server) transact(w http.ResponseWriter, r *http.Request) error {
	body, release, err := readBody(r)
	if err != nil {
		return err
	}
	defer release()
	var list []json.RawMessage
	if err := json.Unmarshal(body, &list); err != nil {
		return store.Errorf(store.Invalid, "INVALID_JSON", "the body must be a JSON array of operations")
	}
	if err := checkCount(len(list)); err != nil {
		return err
	}
	out := struct {
		Committed bool       `json:"committed"`
		Results   []opResult `json:"results"`
	}{Results: []opResult{}}
	ops := make([]*operation, len(list))
	failedAt := -1
	for i, raw := range list {
		if ops[i], err = s.prepare(r, raw); err != nil {
			failedAt = i
			break
		}
	}
	if err == nil {
		failedAt, err = s.applyAll(r, ops, false)
		if failedAt < 0 && store.IsKind(err, store.Conflict) {
			// The engine sent the operations together and cannot say which one it was.
			failedAt, err = s.applyAll(r, ops, true)
		}
	}
	if err == nil {
		out.Committed = true
		for _, op := range ops {
			out.Results = append(out.Results, s.result(r, op, nil))
		}
		return answer(w, http.StatusOK, out)
	}
	if failedAt < 0 { // the commit itself
		return err
	}
	rolledBack := store.Errorf(store.Conflict, "ROLLED_BACK", "not done: operation %d failed", failedAt)
	ops[failedAt].ID = ops[failedAt].given
	for i := range failedAt {
		out.Results = append(out.Results, s.result(r, ops[i], rolledBack))
	}
	out.Results = append(out.Results, s.result(r, ops[failedAt], err))
	status := http.StatusBadRequest
	if store.IsKind(err, store.Unavailable) {
		status = http.StatusServiceUnavailable
	}
	return answer(w, status, out)
}
