package store

import (
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

const (
	// maxName is the longest name of a field that the engine takes.
	maxName = 128
	// maxFields bounds the attributes of a row that are fields; the engine takes 2000 fields.
	maxFields = 1000
	// maxRow is the largest row that the engine takes, as JSON.
	maxRow = 2 << 20
	// maxDepth is how deep a map is taken apart; what lies deeper is JSON.
	maxDepth = 8

	noService = "unknown_service"
)

// row is a row that is being made. It is used by one goroutine, and again for the next row.
type row struct {
	of     *rowMaker
	signal Signal
	fields []logstorage.Field
	stream int // how many of the first fields are the stream's
	shared int // how many of the first fields are those of all rows of a resource and scope
	own    int // where the attributes begin
	more   map[string]any
	types  []byte // of the attributes that are no text, as they stand in TypesField
	typed  struct{ resource, shared int }
	names  admitted
	key    []byte // of the stream
}

// resource begins rows of a resource.
func (r *row) resource(tenant string, attributes pcommon.Map) {
	r.fields = r.fields[:0]
	for _, name := range r.of.stream {
		v, ok := attributes.Get(name)
		text := ""
		if ok {
			text = v.AsString()
		}
		if text == "" && name == ServiceName {
			text = noService
		}
		if text != "" {
			r.add(name, text)
		}
	}
	r.stream = len(r.fields)
	r.add(TenantField, tenant)
	r.key = append(r.key[:0], tenant...)
	for _, f := range r.fields[:r.stream] {
		r.key = append(append(append(append(r.key, 0), f.Name...), 0), f.Value...)
	}
	r.names.enter(&r.of.names, string(r.key))
	r.own = len(r.fields)
	r.types = r.types[:0]
	r.attributes(resourcePrefix, attributes)
	r.shared, r.typed.resource = len(r.fields), len(r.types)
}

// scope goes on with rows of a scope of the resource; the resource's fields are the first n.
func (r *row) scope(n int, scope pcommon.InstrumentationScope) {
	r.fields = r.fields[:n]
	r.add(ScopeName, scope.Name())
	r.add(ScopeVersion, scope.Version())
	r.own = len(r.fields)
	r.types = r.types[:r.typed.resource]
	r.attributes(scopeAttribute, scope.Attributes())
	r.shared, r.typed.shared = len(r.fields), len(r.types)
}

// begin begins a row: only what all rows of the scope have is left.
func (r *row) begin() { r.fields, r.types = r.fields[:r.shared], r.types[:r.typed.shared] }

// at adds the row's identity.
func (r *row) at(p Position, index int) {
	if p.Log != "" {
		r.add(LogField, p.Log)
		r.add(OffsetField, strconv.FormatInt(p.Offset, 10))
		r.add(IndexField, strconv.Itoa(index))
	}
}

// add adds a field that has a value.
func (r *row) add(name, value string) {
	if value != "" {
		r.fields = append(r.fields, logstorage.Field{Name: name, Value: value})
	}
}

// attributes adds attributes as fields whose names begin with prefix; what can't be one goes into more.
func (r *row) attributes(prefix string, all pcommon.Map) {
	r.own = len(r.fields)
	for name, v := range all.All() {
		r.attribute(prefix, name, v, 0)
	}
}

func (r *row) attribute(prefix, name string, v pcommon.Value, depth int) {
	var text string
	switch v.Type() {
	case pcommon.ValueTypeMap:
		if depth < maxDepth && v.Map().Len() > 0 {
			for key, inner := range v.Map().All() {
				r.attribute(prefix, name+"."+key, inner, depth+1)
			}
			return
		}
		text = v.AsString()
	case pcommon.ValueTypeStr:
		text = v.Str()
	case pcommon.ValueTypeInt:
		text = strconv.FormatInt(v.Int(), 10)
	default:
		text = v.AsString()
	}
	if text == "" {
		return
	}
	field := prefix + name
	if prefix == "" && r.of.taken(r.signal, name) {
		field = attributePrefix + name
	}
	if len(field) > maxName || len(r.fields)-r.own >= maxFields || r.has(field) || !r.names.has(field) {
		if r.more == nil {
			r.more = map[string]any{}
		}
		r.keepMore(field, text)
		return
	}
	r.fields = append(r.fields, logstorage.Field{Name: field, Value: text})
	if name := typeNames[v.Type()]; name != "" && r.signal == Traces {
		r.types = append(append(append(appendJSON(append(r.types, ','), field), `:"`...), name...), '"')
	}
}

// typeNames are the types that [TypesField] tells, as Jaeger calls them.
var typeNames = map[pcommon.ValueType]string{pcommon.ValueTypeInt: "int64", pcommon.ValueTypeDouble: "float64", pcommon.ValueTypeBool: "bool"}

// appendJSON appends a text as JSON.
func appendJSON(to []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, _ := json.Marshal(text) // a text
			return append(to, quoted...)
		}
	}
	return append(append(append(to, '"'), text...), '"')
}

// addTypes adds the field of types, if an attribute has one.
func (r *row) addTypes() {
	if len(r.types) > 0 {
		r.add(TypesField, "{"+string(r.types[1:])+"}")
	}
}

// has looks for a field among the attributes of the map at hand.
func (r *row) has(field string) bool {
	for i := r.own; i < len(r.fields); i++ {
		if r.fields[i].Name == field {
			return true
		}
	}
	return false
}

// keepMore keeps what can be no field. Of one name there are several values only where a sender repeats it.
func (r *row) keepMore(field, text string) {
	switch known := r.more[field].(type) {
	case nil:
		r.more[field] = text
	case string:
		r.more[field] = []string{known, text}
	case []string:
		r.more[field] = append(known, text)
	}
}

// fits ends the row; false: the engine doesn't take it, it is too large.
func (r *row) fits() bool { return logstorage.EstimatedJSONRowLen(r.fields) <= maxRow }

// addMore adds the field of what can be none. Those of the resource and the scope stay for their next rows.
func (r *row) addMore() {
	if len(r.more) == 0 {
		return
	}
	if text, err := json.Marshal(r.more); err == nil { // texts only
		r.add(MoreField, string(text))
	}
}

// moment returns the first time that is one; a time that int64 can't hold lies too far in the future.
func moment(all ...pcommon.Timestamp) int64 {
	for _, t := range all {
		if t != 0 {
			return int64(min(uint64(t), math.MaxInt64))
		}
	}
	return 0
}
