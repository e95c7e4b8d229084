package auditlog

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/pylon-go/pylon/store"
)

// entityName is the entity that holds the entries.
const entityName = "AuditLog"

// Positions of AuditLog's fields.
const (
	fActorID = iota
	fEntity
	fRowID
	fOperation
	fBefore
	fAfter
	fSignature
	fCreatedAt
	fChanged
	fOutcome
	fActorType
	fAPIKeyID
	fTenantID
	fIP
	fUserAgent
	fRequestID
	fTxID
	fWriter
	fWseq
	fCommitments
	fSalt
	fieldCount
)

// Outcomes of what an entry tells of.
const (
	outcomeOK     = "ok"
	outcomeDenied = "denied"
)

// newEntity is AuditLog. It has no index of its own: each would cost every audited
// write a page more. The sealer keeps the index by row, see [leafTable].
func newEntity() *store.Entity {
	text := func(name string) store.Field { return store.Field{Name: name, Type: store.TypeString} }
	optional := func(f store.Field) store.Field { f.Optional = true; return f }
	e := &store.Entity{Name: entityName, Owner: name, Fields: make([]store.Field, fieldCount)}
	for i, f := range map[int]store.Field{
		fActorID:     optional(store.Field{Name: "actorId", Type: store.TypeID, Ref: "User"}),
		fEntity:      text("entity"),
		fRowID:       text("rowId"),
		fOperation:   text("operation"),
		fBefore:      optional(text("before")), // text, never json: its bytes are committed to
		fAfter:       optional(text("after")),
		fSignature:   optional(text("signature")),
		fCreatedAt:   {Name: "createdAt", Type: store.TypeDatetime},
		fChanged:     optional(text("changed")),
		fOutcome:     text("outcome"),
		fActorType:   text("actorType"),
		fAPIKeyID:    optional(text("apiKeyId")),
		fTenantID:    optional(text("tenantId")),
		fIP:          optional(text("ip")),
		fUserAgent:   optional(text("userAgent")),
		fRequestID:   optional(text("requestId")),
		fTxID:        text("txId"),
		fWriter:      text("writer"),
		fWseq:        {Name: "wseq", Type: store.TypeInt},
		fCommitments: text("commitments"),
		fSalt:        {Name: "salt", Type: store.TypeString, Optional: true, ServerOnly: true},
	} {
		e.Fields[i] = f
	}
	return e
}

// Entities adds AuditLog.
func (p *Plugin) Entities() []*store.Entity {
	p.entity = newEntity()
	return []*store.Entity{p.entity}
}

// The plugin's private tables.
const (
	stateTable      = "_pylon_audit_log_state"
	writerTable     = "_pylon_audit_log_writers"
	leafTable       = "_pylon_audit_log_leaves"
	tileTable       = "_pylon_audit_log_tiles"
	checkpointTable = "_pylon_audit_log_checkpoints"
	anchorTable     = "_pylon_audit_log_anchors"
	holdTable       = "_pylon_audit_log_holds"
)

// Tables are the tree and what belongs to it.
func (p *Plugin) Tables() []*store.Table {
	text := func(name string) store.Column { return store.Column{Name: name, Type: store.TypeString} }
	num := func(name string) store.Column { return store.Column{Name: name, Type: store.TypeInt} }
	raw := func(name string) store.Column { return store.Column{Name: name, Type: store.TypeBytes} }
	opt := func(c store.Column) store.Column { c.Null = true; return c }
	return []*store.Table{
		{Name: stateTable, Columns: []store.Column{text("name"), text("value")}, PrimaryKey: []string{"name"}},
		{
			// Processes that write entries. Every entry with an id up to floor is sealed,
			// and so are those with a number up to sealed, but for voids.
			Name: writerTable,
			Columns: []store.Column{text("writer"), text("kid"), text("floor"), num("sealed"),
				{Name: "seen_at", Type: store.TypeDatetime}, {Name: "closed", Type: store.TypeBool}},
			PrimaryKey: []string{"writer"},
		},
		{
			// The leaves of the tree: of an entry, or of an event, whose bytes are here.
			// row_key finds the entries of a row. It is a number, because this index is the
			// only one whose entries come in no order: the smaller it is, the fewer of its
			// pages each sealing changes.
			Name:       leafTable,
			Columns:    []store.Column{num("idx"), raw("hash"), opt(text("audit_id")), opt(num("row_key")), opt(raw("event"))},
			PrimaryKey: []string{"idx"},
			Indexes: []store.Index{
				{Name: leafTable + "_audit_id", Columns: []string{"audit_id"}, Unique: true, NotNull: "audit_id"},
				{Name: leafTable + "_row", Columns: []string{"row_key"}, NotNull: "row_key"},
				{Name: leafTable + "_event", Columns: []string{"idx"}, NotNull: "event"},
			},
		},
		{
			// 256 hashes each, or fewer at the right edge.
			Name:       tileTable,
			Columns:    []store.Column{num("level"), num("n"), raw("hashes")},
			PrimaryKey: []string{"level", "n"},
		},
		{
			Name:       checkpointTable,
			Columns:    []store.Column{num("size"), text("note"), {Name: "created_at", Type: store.TypeDatetime}},
			PrimaryKey: []string{"size"},
		},
		{
			// What was published, by place: how much in all, and what last.
			Name:       anchorTable,
			Columns:    []store.Column{text("anchor"), num("size"), num("published"), {Name: "at", Type: store.TypeDatetime}},
			PrimaryKey: []string{"anchor"},
		},
		{
			Name:       holdTable,
			Columns:    []store.Column{text("id"), text("kind"), text("value"), text("reason"), text("by"), {Name: "at", Type: store.TypeDatetime}},
			PrimaryKey: []string{"id"},
		},
	}
}

// rowKey is the key of a row in the index of leaves. Two rows may have the same.
func rowKey(entity, rowID string) store.Value {
	sum := sha256.Sum256(appendText(appendText(nil, entity), rowID))
	return store.Int(int64(binary.BigEndian.Uint64(sum[:])))
}
