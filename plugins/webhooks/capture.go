package webhooks

import (
	"context"

	"github.com/pylon-go/pylon/queue"
	"github.com/pylon-go/pylon/store"
)

// maxBody bounds a delivery's body. A larger one is sent with the id alone as its
// data, never dropped.
const maxBody = 256 << 10

// InTx enqueues a delivery for every hook that asked for this write.
func (p *Plugin) InTx(_ context.Context, tx *store.Tx, w *store.Write) error {
	for _, h := range p.byEntity[w.Entity] {
		if !h.wants(w) {
			continue
		}
		id := newDeliveryID(w)
		b, whole := body(id, w)
		it := queue.Item{ID: id, Queue: name, Lane: h.name, Key: h.key(w.ID), Payload: b}
		if !whole {
			it.Note = note{IDOnly: true}.encode()
		}
		if _, err := p.queue.Enqueue(tx, it); err != nil {
			return err
		}
	}
	return nil
}

// newDeliveryID is a new id; it has no dot, which would end it in what
// webhook-signature signs.
func newDeliveryID(w *store.Write) string { return "wh_" + store.NewID(w.Time) }

// body is what a receiver gets, made once and never changed. serverOnly fields are
// not in a row's JSON. whole is false when the row was too large to be sent.
func body(id string, w *store.Write) (b []byte, whole bool) {
	b = appendBody(make([]byte, 0, 512), id, w, func(b []byte) []byte { return w.Row().AppendJSON(b) })
	if len(b) <= maxBody {
		return b, true
	}
	return appendBody(nil, id, w, func(b []byte) []byte {
		b = append(b, `{"id":`...)
		return append(store.AppendJSONString(b, w.ID), '}')
	}), false
}

func appendBody(b []byte, id string, w *store.Write, data func([]byte) []byte) []byte {
	b = append(b, `{"event":"`...)
	b = append(b, w.Op...)
	b = append(b, `","entity":`...)
	b = store.AppendJSONString(b, w.Entity.Name)
	b = append(b, `,"row_id":`...)
	b = store.AppendJSONString(b, w.ID)
	b = append(b, `,"data":`...)
	b = data(b)
	b = append(b, `,"timestamp":"`...)
	b = store.AppendTime(b, w.Time)
	b = append(b, `","delivery_id":"`...)
	b = append(b, id...)
	return append(b, `"}`...)
}
