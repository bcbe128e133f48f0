package lokipush_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/grafana/loki/pkg/push"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/receivers/ingestreceiver/internal/lokipush"
)

func Example() {
	streams, _ := lokipush.JSON([]byte(`{"streams":[{"stream":{"app":"shop"},"values":[["1700000000000000001","order placed",{"trace_id":"7"}]]}]}`), 10)
	e := streams[0].Entries[0]
	fmt.Println(streams[0].Labels, e.Nanos, e.Line, e.Metadata)
	// Output: [{app shop}] 1700000000000000001 order placed [{trace_id 7}]
}

func request(t testing.TB, streams ...push.Stream) []byte {
	t.Helper()
	r := push.PushRequest{Streams: streams}
	body, err := r.Marshal()
	require.NoError(t, err)
	return body
}

func TestBothFormsSayTheSame(t *testing.T) {
	want := []lokipush.Stream{{
		Labels: []lokipush.Pair{{Name: "app", Value: `a "b" \`}, {Name: "host", Value: "h"}},
		Entries: []lokipush.Entry{
			{Nanos: 1_700_000_000_123_456_789, Line: "one\ntwo", Metadata: []lokipush.Pair{{Name: "k", Value: "v"}}},
			{Nanos: 1_700_000_001_000_000_000},
		},
	}}
	entries := []push.Entry{
		{Timestamp: time.Unix(0, 1_700_000_000_123_456_789), Line: "one\ntwo", StructuredMetadata: push.LabelsAdapter{{Name: "k", Value: "v"}}},
		{Timestamp: time.Unix(1_700_000_001, 0)},
	}
	got, err := lokipush.Protobuf(request(t, push.Stream{Labels: `{app="a \"b\" \\", host="h"}`, Entries: entries}), 2)
	require.NoError(t, err)
	assert.Equal(t, want, got)
	got, err = lokipush.JSON([]byte(`{"streams":[{"values":[["1700000000123456789","one\ntwo",{"k":"v"}],[1700000001000000000,""]],"stream":{"host":"h","app":"a \"b\" \\"}}]} `), 2)
	require.NoError(t, err)
	want[0].Entries[1].Metadata = got[0].Entries[1].Metadata
	assert.Equal(t, want, got)
}

func TestLabels(t *testing.T) {
	for text, want := range map[string][]lokipush.Pair{
		`{}`:                     nil,
		` { a = "b" , c="d", } `: {{Name: "a", Value: "b"}, {Name: "c", Value: "d"}},
		"{a=`b`}":                {{Name: "a", Value: "b"}},
		`{a="}{,=\u00e9"}`:       {{Name: "a", Value: "}{,=é"}},
	} {
		got, err := lokipush.ParseLabels(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "{", "a", `{a}`, `{a=b}`, `{a="b}`, `{a="b" c="d"}`, `{="b"}`, `{1a="b"}`, `{a='b'}`, `{,}`, `{a="b"}x`} {
		_, err := lokipush.ParseLabels(text)
		assert.Error(t, err, text)
	}
}

// A bad entry does not affect the others, as long as the request can be parsed.
func TestOneBadItem(t *testing.T) {
	now := time.Unix(1, 0)
	got, err := lokipush.Protobuf(request(t, push.Stream{Labels: "secret", Entries: []push.Entry{{Timestamp: now}, {Timestamp: now}}},
		push.Stream{Labels: `{a="b"}`, Entries: []push.Entry{{Timestamp: now, Line: "lives"}}}), 10)
	require.NoError(t, err)
	require.Len(t, got, 2)
	assert.Equal(t, 2, got[0].Rejected)
	assert.NotContains(t, got[0].Problem.Error(), "secret")
	assert.Empty(t, got[0].Entries)
	assert.Equal(t, "lives", got[1].Entries[0].Line)

	got, err = lokipush.JSON([]byte(`{"streams":[{"stream":{},"values":[["x","a"],["1"],"secret",["1",2],["1","a",7],["-1","a"],["1","lives"]]},{"stream":[],"values":[["1","a"]]}]}`), 10)
	require.NoError(t, err)
	assert.Equal(t, 6, got[0].Rejected)
	assert.Equal(t, "lives", got[0].Entries[0].Line)
	assert.Equal(t, 1, got[1].Rejected)
}

// A time in another unit than nanoseconds does not end in 1970; one that can't be read is named as the reason.
func TestTimesOfCarelessClients(t *testing.T) {
	for text, want := range map[string]int64{`"1700000000123456789"`: 1700000000123456789, `1700000000123456789`: 1700000000123456789, `"1700000000"`: 1700000000e9,
		`1700000000123`: 1700000000123e6, `"1700000000123456"`: 1700000000123456e3, `"1"`: 1} {
		got, err := lokipush.JSON([]byte(`{"streams":[{"stream":{},"values":[[`+text+`,"a"]]}]}`), 10)
		require.NoError(t, err)
		require.Len(t, got[0].Entries, 1, text)
		assert.Equal(t, want, got[0].Entries[0].Nanos, text)
	}
	got, err := lokipush.JSON([]byte(`{"streams":[{"stream":{},"values":[["2026-12-01T00:00:00Z","a"]]}]}`), 10)
	require.NoError(t, err)
	assert.EqualError(t, got[0].Problem, "a timestamp is not a number of nanoseconds since 1970")
}

func TestWholeRequests(t *testing.T) {
	entry := push.Entry{Timestamp: time.Unix(1, 0)}
	_, err := lokipush.Protobuf(request(t, push.Stream{Labels: "{}", Entries: []push.Entry{entry, entry, entry}}), 2)
	assert.ErrorIs(t, err, lokipush.ErrTooMany)
	_, err = lokipush.Protobuf([]byte(strings.Repeat("\x0a\x00", 3)), 2)
	assert.ErrorIs(t, err, lokipush.ErrTooMany, "streams without entries cost memory too")
	_, err = lokipush.JSON([]byte(`{"streams":[{"stream":{},"values":[[],[],[]]}]}`), 2)
	assert.ErrorIs(t, err, lokipush.ErrTooMany)
	_, err = lokipush.JSON([]byte(`{"streams":[{"values":[]},{"values":[]},{"values":[]}]}`), 2)
	assert.ErrorIs(t, err, lokipush.ErrTooMany)
	for _, body := range []string{"", "x", "{}", `{"streams":{}}`, `{"streams":[1]}`, `{"streams":[{"values":1}]}`, `{"streams":[]} {}`, `[]`} {
		_, err := lokipush.JSON([]byte(body), 2)
		assert.ErrorIs(t, err, lokipush.ErrMalformed, body)
	}
	_, err = lokipush.Protobuf([]byte("\x0a\xff"), 2)
	assert.ErrorIs(t, err, lokipush.ErrMalformed)
}

// Whatever Loki's own decoder can read, ours reads equally.
func FuzzProtobuf(f *testing.F) {
	f.Add(request(f, push.Stream{Labels: `{a="b"}`, Entries: []push.Entry{{Timestamp: time.Unix(5, 7), Line: "x", StructuredMetadata: push.LabelsAdapter{{Name: "k", Value: "v"}}}}}))
	f.Add([]byte("\x0a\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := lokipush.Protobuf(body, 1000)
		var want push.PushRequest
		if err != nil || want.Unmarshal(body) != nil {
			return
		}
		require.Len(t, got, len(want.Streams))
		for i, s := range want.Streams {
			if got[i].Rejected > 0 {
				continue
			}
			require.Len(t, got[i].Entries, len(s.Entries))
			for j, e := range s.Entries {
				if utf8.ValidString(e.Line) {
					require.Equal(t, e.Line, got[i].Entries[j].Line)
				}
				require.True(t, utf8.ValidString(got[i].Entries[j].Line))
				require.Len(t, got[i].Entries[j].Metadata, len(e.StructuredMetadata))
			}
		}
	})
}

// JSON never panics, and never returns more entries than it may.
func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"streams":[{"stream":{"a":"b"},"values":[["1","l",{"k":"v"}],[2,"m"]]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		streams, err := lokipush.JSON(body, 3)
		n := 0
		for _, s := range streams {
			n += len(s.Entries) + s.Rejected
		}
		require.True(t, err != nil || n <= 3)
	})
}

func FuzzParseLabels(f *testing.F) {
	f.Add(`{a="b", c="d"}`)
	f.Fuzz(func(t *testing.T, text string) {
		pairs, err := lokipush.ParseLabels(text)
		if err != nil {
			require.Empty(t, pairs)
		}
		for _, p := range pairs {
			require.True(t, p.Name != "" && utf8.ValidString(p.Value))
		}
	})
}
