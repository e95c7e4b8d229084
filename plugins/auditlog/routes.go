package auditlog

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/pylon-go/pylon/plugin"
	"github.com/pylon-go/pylon/store"
)

// Routes are for the administrator, but for the log's public face: the key and the
// last checkpoint tell nothing of what is in it.
func (p *Plugin) Routes() []plugin.Route {
	return []plugin.Route{
		{Pattern: "GET /api/audit/checkpoint", Access: plugin.AccessPublic, Handler: p.routeCheckpoint, Summary: "The audit log's last signed tree head."},
		{Pattern: "GET /api/audit/key", Access: plugin.AccessPublic, Handler: p.routeKey, Summary: "The audit log's public key."},
		{Pattern: "GET /api/audit/entries", Handler: p.routeEntries, Summary: "Entries of the audit log, the newest first (administrator)."},
		{Pattern: "GET /api/audit/entries/{id}", Handler: p.routeEntry, Summary: "One entry of the audit log (administrator)."},
		{Pattern: "GET /api/audit/entries/{id}/proof", Handler: p.routeProof, Summary: "Proof that an entry is in the log, in the form of C2SP tlog-proof (administrator)."},
		{Pattern: "POST /api/audit/seal", Handler: p.routeSeal, Summary: "Seal the audit log now and publish its head to the anchors (administrator)."},
		{Pattern: "POST /api/audit/verify", Handler: p.routeVerify, Summary: "Verify the audit log, all of it (administrator)."},
		{Pattern: "GET /api/audit/status", Handler: p.routeStatus, Summary: "How the audit log does (administrator)."},
		{Pattern: "POST /api/audit/hash", Handler: p.routeHash, Summary: "What a value looks like in hash_fields (administrator)."},
		{Pattern: "POST /api/audit/erase", Handler: p.routeErase, Summary: "Delete the values of entries, on the record (administrator)."},
		{Pattern: "POST /api/audit/prune", Handler: p.routePrune, Summary: "Delete old entries, on the record (administrator)."},
		{Pattern: "GET /api/audit/holds", Handler: p.routeHolds, Summary: "Legal holds (administrator)."},
		{Pattern: "POST /api/audit/holds", Handler: p.routeAddHold, Summary: "Keep entries from being erased and pruned (administrator)."},
		{Pattern: "DELETE /api/audit/holds/{id}", Handler: p.routeReleaseHold, Summary: "End a legal hold (administrator)."},
		{Pattern: "POST /api/audit/export", Handler: p.routeExport, Summary: "Export what is new, now (administrator)."},
	}
}

func (p *Plugin) routeCheckpoint(w http.ResponseWriter, r *http.Request) error {
	head := p.head.Load()
	if head == nil {
		return store.Errorf(store.Unavailable, "NOT_READY", "the audit log is not open yet")
	}
	msg, err := p.noteOf(r.Context(), head.Size)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err = w.Write([]byte(msg))
	return err
}

// PublicKey is the log's name and keys.
type PublicKey struct {
	Origin string `json:"origin"`
	// Key verifies checkpoints; empty for a log without a signing key.
	Key string `json:"key"`
	// Kid names the key on entries.
	Kid string `json:"kid,omitempty"`
}

func (p *Plugin) routeKey(w http.ResponseWriter, _ *http.Request) error {
	k := PublicKey{Origin: p.origin, Kid: p.kid()}
	if p.signer != nil {
		k.Key = p.signer.vkey
	}
	return plugin.Answer(w, http.StatusOK, k)
}

// routeEntries lists entries. The entries of one row come from the index that the
// sealer keeps; the other filters work on what is read.
func (p *Plugin) routeEntries(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	limit := 100
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 1000 {
			return store.Errorf(store.Invalid, "INVALID_QUERY", "limit must be a whole number from 1 to 1000").WithField("limit")
		}
		limit = n
	}
	filter := store.And{}
	for key, field := range map[string]int{"entity": fEntity, "row": fRowID, "actor": fActorID, "operation": fOperation, "outcome": fOutcome, "request": fRequestID, "tenant": fTenantID} {
		if v := q.Get(key); v != "" {
			filter = append(filter, store.Compare{Field: field, Op: store.Eq, Value: store.String(v)})
		}
	}
	if after := q.Get("after"); after != "" {
		filter = append(filter, store.Compare{Field: store.FieldIDIndex, Op: store.Lt, Value: store.ID(after)})
	}
	view, err := viewNamed(q.Get("format"))
	if err != nil {
		return err
	}
	var rows []*store.Row
	if entity, row := q.Get("entity"), q.Get("row"); entity != "" && row != "" {
		if err := p.Seal(r.Context()); err != nil {
			p.log.Warn("the entries listed may lack the newest: the audit log could not be sealed", "error", err)
		}
		rows, err = p.history(r, filter, entity, row, limit)
	} else {
		rows, err = p.db.Find(r.Context(), &store.Query{Entity: p.entity, Filter: filter, Order: []store.Order{{Field: store.FieldIDIndex, Desc: true}}, Limit: limit})
	}
	if err != nil {
		return err
	}
	return view.answer(w, p, rows)
}

// history reads the newest entries of a row through the index by row.
func (p *Plugin) history(r *http.Request, filter store.And, entity, row string, limit int) (rows []*store.Row, err error) {
	err = p.db.View(r.Context(), func(tx *store.Tx) error {
		if _, err := tx.Count(&store.Query{Entity: p.entity, Filter: store.Const(false)}); err != nil { // asks the guard
			return err
		}
		var all []*store.Row
		if err := p.eachOf(tx, entity, row, func(row *store.Row) error {
			if filter.Match(row) {
				all = append(all, row)
			}
			return nil
		}); err != nil {
			return err
		}
		for i := len(all) - 1; i >= 0 && len(rows) < limit; i-- {
			rows = append(rows, all[i])
		}
		return nil
	})
	return rows, err
}

