package iceberg

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// ErrSchema says that a file has a column under the name of another one whose type differs: the table can't have both.
var ErrSchema = errors.New("the table has this column with another type")

// Type is the type of a column. Exactly one of the fields is set.
type Type struct {
	// Primitive is a name of the specification: boolean, int, long, double, date, timestamptz, string, binary.
	Primitive string
	Struct    []Field
	List      *List
	Map       *Map
}

// Field is a column, or a field of a struct.
type Field struct {
	ID       int    `json:"id"`
	Name     string `json:"name"`
	Required bool   `json:"required"`
	Type     Type   `json:"type"`
}

// List is a type.
type List struct {
	ElementID int
	Element   Type
}

// Map is a type. Keys are never null.
type Map struct {
	KeyID, ValueID int
	Key, Value     Type
}

// Schema are the columns of a table at one time.
type Schema struct {
	Type   string  `json:"type"` // always struct
	ID     int     `json:"schema-id"`
	Fields []Field `json:"fields"`
}

type structJSON struct {
	Type   string  `json:"type"`
	Fields []Field `json:"fields"`
}

type listJSON struct {
	Type            string `json:"type"`
	ElementID       int    `json:"element-id"`
	ElementRequired bool   `json:"element-required"`
	Element         Type   `json:"element"`
}

type mapJSON struct {
	Type          string `json:"type"`
	KeyID         int    `json:"key-id"`
	Key           Type   `json:"key"`
	ValueID       int    `json:"value-id"`
	ValueRequired bool   `json:"value-required"`
	Value         Type   `json:"value"`
}

// MarshalJSON implements json.Marshaler.
func (t Type) MarshalJSON() ([]byte, error) {
	switch {
	case t.List != nil:
		return json.Marshal(listJSON{Type: "list", ElementID: t.List.ElementID, Element: t.List.Element})
	case t.Map != nil:
		return json.Marshal(mapJSON{Type: "map", KeyID: t.Map.KeyID, Key: t.Map.Key, ValueID: t.Map.ValueID, Value: t.Map.Value})
	case t.Struct != nil:
		return json.Marshal(structJSON{"struct", t.Struct})
	}
	return json.Marshal(t.Primitive)
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Type) UnmarshalJSON(text []byte) error {
	*t = Type{}
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, &t.Primitive)
	}
	var kind struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(text, &kind); err != nil {
		return err
	}
	switch kind.Type {
	case "struct":
		var s structJSON
		err := json.Unmarshal(text, &s)
		t.Struct = s.Fields
		return err
	case "list":
		var l listJSON
		err := json.Unmarshal(text, &l)
		t.List = &List{l.ElementID, l.Element}
		return err
	case "map":
		var m mapJSON
		err := json.Unmarshal(text, &m)
		t.Map = &Map{m.KeyID, m.ValueID, m.Key, m.Value}
		return err
	}
	return fmt.Errorf("unknown type %s", text)
}

// Union adds the columns of a file that the table lacks, and gives them ids above last. A column that is there keeps its id, its place and its
// type for ever, so what was read from older files stays true. Every column is optional: some file lacks it, or will. changed is
// false where the table has them all. A struct inside a column grows in the same way.
func Union(table []Field, file []Field, last int) (union []Field, newLast int, changed bool, err error) {
	union = slices.Clone(table)
	for _, f := range file {
		i := slices.IndexFunc(union, func(u Field) bool { return u.Name == f.Name })
		if i < 0 {
			var added Field
			added, last = numbered(f, last)
			union, changed = append(union, added), true
			continue
		}
		grown, l, c, err := unionType(union[i].Type, f.Type, last)
		if err != nil {
			return nil, 0, false, fmt.Errorf("column %s: %w", f.Name, err)
		}
		union[i].Type, last, changed = grown, l, changed || c
	}
	return union, last, changed, nil
}

func unionType(table, file Type, last int) (t Type, newLast int, changed bool, err error) {
	switch {
	case table.Struct != nil && file.Struct != nil:
		fields, last, changed, err := Union(table.Struct, file.Struct, last)
		return Type{Struct: fields}, last, changed, err
	case table.List != nil && file.List != nil:
		element, last, changed, err := unionType(table.List.Element, file.List.Element, last)
		return Type{List: &List{table.List.ElementID, element}}, last, changed, err
	case table.Map != nil && file.Map != nil:
		key, last, one, err := unionType(table.Map.Key, file.Map.Key, last)
		if err != nil {
			return t, last, false, err
		}
		value, last, two, err := unionType(table.Map.Value, file.Map.Value, last)
		return Type{Map: &Map{table.Map.KeyID, table.Map.ValueID, key, value}}, last, one || two, err
	case table.Primitive != "" && table.Primitive == file.Primitive:
		return table, last, false, nil
	}
	return t, last, false, fmt.Errorf("%w: %s here and %s there", ErrSchema, table.kind(), file.kind())
}

func (t Type) kind() string {
	switch {
	case t.Struct != nil:
		return "struct"
	case t.List != nil:
		return "list"
	case t.Map != nil:
		return "map"
	}
	return t.Primitive
}

// numbered returns f with ids above last, for itself and all below it.
func numbered(f Field, last int) (Field, int) {
	f.ID, f.Required = last+1, false
	f.Type, last = numberedType(f.Type, last+1)
	return f, last
}

func numberedType(t Type, last int) (Type, int) {
	switch {
	case t.Struct != nil:
		fields := make([]Field, len(t.Struct))
		for i, f := range t.Struct {
			fields[i], last = numbered(f, last)
		}
		return Type{Struct: fields}, last
	case t.List != nil:
		l := &List{ElementID: last + 1}
		l.Element, last = numberedType(t.List.Element, last+1)
		return Type{List: l}, last
	case t.Map != nil:
		m := &Map{KeyID: last + 1, ValueID: last + 2}
		m.Key, last = numberedType(t.Map.Key, last+2)
		m.Value, last = numberedType(t.Map.Value, last)
		return Type{Map: m}, last
	}
	return t, last
}

// mapped is an entry of a name mapping.
type mapped struct {
	ID     int      `json:"field-id"`
	Names  []string `json:"names"`
	Fields []mapped `json:"fields,omitempty"`
}

// NameMapping is the property schema.name-mapping.default: the columns of our files are found by their names, because the files have no ids.
func NameMapping(fields []Field) string {
	text, err := json.Marshal(mappings(fields))
	if err != nil {
		panic(err) // of plain structs
	}
	return string(text)
}

func mappings(fields []Field) []mapped {
	all := make([]mapped, len(fields))
	for i, f := range fields {
		all[i] = mapped{f.ID, []string{f.Name}, mappingsBelow(f.Type)}
	}
	return all
}

func mappingsBelow(t Type) []mapped {
	switch {
	case t.Struct != nil:
		return mappings(t.Struct)
	case t.List != nil:
		return []mapped{{t.List.ElementID, []string{"element"}, mappingsBelow(t.List.Element)}}
	case t.Map != nil:
		return []mapped{{t.Map.KeyID, []string{"key"}, mappingsBelow(t.Map.Key)}, {t.Map.ValueID, []string{"value"}, mappingsBelow(t.Map.Value)}}
	}
	return nil
}
