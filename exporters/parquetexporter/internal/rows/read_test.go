package rows_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/xpdata/entity"
)

// A reader of the files, as another program would write it from schema.md: it shares no code with the encoders.

// record is one row, or one element of a list: columns by name.
type record struct {
	t    *testing.T
	cols map[string]arrow.Array
	i    int
	// exact values that apply here, by column
	exact  pcommon.Map
	prefix string
}

func readRows(t *testing.T, data []byte) []record {
	t.Helper()
	pf, err := file.NewParquetReader(bytes.NewReader(data))
	require.NoError(t, err)
	defer func() { require.NoError(t, pf.Close()) }()
	fr, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	require.NoError(t, err)
	table, err := fr.ReadTable(context.Background())
	require.NoError(t, err)
	var out []record
	tr := array.NewTableReader(table, 0)
	for tr.Next() {
		batch := tr.RecordBatch()
		cols := map[string]arrow.Array{}
		for i, f := range batch.Schema().Fields() {
			c := batch.Column(i)
			c.Retain()
			cols[f.Name] = c
		}
		for i := range int(batch.NumRows()) {
			r := record{t: t, cols: cols, i: i, exact: pcommon.NewMap()}
			if b := cols["exact"].(*array.Binary); b.IsValid(i) {
				decodeKeyValues(t, b.Value(i)).CopyTo(r.exact)
			}
			out = append(out, r)
		}
	}
	return out
}

// decodeKeyValues lets pdata's own decoder read a KeyValueList, as the attributes of a scope: field 3 of InstrumentationScope has
// the wire form of the list's field 1.
func decodeKeyValues(t *testing.T, list []byte) pcommon.Map {
	t.Helper()
	sized := func(tag byte, b []byte) []byte {
		return append(appendUvarint([]byte{tag}, uint64(len(b))), b...)
	}
	// AnyValue{kvlist_value} as the body of a LogRecord (field 5) in ScopeLogs (2) in ResourceLogs (2) in LogsData (1).
	msg := sized(1<<3|2, sized(2<<3|2, sized(2<<3|2, sized(5<<3|2, sized(6<<3|2, list)))))
	ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(msg)
	require.NoError(t, err)
	return ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().Map()
}