func (p *Plugin) routeEntry(w http.ResponseWriter, r *http.Request) error {
	row, err := p.db.Get(r.Context(), p.entity, r.PathValue("id"))
	if err != nil {
		return err
	}
	return plugin.Answer(w, http.StatusOK, json.RawMessage(row.AppendJSON(nil)))
}

// routeProof answers with a C2SP tlog-proof: the leaf's number, the inclusion proof
// and the checkpoint.
func (p *Plugin) routeProof(w http.ResponseWriter, r *http.Request) error {
	if err := p.Seal(r.Context()); err != nil {
		return err
	}
	proof, err := p.Prove(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return plugin.Answer(w, http.StatusOK, proof)
}

func (p *Plugin) routeSeal(w http.ResponseWriter, r *http.Request) error {
	if err := p.sealBatch(r.Context(), "", nil, true); err != nil {
		return err
	}
	answer := map[string]any{"size": p.head.Load().Size}
	if err := p.publisher.publish(r.Context()); err != nil {
		answer["anchors"] = "failed; see the server's log"
	}
	return plugin.Answer(w, http.StatusOK, answer)
}

func (p *Plugin) routeVerify(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Drift bool `json:"drift"`
	}
	if err := plugin.Decode(r, &in); err != nil {
		return err
	}
	report, err := p.Verify(r.Context(), in.Drift)
	if err != nil {
		return err
	}
	return plugin.Answer(w, http.StatusOK, report)
}

// Status is how the log does.
type Status struct {
	Origin   string  `json:"origin"`
	Size     int64   `json:"size"`
	Root     string  `json:"root"`
	Signed   bool    `json:"entries_signed"`
	Unsealed int     `json:"unsealed"`
	Intact   bool    `json:"intact"`
	Checked  string  `json:"checked_at,omitempty"`
	Report   *Report `json:"report,omitempty"`
}

func (p *Plugin) routeStatus(w http.ResponseWriter, _ *http.Request) error {
	s := Status{Origin: p.origin, Signed: p.config.SignEntries, Intact: p.watch.intact() == 1}
	if head := p.head.Load(); head != nil {
		s.Size, s.Root = head.Size, head.Root.String()
	}
	s.Unsealed, _ = p.writer.Load().waiting()
	p.watch.mu.Lock()
	defer p.watch.mu.Unlock()
	if s.Report = p.watch.last; s.Report != nil {
		s.Checked = store.FormatTime(p.watch.at)
	}
	return plugin.Answer(w, http.StatusOK, s)
}

func (p *Plugin) routeHash(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Value json.RawMessage `json:"value"`
	}
	if err := plugin.Decode(r, &in); err != nil {
		return err
	}
	if len(p.keys) == 0 {
		return store.Errorf(store.Invalid, "MISSING_KEY", "the audit log has no signing key")
	}
	if len(in.Value) == 0 {
		return store.Errorf(store.Invalid, "MISSING_FIELD", "value is missing").WithField("value")
	}
	return plugin.Answer(w, http.StatusOK, map[string]string{"hash": p.keys[0].hashValue(canonicalJSON(in.Value))})
}

// canonicalJSON writes a text as rows do; other values are taken as they are.
func canonicalJSON(raw json.RawMessage) []byte {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return store.AppendJSONString(nil, s)
	}
	return raw
}

func (p *Plugin) routeErase(w http.ResponseWriter, r *http.Request) error {
	var in EraseRequest
	if err := plugin.Decode(r, &in); err != nil {
		return err
	}
	out, err := p.Erase(r.Context(), in)
	if err != nil {
		return err
	}
	return plugin.Answer(w, http.StatusOK, out)
}

func (p *Plugin) routePrune(w http.ResponseWriter, r *http.Request) error {
	var in PruneRequest
	if err := plugin.Decode(r, &in); err != nil {
		return err
	}
	out, err := p.Prune(r.Context(), in)
	if err != nil {
		return err
	}
	return plugin.Answer(w, http.StatusOK, out)
}

func (p *Plugin) routeHolds(w http.ResponseWriter, r *http.Request) error {
	all, err := p.Holds(r.Context())
	if err != nil {
		return err
	}
	return plugin.Answer(w, http.StatusOK, map[string]any{"holds": all})
}

func (p *Plugin) routeAddHold(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Kind   string `json:"kind"`
		Value  string `json:"value"`
		Reason string `json:"reason"`
	}
	if err := plugin.Decode(r, &in); err != nil {
		return err
	}
	h, err := p.AddHold(r.Context(), Hold{Kind: in.Kind, Value: in.Value, Reason: in.Reason})
	if err != nil {
		return err
	}
	return plugin.Answer(w, http.StatusCreated, h)
}

func (p *Plugin) routeReleaseHold(w http.ResponseWriter, r *http.Request) error {
	if err := p.ReleaseHold(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	return plugin.Answer(w, http.StatusOK, map[string]bool{"released": true})
}

func (p *Plugin) routeExport(w http.ResponseWriter, r *http.Request) error {
	if p.exportTo == nil {
		return store.Errorf(store.Invalid, "NO_EXPORT", "the config of audit_log has no export")
	}
	done, err := p.Export(r.Context(), p.exportTo, nil)
	if err != nil {
		return err
	}
	return plugin.Answer(w, http.StatusOK, done)
}
