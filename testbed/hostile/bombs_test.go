package hostile

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// encodings are those that a collector takes; the first is none.
var encodings = []string{"", "gzip", "zstd", "zlib", "deflate", "snappy", "x-snappy-framed", "lz4"}

func encode(t *testing.T, encoding string, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "":
		return body
	case "snappy":
		return snappy.Encode(nil, body)
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zlib", "deflate":
		w = zlib.NewWriter(&b)
	case "x-snappy-framed":
		w = snappy.NewBufferedWriter(&b)
	case "lz4":
		w = lz4.NewWriter(&b)
	case "zstd":
		z, err := zstd.NewWriter(&b)
		require.NoError(t, err)
		w = z
	}
	_, err := w.Write(body)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// field is a run of bytes in a message of protobuf.
func field(number int, inner []byte) []byte {
	return append(varint(uint64(number<<3|2)), append(varint(uint64(len(inner))), inner...)...)
}

func varint(n uint64) []byte {
	var b []byte
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

func within(inner []byte, numbers ...int) []byte {
	for i := len(numbers) - 1; i >= 0; i-- {
		inner = field(numbers[i], inner)
	}
	return inner
}

type bomb struct {
	path, kind string
	body       []byte
}

// parts are requests of a million parts, and of as many as 20 MiB hold.
func parts() map[string]bomb {
	const million = 1_000_000
	const protobuf, json = "application/x-protobuf", "application/json"
	empty := append(field(1, nil), field(2, nil)...)
	return map[string]bomb{
		"resources":            {"/v1/logs", protobuf, bytes.Repeat(field(1, empty), million)},
		"resources of 2 bytes": {"/v1/traces", protobuf, bytes.Repeat(field(1, nil), 10*million)},
		"scopes":               {"/v1/metrics", protobuf, within(bytes.Repeat(field(2, nil), million), 1)},
		"spans":                {"/v1/traces", protobuf, within(bytes.Repeat(field(2, nil), million), 1, 2)},
		"attributes":           {"/v1/logs", protobuf, within(bytes.Repeat(field(6, field(1, []byte("a"))), million), 1, 2, 2)},
		"entries of a map":     {"/v1/logs", protobuf, within(bytes.Repeat(field(1, nil), million), 1, 2, 2, 5, 6)},
		"values in a list":     {"/v1/logs", protobuf, within(bytes.Repeat(field(1, field(5, nil)), 4*million), 1, 2, 2, 5, 5)},
		"exemplars":            {"/v1/metrics", protobuf, within(bytes.Repeat(field(5, nil), 8*million), 1, 2, 2, 7, 1)},
		"resources in JSON":    {"/v1/logs", json, []byte(`{"resourceLogs":[` + strings.Repeat("{},", 6*million) + `{}]}`)},
		"attributes in JSON":   {"/v1/logs", json, []byte(`{"resourceLogs":[{"resource":{"attributes":[` + strings.Repeat("{},", million) + `{}]}}]}`)},
	}
}

// deep is a list in a list in a list, in a log record, of at most size bytes.
func deep(depth, size int) []byte {
	// Each level is 2 headers; built from the inside, in a buffer that is filled from its end.
	buffer := make([]byte, size)
	at := size
	put := func(b []byte) { at -= len(b); copy(buffer[at:], b) }
	for range depth {
		if at < 64 {
			break
		}
		put(append([]byte{1<<3 | 2}, varint(uint64(size-at))...))
		put(append([]byte{5<<3 | 2}, varint(uint64(size-at))...))
	}
	return within(buffer[at:], 1, 2, 2, 5)
}

// gauge is one point of one series, in JSON.
var gauge = []byte(`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"temperature","gauge":{"dataPoints":[{"asDouble":21.5,"timeUnixNano":"` +
	strconv.FormatInt(time.Now().UnixNano(), 10) + `"}]}}]}]}]}`)

// metricsOf is n metrics of one point each, with names of their own.
func metricsOf(first, n int) pmetric.Metrics {
	all := pmetric.NewMetrics()
	resource := all.ResourceMetrics().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", "hostile")
	metrics := resource.ScopeMetrics().AppendEmpty().Metrics()
	now := pcommon.NewTimestampFromTime(time.Now())
	for i := range n {
		m := metrics.AppendEmpty()
		m.SetName("name_" + strconv.Itoa(first+i))
		point := m.SetEmptyGauge().DataPoints().AppendEmpty()
		point.SetTimestamp(now)
		point.SetIntValue(1)
	}
	return all
}
