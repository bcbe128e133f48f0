package store

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

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
	of                  *rowMaker
	signal              Signal
	fields              []logstorage.Field
	stream              int // how many of the first fields are the stream's
	own                 int // where the attributes begin
	more                map[string]any
	key                 []byte       // of the stream and the day
	names               *namesOfADay // of rows of the resource
	day                 int64        // of the names
	stage               stage
	ofResource, ofScope shared
	seen                []seenName
	at                  int    // how many of seen the row has, in their order: they are all its fields from own on
	prefix              string // of the names in seen
	texts               []byte // of values that were formatted
	keep                int    // how many of texts are values of all rows of a resource and scope
	types               []byte // of the attributes that are no text, as they stand in TypesField
	order               order
}

// stage says what has changed since the row before.
type stage int

const (
	newResource stage = iota
	newScope
	sameScope
)

// shared is what rows have in common.
type shared struct {
	fields int // how many of the first
	types  int // how many bytes of types
	more   map[string]any
}

// seenName is the name of an attribute that is a field, and the field's.
type seenName struct{ name, field string }

// enter begins a row of a day: only what all rows of the scope have is left of the row before, and texts of that are overwritten.
func (r *row) enter(tenant string, resource pcommon.Resource, scope pcommon.InstrumentationScope, day int64) {
	if day != r.day {
		r.stage, r.day = newResource, day
	}
	if r.stage == newResource {
		r.texts, r.types, r.more = r.texts[:0], r.types[:0], nil
		r.resource(tenant, resource.Attributes())
		r.ofResource = shared{len(r.fields), len(r.types), r.more}
		r.stage = newScope
	}
	if r.stage == newScope {
		r.fields, r.types, r.more = r.fields[:r.ofResource.fields], r.types[:r.ofResource.types], maps.Clone(r.ofResource.more)
		r.scope(scope)
		r.ofScope, r.keep = shared{len(r.fields), len(r.types), r.more}, len(r.texts)
		r.stage = sameScope
	}
	r.fields, r.types, r.more = r.fields[:r.ofScope.fields], r.types[:r.ofScope.types], maps.Clone(r.ofScope.more)
	r.texts = r.texts[:r.keep]
}

// resource makes the fields of a resource.
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
	r.key = append(binary.AppendVarint(append(r.key[:0], byte(r.signal)), r.day), tenant...)
	for _, f := range r.fields[:r.stream] {
		r.key = append(append(append(append(r.key, 0), f.Name...), 0), f.Value...)
	}
	r.names = r.of.names.enter(r.key, func() streamDay {
		return streamDay{tenant: strings.Clone(tenant), signal: r.signal, tags: r.tags(), day: r.day}
	})
	r.attributes(resourcePrefix, attributes)
}

// tags are the stream's, as LogsQL has them.
func (r *row) tags() string {
	tags := logstorage.GetStreamTags()
	defer logstorage.PutStreamTags(tags)
	for _, f := range r.fields[:r.stream] {
		tags.Add(f.Name, f.Value)
	}
	return tags.String()
}

// scope makes the fields of a scope.
func (r *row) scope(scope pcommon.InstrumentationScope) {
	r.add(ScopeName, scope.Name())
	r.add(ScopeVersion, scope.Version())
	r.attributes(scopeAttribute, scope.Attributes())
}

// place adds the row's identity. offset is p's, as text.
func (r *row) place(p Position, offset string, index int) {
	if p.Log != "" {
		r.add(LogField, p.Log)
		r.add(OffsetField, offset)
		r.add(IndexField, r.number(int64(index)))
	}
}

// number returns the text of n. It is valid until the next row begins.
func (r *row) number(n int64) string {
	from := len(r.texts)
	r.texts = strconv.AppendInt(r.texts, n, 10)
	return r.text(from)
}

// hex is number of an id.
func (r *row) hex(id []byte) string {
	from := len(r.texts)
	r.texts = hex.AppendEncode(r.texts, id)
	return r.text(from)
}

// text returns what was appended to texts from an index on. Nothing changes it before the next row begins: where texts grows, it has the array of before.
func (r *row) text(from int) string {
	return unsafe.String(unsafe.SliceData(r.texts[from:]), len(r.texts)-from)
}

// add adds a field that has a value.
func (r *row) add(name, value string) {
	if value != "" {
		r.fields = append(r.fields, logstorage.Field{Name: name, Value: value})
	}
}

// attributes adds attributes as fields whose names begin with prefix; what can't be one goes into more.
func (r *row) attributes(prefix string, all pcommon.Map) {
	r.own, r.at = len(r.fields), 0
	if prefix != r.prefix {
		r.seen, r.prefix = r.seen[:0], prefix
	}
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
		text = r.number(v.Int())
	default:
		text = v.AsString()
	}
	if text == "" {
		return
	}
	if r.at < len(r.seen) && r.seen[r.at].name == name { // as in the row before, which has passed what follows
		r.field(r.seen[r.at].field, text, v.Type())
		r.at++
		return
	}
	field := prefix + name
	if prefix == "" && r.of.taken(r.signal, name) {
		field = attributePrefix + name
	}
	if len(field) > maxName || len(r.fields)-r.own >= maxFields || r.has(field) || !r.of.names.admits(r.names, field) {
		if r.more == nil {
			r.more = map[string]any{}
		}
		r.keepMore(field, text)
		return
	}
	r.seen = append(r.seen[:r.at], seenName{name, field})
	r.at++
	r.field(field, text, v.Type())
}

// field adds an attribute's field, and the attribute's type.
func (r *row) field(field, text string, of pcommon.ValueType) {
	r.fields = append(r.fields, logstorage.Field{Name: field, Value: text})
	if r.signal != Traces {
		return
	}
	if name := typeNames[of]; name != "" {
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

// sorted returns the fields in the order of their names. They are valid until the next row begins.
func (r *row) sorted() []logstorage.Field { return r.order.of(r.fields) }

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
