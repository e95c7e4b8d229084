package webhooks

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/pylon-go/pylon/queue"
	"github.com/pylon-go/pylon/store"
)

// Entities adds WebhookDelivery: the deliveries that failed for good, for
// inspection through the entities API.
func (p *Plugin) Entities() []*store.Entity {
	text := func(name string) store.Field { return store.Field{Name: name, Type: store.TypeString} }
	optional := func(f store.Field) store.Field { f.Optional = true; return f }
	deliveryID := text("deliveryId")
	deliveryID.Unique = true
	p.failed = &store.Entity{
		Name: "WebhookDelivery", Owner: name,
		Fields: []store.Field{
			deliveryID,
			text("hook"),
			text("entity"),
			text("rowId"),
			text("event"),
			text("url"),
			{Name: "body", Type: store.TypeRichtext},
			{Name: "attempts", Type: store.TypeInt},
			optional(store.Field{Name: "responseStatus", Type: store.TypeInt}),
			optional(store.Field{Name: "responseBody", Type: store.TypeRichtext}),
			text("error"),
			{Name: "enqueuedAt", Type: store.TypeDatetime},
			{Name: "failedAt", Type: store.TypeDatetime},
		},
		Indexes: []store.Index{{Name: "WebhookDelivery_hook_failedAt", Columns: []string{"hook", "failedAt"}}},
	}
	return []*store.Entity{p.failed}
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
	status, response := store.Null, store.Null
	var failure *attemptError
	if errors.As(cause, &failure) && failure.status != 0 {
		status, response = store.Int(int64(failure.status)), store.Richtext(failure.response)
	}
	address := ""
	if h := p.byName[j.Lane]; h != nil {
		address = h.url
	}
	row := store.NewPatch(p.failed)
	for _, f := range []struct {
		name  string
		value store.Value
	}{
		{"deliveryId", store.String(j.ID)},
		{"hook", store.String(j.Lane)},
		{"entity", store.String(told.Entity)},
		{"rowId", store.String(told.RowID)},
		{"event", store.String(told.Event)},
		{"url", store.String(address)},
		{"body", store.Richtext(string(j.Payload))},
		{"attempts", store.Int(int64(j.Attempts + 1))},
		{"responseStatus", status},
		{"responseBody", response},
		{"error", store.String(cause.Error())},
		{"enqueuedAt", store.Time(j.EnqueuedAt)},
		{"failedAt", store.Time(tx.Now())},
	} {
		if err := row.Put(f.name, f.value); err != nil {
			return err
		}
	}
	_, err := tx.As(store.System(name)).Insert(row)
	return err
}
