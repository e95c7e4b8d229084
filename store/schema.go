package store

import (
	"fmt"
	"strings"

	"github.com/pylon-go/pylon/manifest"
)

// Schema is everything an app stores: its entities, those its plugins add, and
// the private tables of the host and of plugins. It does not change while an app runs.
type Schema struct {
	Entities []*Entity
	Tables   []*Table // private tables; entities' tables are derived
	byName   map[string]*Entity
}

// NewSchema checks that names are free and prepares the entities for use.
func NewSchema(entities []*Entity, tables []*Table) (*Schema, error) {
	s := &Schema{Entities: entities, Tables: tables, byName: make(map[string]*Entity, len(entities))}
	taken := make(map[string]string)
	claim := func(table, what string) error {
		key := strings.ToLower(table) // table names are case-insensitive in SQLite
		if by, ok := taken[key]; ok {
			return fmt.Errorf("table name %q of %s is taken by %s", table, what, by)
		}
		taken[key] = what
		return nil
	}
	for _, e := range entities {
		if err := claim(e.Name, "entity "+e.Name); err != nil {
			return nil, err
		}
		e.prepare()
		s.byName[e.Name] = e
	}
	for _, t := range tables {
		if err := claim(t.Name, "table "+t.Name); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Entity finds an entity by its exact name, nil when there is none.
func (s *Schema) Entity(name string) *Entity { return s.byName[name] }

// Named is Entity for a name that a caller gave: one that is wrong is an error, with
// what was probably meant.
func (s *Schema) Named(name string) (*Entity, error) {
	if e := s.Entity(name); e != nil {
		return e, nil
	}
	err := Errorf(Invalid, "ENTITY_NOT_FOUND", "no entity %q", name)
	names := make([]string, len(s.Entities))
	for i, e := range s.Entities {
		names[i] = e.Name
	}
	if near := manifest.Nearest(name, names); near != "" {
		err = err.WithHint("did you mean %q?", near)
	}
	return nil, err
}

// AllTables are the private tables and those of the entities: what the engine migrates to.
func (s *Schema) AllTables() []*Table {
	all := make([]*Table, 0, len(s.Entities)+len(s.Tables))
	for _, e := range s.Entities {
		all = append(all, e.Table())
	}
	return append(all, s.Tables...)
}

// Entity is a kind of row.
type Entity struct {
	Name    string
	Fields  []Field
	Indexes []Index
	// Owner is the plugin that keeps this entity. Only it writes its rows; the
	// API never does, not even for an administrator. Empty for the app's own.
	Owner string

	index map[string]int
	sql   entitySQL
}

// Field is one value of an entity, in declared order.
type Field struct {
	Name       string
	Type       Type
	Ref        string // the entity an id field points to
	Optional   bool
	Unique     bool
	ServerOnly bool // never leaves the server
	Readonly   bool // clients set it at creation only
	HasDefault bool
	Default    Value
	DefaultNow bool // a datetime whose default is the time of the write
	Enum       []string
}

// Required reports whether a new row must give the field.
func (f *Field) Required() bool { return !f.Optional && !f.HasDefault && !f.DefaultNow }

// Index is a database index over columns, in order.
type Index struct {
	Name    string
	Columns []string
	Unique  bool
	// NotNull limits the index to rows where this column is not null, so that
	// rows that do not use it do not pay for it.
	NotNull string
}

// FieldIDIndex is what [Entity.Lookup] answers for the field "id", which every row has.
const FieldIDIndex = -1

// Lookup finds a field's position in Fields, or [FieldIDIndex] for "id".
func (e *Entity) Lookup(name string) (int, bool) {
	if name == "id" {
		return FieldIDIndex, true
	}
	i, ok := e.index[name]
	return i, ok
}

// FieldNames are the names in declared order, without id.
func (e *Entity) FieldNames() []string {
	names := make([]string, len(e.Fields))
	for i := range e.Fields {
		names[i] = e.Fields[i].Name
	}
	return names
}

func (e *Entity) prepare() {
	e.index = make(map[string]int, len(e.Fields))
	for i := range e.Fields {
		e.index[e.Fields[i].Name] = i
	}
	e.sql = newEntitySQL(e)
}

// Table is the entity as the engine stores it.
func (e *Entity) Table() *Table {
	t := &Table{Name: e.Name, Columns: []Column{{Name: "id", Type: TypeID}}, PrimaryKey: []string{"id"}}
	for i := range e.Fields {
		f := &e.Fields[i]
		t.Columns = append(t.Columns, Column{Name: f.Name, Type: f.Type, Null: f.Optional, Default: f.Default, DefaultNow: f.DefaultNow})
		if f.Unique {
			t.Indexes = append(t.Indexes, Index{Name: e.Name + "_" + f.Name + "_unique", Columns: []string{f.Name}, Unique: true})
		}
	}
	t.Indexes = append(t.Indexes, e.Indexes...)
	return t
}

// Table is a table as declared once for every engine.
type Table struct {
	Name       string
	Columns    []Column
	PrimaryKey []string // see Numbered
	Indexes    []Index
}

// Numbered reports whether the primary key is a single TypeInt column. The engine
// numbers it when an insert leaves it out, and never gives a number twice.
func (t *Table) Numbered() bool {
	if len(t.PrimaryKey) != 1 {
		return false
	}
	for _, c := range t.Columns {
		if c.Name == t.PrimaryKey[0] {
			return c.Type == TypeInt
		}
	}
	return false
}

// Column is one column of a [Table].
type Column struct {
	Name string
	Type Type
	Null bool
	// Default fills the column of rows that exist when it is added; not null columns need one then.
	Default Value
	// DefaultNow fills them with the time of the migration.
	DefaultNow bool
}
