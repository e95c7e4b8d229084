package auditlog

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/pylon-go/pylon/manifest"
	"github.com/pylon-go/pylon/store"
)

// view is a form in which entries are shown to people and other programs. Views are
// made from entries and not signed; the log is the evidence.
type view struct {
	contentType string
	write       func(b *bytes.Buffer, p *Plugin, rows []*store.Row) error
}

var views = map[string]view{
	"json":   {"application/json", writeJSONView},
	"ndjson": {"application/x-ndjson", lines(func(_ *Plugin, r *store.Row) (any, error) { return json.RawMessage(r.AppendJSON(nil)), nil })},
	"csv":    {"text/csv; charset=utf-8", writeCSV},
	"ocsf":   {"application/x-ndjson", lines(ocsf)},
	"ecs":    {"application/x-ndjson", lines(ecs)},
}

var viewNames = []string{"json", "ndjson", "csv", "ocsf", "ecs"}

func viewNamed(format string) (view, error) {
	if format == "" {
		format = "json"
	}
	if v, ok := views[format]; ok {
		return v, nil
	}
	err := store.Errorf(store.Invalid, "INVALID_QUERY", "no format %q: %s", format, strings.Join(viewNames, ", ")).WithField("format")
	if near := manifest.Nearest(format, viewNames); near != "" {
		err = err.WithHint("did you mean %q?", near)
	}
	return view{}, err
}

func (v view) answer(w http.ResponseWriter, p *Plugin, rows []*store.Row) error {
	var b bytes.Buffer
	if err := v.write(&b, p, rows); err != nil {
		return err
	}
	w.Header().Set("Content-Type", v.contentType)
	_, err := w.Write(b.Bytes())
	return err
}

func writeJSONView(b *bytes.Buffer, _ *Plugin, rows []*store.Row) error {
	b.WriteString(`{"entries":[`)
	for i, r := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(r.AppendJSON(nil))
	}
	b.WriteString("]}")
	return nil
}

func lines(of func(*Plugin, *store.Row) (any, error)) func(*bytes.Buffer, *Plugin, []*store.Row) error {
	return func(b *bytes.Buffer, p *Plugin, rows []*store.Row) error {
		enc := json.NewEncoder(b)
		enc.SetEscapeHTML(false)
		for _, r := range rows {
			v, err := of(p, r)
			if err != nil {
				return err
			}
			if err := enc.Encode(v); err != nil {
				return err
			}
		}
		return nil
	}
}

// writeCSV writes every column. A cell that a spreadsheet would take for a formula
// begins with an apostrophe.
func writeCSV(b *bytes.Buffer, p *Plugin, rows []*store.Row) error {
	w := csv.NewWriter(b)
	header := []string{"id"}
	for i := range p.entity.Fields {
		if !p.entity.Fields[i].ServerOnly {
			header = append(header, p.entity.Fields[i].Name)
		}
	}
	if err := w.Write(header); err != nil {
		return err
	}
	for _, r := range rows {
		cells := []string{r.ID}
		for i := range p.entity.Fields {
			if p.entity.Fields[i].ServerOnly {
				continue
			}
			cell := r.Values[i].Str()
			if v := r.Values[i]; !v.IsText() && !v.IsNull() {
				cell = strings.Trim(string(v.AppendJSON(nil)), `"`)
			}
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				cell = "'" + cell
			}
			cells = append(cells, cell)
		}
		if err := w.Write(cells); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// object leaves out what is null or empty.
func object(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		switch v := pairs[i+1].(type) {
		case nil:
		case string:
			if v != "" {
				m[pairs[i].(string)] = v
			}
		case map[string]any:
			if len(v) > 0 {
				m[pairs[i].(string)] = v
			}
		default:
			m[pairs[i].(string)] = v
		}
	}
	return m
}

func rawOrNil(v store.Value) any {
	if v.IsNull() || !json.Valid([]byte(v.Str())) {
		return nil
	}
	return json.RawMessage(v.Str())
}

// ocsf is the event class Entity Management (3004) of OCSF 1.x.
func ocsf(p *Plugin, r *store.Row) (any, error) {
	v := r.Values
	activity := map[string]int{"insert": 1, "view": 2, "update": 3, "delete": 4}[v[fOperation].Str()]
	if activity == 0 {
		activity = 99
	}
	status, severity := 1, 1
	if v[fOutcome].Str() == outcomeDenied {
		status, severity = 2, 3
	}
	entity := func(data store.Value) map[string]any {
		return object("uid", v[fRowID].Str(), "type", v[fEntity].Str(), "data", rawOrNil(data))
	}
	m := object(
		"activity_id", activity, "category_uid", 3, "class_uid", 3004, "type_uid", 3004*100+activity,
		"severity_id", severity, "status_id", status, "time", v[fCreatedAt].Time().UnixMilli(),
		"metadata", object("uid", r.ID, "correlation_uid", v[fRequestID].Str(), "tenant_uid", v[fTenantID].Str(), "version", "1.4.0",
			"product", object("name", "Pylon audit_log", "vendor_name", "Pylon", "feature", object("name", p.app))),
		"actor", object("user", object("uid", v[fActorID].Str(), "type", v[fActorType].Str(), "credential_uid", v[fAPIKeyID].Str())),
		"src_endpoint", object("ip", v[fIP].Str()),
		"http_request", object("user_agent", v[fUserAgent].Str()),
		"entity", entity(v[fBefore]),
		"unmapped", object("operation", v[fOperation].Str(), "tx_id", v[fTxID].Str(), "signature", v[fSignature].Str(), "changed", rawOrNil(v[fChanged])),
	)
	if !v[fAfter].IsNull() {
		m["entity_result"] = entity(v[fAfter])
	}
	if hash, err := leafHash(r.ID, v); err == nil {
		m["raw_data_hash"] = object("algorithm_id", 3, "value", hash.String())
	}
	return m, nil
}

// ecs is the Elastic Common Schema.
func ecs(p *Plugin, r *store.Row) (any, error) {
	v := r.Values
	kind := map[string]string{"insert": "creation", "view": "access", "update": "change", "delete": "deletion"}[v[fOperation].Str()]
	if kind == "" {
		kind = "info"
	}
	outcome := "success"
	if v[fOutcome].Str() == outcomeDenied {
		outcome = "failure"
	}
	return object(
		"@timestamp", store.FormatTime(v[fCreatedAt].Time()),
		"ecs", object("version", "8.11.0"),
		"event", object("id", r.ID, "kind", "event", "category", []string{"database"}, "type", []string{kind},
			"action", v[fOperation].Str(), "outcome", outcome, "dataset", "pylon.audit_log"),
		"user", object("id", v[fActorID].Str()),
		"source", object("ip", v[fIP].Str()),
		"user_agent", object("original", v[fUserAgent].Str()),
		"organization", object("id", v[fTenantID].Str()),
		"http", object("request", object("id", v[fRequestID].Str())),
		"service", object("name", p.app),
		"pylon", object("audit", object("entity", v[fEntity].Str(), "row_id", v[fRowID].Str(), "actor_type", v[fActorType].Str(), "api_key_id", v[fAPIKeyID].Str(),
			"tx_id", v[fTxID].Str(), "before", v[fBefore].Str(), "after", v[fAfter].Str(), "changed", v[fChanged].Str())),
	), nil
}
