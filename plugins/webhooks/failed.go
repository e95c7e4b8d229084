package webhooks

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/pylon-go/pylon/queue"
	"github.com/pylon-go/pylon/store"
)

// States of a WebhookDelivery.
const (
	stateFailed    = "failed"
	stateReplaying = "replaying"
	stateDelivered = "delivered"
)

// Entities adds WebhookDelivery: the deliveries that failed for good, for
// inspection through the entities API.
func (p *Plugin) Entities() []*store.Entity {
	text := func(name string) store.Field { return store.Field{Name: name, Type: store.TypeString} }
	optional := func(f store.Field) store.Field { f.Optional = true; return f }
	deliveryID, state := text("deliveryId"), text("state")
	deliveryID.Unique = true
	state.Enum = []string{stateFailed, stateReplaying, stateDelivered}
	state.HasDefault, state.Default = true, store.String(stateFailed) // of rows older than the field
	p.deliveries = &store.Entity{
		Name: "WebhookDelivery", Owner: name,
		Fields: []store.Field{
			deliveryID,
			text("hook"),
			state,
			text("entity"),
			text("rowId"),
			text("event"),
			text("url"),
			{Name: "body", Type: store.TypeRichtext},
			{Name: "attempts", Type: store.TypeInt},
			{Name: "attemptLog", Type: store.TypeJSON, HasDefault: true, Default: store.JSON("[]")},
			optional(store.Field{Name: "requestHeaders", Type: store.TypeJSON}),
			optional(store.Field{Name: "responseStatus", Type: store.TypeInt}),
			optional(store.Field{Name: "responseHeaders", Type: store.TypeJSON}),
			optional(store.Field{Name: "responseBody", Type: store.TypeRichtext}),
			text("error"),
			{Name: "enqueuedAt", Type: store.TypeDatetime},
			{Name: "failedAt", Type: store.TypeDatetime},
			optional(store.Field{Name: "replayedAt", Type: store.TypeDatetime}),
			optional(store.Field{Name: "deliveredAt", Type: store.TypeDatetime}),
		},
		Indexes: []store.Index{
			{Name: "WebhookDelivery_hook_failedAt", Columns: []string{"hook", "failedAt"}},
			{Name: "WebhookDelivery_failedAt", Columns: []string{"failedAt"}},
		},
	}
	return []*store.Entity{p.deliveries}
}

// fields are values of a WebhookDelivery by name.
type fields map[string]store.Value

func (p *Plugin) patch(values fields) (*store.Patch, error) {
	patch := store.NewPatch(p.deliveries)
	for _, field := range slices.Sorted(maps.Keys(values)) {
		if err := patch.Put(field, values[field]); err != nil {
			return nil, err
		}
	}
	return patch, nil
}

// bury keeps a delivery that failed for good, in the transaction that takes it
// out of the queue.
func (p *Plugin) bury(tx *store.Tx, j *queue.Job, cause error) error {
	var told struct {
		Event  string `json:"event"`
		Entity string `json:"entity"`
		RowID  string `json:"row_id"`
	}
	if err := json.Unmarshal(j.Payload, &told); err != nil {
		return fmt.Errorf("read the body of delivery %s: %w", j.ID, err)
	}
	n, err := decodeNote(j.Note)
	if err != nil {
		return err
	}
	values := fields{
		"deliveryId": store.String(j.ID),
		"hook":       store.String(j.Lane),
		"state":      store.String(stateFailed),
		"entity":     store.String(told.Entity),
		"rowId":      store.String(told.RowID),
		"event":      store.String(told.Event),
		"url":        store.String(""),
		"body":       store.Richtext(string(j.Payload)),
		"attempts":   store.Int(int64(max(len(n.Log), j.Attempts))),
		"attemptLog": jsonValue(append([]logEntry{}, n.Log...)),
		"error":      store.String(cause.Error()),
		"enqueuedAt": store.Time(j.EnqueuedAt),
		"failedAt":   store.Time(tx.Now()),

		"requestHeaders": store.Null, "responseStatus": store.Null, "responseHeaders": store.Null, "responseBody": store.Null,
	}
	if h := p.byName[j.Lane]; h != nil {
		values["url"] = store.String(h.url.String())
		var a *attempt
		if errors.As(cause, &a) {
			values["requestHeaders"] = jsonValue(h.shownRequest(a.request))
			if a.status != 0 {
				values["responseStatus"] = store.Int(int64(a.status))
				values["responseHeaders"] = jsonValue(shownResponse(a.header))
				values["responseBody"] = store.Richtext(a.response)
			}
		}
	}
	patch, err := p.patch(values)
	if err != nil {
		return err
	}
	tx = tx.As(store.System(name))
	if n.Replay {
		if row, err := p.delivery(tx, j.ID); err == nil {
			_, err := tx.Update(row.ID, patch)
			return err
		} else if !store.IsKind(err, store.NotFound) {
			return err
		}
	}
	_, err = tx.Insert(patch)
	return err
}

// delivered marks a delivery that had failed for good and arrived now.
func (p *Plugin) delivered(j *queue.Job, n note) func(*store.Tx) error {
	if !n.Replay {
		return nil
	}
	return func(tx *store.Tx) error {
		tx = tx.As(store.System(name))
		row, err := p.delivery(tx, j.ID)
		if store.IsKind(err, store.NotFound) {
			return nil // its retention ended meanwhile
		} else if err != nil {
			return err
		}
		patch, err := p.patch(fields{"state": store.String(stateDelivered), "deliveredAt": store.Time(tx.Now())})
		if err != nil {
			return err
		}
		_, err = tx.Update(row.ID, patch)
		return err
	}
}

// field is the position of a field of WebhookDelivery.
func (p *Plugin) field(name string) int {
	i, _ := p.deliveries.Lookup(name)
	return i
}

// delivery finds a WebhookDelivery by the delivery's id.
func (p *Plugin) delivery(tx *store.Tx, id string) (*store.Row, error) {
	rows, err := tx.Find(&store.Query{Entity: p.deliveries, Filter: store.Compare{Field: p.field("deliveryId"), Op: store.Eq, Value: store.String(id)}, Limit: 1})
	if err == nil && len(rows) == 0 {
		err = store.Errorf(store.NotFound, "NOT_FOUND", "no delivery %q failed for good", id)
	}
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

func jsonValue(v any) store.Value {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // texts and numbers
	}
	return store.JSON(string(b))
}

const redacted = "[redacted]"

// shownRequest is a request's header without what is secret: signatures,
// credentials and everything that came from the environment.
func (h *hook) shownRequest(sent http.Header) map[string]string {
	shown := make(map[string]string, len(sent))
	for k, v := range sent {
		switch k {
		case HeaderSignature, HeaderStandardSig, "Authorization", "Proxy-Authorization", "Cookie":
			shown[k] = redacted
		default:
			if shown[k] = strings.Join(v, ", "); h.secretHeaders[k] {
				shown[k] = redacted
			}
		}
	}
	return shown
}

// maxShownHeader bounds what is kept of an answer's header.
const maxShownHeader = 4 << 10

func shownResponse(got http.Header) map[string]string {
	shown, size := map[string]string{}, 0
	for _, k := range slices.Sorted(maps.Keys(got)) {
		v := strings.ToValidUTF8(strings.Join(got[k], ", "), "\uFFFD")
		if k == "Set-Cookie" {
			v = redacted
		}
		if size += len(k) + len(v); size > maxShownHeader {
			break
		}
		shown[k] = v
	}
	return shown
}