func appendUvarint(b []byte, v uint64) []byte {
	for ; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

func (r record) has(col string) bool { return r.cols[col].IsValid(r.i) }

func (r record) int(col string) int64 {
	if c, ok := r.cols[col].(*array.Int32); ok {
		return int64(c.Value(r.i))
	}
	return r.cols[col].(*array.Int64).Value(r.i)
}

func (r record) float(col string) float64 { return r.cols[col].(*array.Float64).Value(r.i) }

// raw is a string column's text, "" for null.
func (r record) raw(col string) string {
	if !r.has(col) {
		return ""
	}
	return r.cols[col].(*array.String).Value(r.i)
}

// str is a string column's exact value.
func (r record) str(col string) string {
	if v, ok := r.exact.Get(r.prefix + col); ok {
		return v.Str()
	}
	return r.raw(col)
}

func (r record) id(col string, to []byte) {
	if r.has(col) {
		b, err := hex.DecodeString(r.raw(col))
		require.NoError(r.t, err)
		copy(to, b)
	}
}

func (r record) enum(col string, names ...string) int32 {
	if i := slices.Index(names, r.raw(col)); i >= 0 {
		return int32(i)
	}
	n, err := strconv.Atoi(r.raw(col))
	require.NoError(r.t, err)
	return int32(n)
}

func (r record) ints(col string) []uint64 {
	l := r.cols[col].(*array.List)
	b, e := l.ValueOffsets(r.i)
	var out []uint64
	for i := b; i < e; i++ {
		out = append(out, uint64(l.ListValues().(*array.Int64).Value(int(i))))
	}
	return out
}

func (r record) floats(col string) []float64 {
	l := r.cols[col].(*array.List)
	b, e := l.ValueOffsets(r.i)
	var out []float64
	for i := b; i < e; i++ {
		out = append(out, l.ListValues().(*array.Float64).Value(int(i)))
	}
	return out
}

// list returns the elements of a list of structs.
func (r record) list(col string) []record {
	l := r.cols[col].(*array.List)
	b, e := l.ValueOffsets(r.i)
	s := l.ListValues().(*array.Struct)
	cols := map[string]arrow.Array{}
	for i, f := range s.DataType().(*arrow.StructType).Fields() {
		cols[f.Name] = s.Field(i)
	}
	var out []record
	for i := b; i < e; i++ {
		out = append(out, record{t: r.t, cols: cols, i: int(i), exact: r.exact, prefix: col + "." + strconv.Itoa(int(i-b)) + "."})
	}
	return out
}

// attributes rebuilds the map column col into m, which holds the promoted ones already.
func (r record) attributes(col string, m pcommon.Map) {
	types := r.raw(col + "_types")
	exact, hasExact := r.exact.Get(r.prefix + col)
	if types == "=" {
		exact.Map().CopyTo(m)
		return
	}
	mc := r.cols[col].(*array.Map)
	b, e := mc.ValueOffsets(r.i)
	next := 0
	for i := int(b); i < int(e); i++ {
		key, letter := mc.Keys().(*array.String).Value(i), byte('s')
		if types != "" {
			letter = types[i-int(b)]
		}
		v := appendKey(r.t, m, key)
		text := ""
		if items := mc.Items().(*array.String); items.IsValid(i) {
			text = items.Value(i)
		}
		if letter == 'x' {
			require.True(r.t, hasExact)
			exact.Slice().At(next).CopyTo(v)
			next++
			continue
		}
		decodeText(r.t, letter, text, v)
	}
}

// appendKey adds an entry even where the key is there already.
func appendKey(t *testing.T, m pcommon.Map, key string) pcommon.Value {
	if _, ok := m.Get(key); !ok {
		return m.PutEmpty(key)
	}
	list := encodeEntry(key)
	merged := pcommon.NewMap()
	m.CopyTo(merged)
	decoded := decodeKeyValues(t, append(encodeMap(merged), list...))
	decoded.MoveTo(m)
	var last pcommon.Value
	for _, v := range m.All() {
		last = v
	}
	return last
}

func decodeText(t *testing.T, letter byte, text string, v pcommon.Value) {
	var err error
	switch letter {
	case 's':
		v.SetStr(text)
	case 'i':
		var n int64
		n, err = strconv.ParseInt(text, 10, 64)
		v.SetInt(n)
	case 'd':
		var f float64
		f, err = strconv.ParseFloat(text, 64)
		v.SetDouble(f)
	case 'b':
		v.SetBool(text == "true")
	case 'y':
		var b []byte
		b, err = base64.StdEncoding.DecodeString(text)
		v.SetEmptyBytes().FromRaw(b)
	case 'n':
		require.Empty(t, text)
	default:
		t.Fatalf("unknown type letter %q", letter)
	}
	require.NoError(t, err)
}

var promotedRecord = map[string]string{
	"http_request_method": "http.request.method", "http_route": "http.route", "url_path": "url.path",
	"db_system_name": "db.system.name", "rpc_method": "rpc.method", "error_type": "error.type", "exception_type": "exception.type",
}

var promotedResource = map[string]string{
	"service_name": "service.name", "service_namespace": "service.namespace", "service_instance_id": "service.instance.id",
	"service_version": "service.version", "deployment_environment_name": "deployment.environment.name", "host_name": "host.name",
	"k8s_namespace_name": "k8s.namespace.name", "k8s_pod_name": "k8s.pod.name",
}

func (r record) recordAttributes(m pcommon.Map) {
	for col, key := range promotedRecord {
		if r.has(col) {
			m.PutStr(key, r.raw(col))
		}
	}
	if r.has("http_response_status_code") {
		m.PutInt("http.response.status_code", r.int("http_response_status_code"))
	}
	r.attributes("attributes", m)
}

func (r record) resource(res pcommon.Resource) {
	for col, key := range promotedResource {
		if r.has(col) {
			res.Attributes().PutStr(key, r.raw(col))
		}
	}
	r.attributes("resource_attributes", res.Attributes())
	res.SetDroppedAttributesCount(uint32(r.int("resource_dropped_attributes_count")))
	if refs, ok := r.exact.Get("resource_entity_refs"); ok {
		for _, e := range refs.Slice().All() {
			ref := entity.ResourceEntityRefs(res).AppendEmpty()
			get := func(k string) pcommon.Value { v, _ := e.Map().Get(k); return v }
			ref.SetSchemaUrl(get("schema_url").Str())
			ref.SetType(get("type").Str())
			for _, k := range get("id_keys").Slice().All() {
				ref.IdKeys().Append(k.Str())
			}
			for _, k := range get("description_keys").Slice().All() {
				ref.DescriptionKeys().Append(k.Str())
			}
		}
	}
}

func (r record) scope(s pcommon.InstrumentationScope) {
	s.SetName(r.str("scope_name"))
	s.SetVersion(r.str("scope_version"))
	r.attributes("scope_attributes", s.Attributes())
	s.SetDroppedAttributesCount(uint32(r.int("scope_dropped_attributes_count")))
}

// checkTime says that a µs column belongs to its ns column.
func (r record) checkTime(ts string, nanos int64) {
	require.Equal(r.t, int64(uint64(nanos)/1000), int64(r.cols[ts].(*array.Timestamp).Value(r.i)))
}

var oddNaN = math.Float64frombits(0x7ff8000000000123)
