package pushrequest_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/grafana/loki/pkg/push"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/pushrequest"
)

func ExampleAppendStream() {
	body := pushrequest.AppendLine(nil, "payment refused")
	body = pushrequest.AppendPair(body, "trace_id", "4bf92f3577b34da6")
	request := pushrequest.AppendStream(nil, `{service_name="checkout"}`, []pushrequest.Entry{{Nanos: 1, Body: body}})

	var decoded push.PushRequest
	if err := decoded.Unmarshal(request); err != nil {
		panic(err)
	}
	entry := decoded.Streams[0].Entries[0]
	fmt.Println(decoded.Streams[0].Labels, entry.Line, entry.StructuredMetadata)
	// Output: {service_name="checkout"} payment refused [{trace_id 4bf92f3577b34da6}]
}

// The output equals that of Loki's own types, byte for byte.
func FuzzAgainstLokiTypes(f *testing.F) {
	f.Add(int64(1_700_000_000_123_456_789), "a line", "name", "value", `{a="b"}`)
	f.Add(int64(0), "", "", "", "")
	f.Add(int64(5_000_000_000), "x", "n", "", `{}`)
	f.Add(int64(999_999_999), "x", "", "v", `{}`)
	f.Fuzz(func(t *testing.T, nanos int64, text, name, value, labels string) {
		nanos = max(nanos, -nanos) &^ (-1 << 63)
		entry := push.Entry{
			Timestamp:          time.Unix(0, nanos).UTC(),
			Line:               text,
			StructuredMetadata: push.LabelsAdapter{{Name: name, Value: value}, {Name: "second", Value: "2"}},
		}
		body := pushrequest.AppendLine(nil, text)
		body = pushrequest.AppendPair(body, name, value)
		body = pushrequest.AppendPair(body, "second", "2")
		mine := pushrequest.Entry{Nanos: nanos, Body: body}

		request := pushrequest.AppendStream(nil, labels, []pushrequest.Entry{mine, mine})
		request = pushrequest.AppendStream(request, "{}", nil)
		assert.LessOrEqual(t, len(request), pushrequest.StreamOverhead(labels)+2*pushrequest.EntrySize(mine)+pushrequest.StreamOverhead("{}"))

		var decoded push.PushRequest
		require.NoError(t, decoded.Unmarshal(request))
		require.Len(t, decoded.Streams, 2)
		assert.Equal(t, labels, decoded.Streams[0].Labels)
		require.Len(t, decoded.Streams[0].Entries, 2)
		for _, got := range decoded.Streams[0].Entries {
			assert.True(t, entry.Timestamp.Equal(got.Timestamp), "%v != %v", entry.Timestamp, got.Timestamp)
			assert.Equal(t, entry.Line, got.Line)
			assert.Equal(t, entry.StructuredMetadata, got.StructuredMetadata)
		}
	})
}

func TestJSON(t *testing.T) {
	body := pushrequest.AppendPair(pushrequest.AppendLine(nil, `say "hi"`), "trace_id", "abc")
	request := pushrequest.AppendStream(nil, `{a="b"}`, []pushrequest.Entry{
		{Nanos: 1_700_000_000_000_000_001, Body: body},
		{Nanos: 1_700_000_000_000_000_002, Body: pushrequest.AppendLine(nil, "bare")},
	})
	out, err := pushrequest.JSON(request, func(string) map[string]string { return map[string]string{"a": "b"} })
	require.NoError(t, err)
	require.True(t, json.Valid(out))
	assert.JSONEq(t, `{"streams":[{"stream":{"a":"b"},"values":[
		["1700000000000000001","say \"hi\"",{"trace_id":"abc"}],
		["1700000000000000002","bare"]]}]}`, string(out))

	_, err = pushrequest.JSON([]byte{0xff}, nil)
	assert.ErrorContains(t, err, "decode request")
}

// The peer is the cost of the push types: build entries, then Marshal.
func BenchmarkRequest(b *testing.B) {
	const entries = 1000
	line := "GET /api/v1/orders/12345 200 12ms user agent and some more text to make it a usual line"
	pairs := make(push.LabelsAdapter, 12)
	for i := range pairs {
		pairs[i] = push.LabelAdapter{Name: fmt.Sprintf("attribute_%d", i), Value: fmt.Sprintf("value-%d", i)}
	}
	b.Run("wire", func(b *testing.B) {
		b.ReportAllocs()
		var arena, out []byte
		list := make([]pushrequest.Entry, 0, entries)
		for b.Loop() {
			arena, list = arena[:0], list[:0]
			for i := range entries {
				start := len(arena)
				arena = pushrequest.AppendLine(arena, line)
				for _, p := range pairs {
					arena = pushrequest.AppendPair(arena, p.Name, p.Value)
				}
				list = append(list, pushrequest.Entry{Nanos: int64(i), Body: arena[start:len(arena):len(arena)]})
			}
			out = pushrequest.AppendStream(out[:0], `{a="b"}`, list)
		}
		b.SetBytes(int64(len(out)))
	})
	b.Run("push", func(b *testing.B) {
		b.ReportAllocs()
		var out []byte
		for b.Loop() {
			list := make([]push.Entry, 0, entries)
			for i := range entries {
				metadata := make(push.LabelsAdapter, 0, len(pairs))
				for _, p := range pairs {
					metadata = append(metadata, push.LabelAdapter{Name: p.Name, Value: p.Value})
				}
				list = append(list, push.Entry{Timestamp: time.Unix(0, int64(i)), Line: line, StructuredMetadata: metadata})
			}
			request := push.PushRequest{Streams: []push.Stream{{Labels: `{a="b"}`, Entries: list}}}
			var err error
			if out, err = request.Marshal(); err != nil {
				b.Fatal(err)
			}
		}
		b.SetBytes(int64(len(out)))
	})
}
