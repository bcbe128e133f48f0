package refusal_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/refusal"
)

func ExampleParse() {
	refusals, _ := refusal.Parse("2 errors like: entry for stream '{app=\"a\"}' has timestamp too old: " +
		"2020-01-01T00:00:00Z, oldest acceptable timestamp is: 2026-11-17T00:00:00Z; " +
		"1 errors like: max entry size '262144' bytes exceeded for stream '{app=\"b\"}' while adding an entry with length '300000' bytes")
	for _, r := range refusals {
		fmt.Println(r.Count, r.Reason, r.Stream)
	}
	// Output:
	// 2 too_old {app="a"}
	// 1 line_too_long {app="b"}
}

// The texts are Loki's format strings (pkg/validation, pkg/ingester/stream.go of v3.7.8), filled in.
func TestParse(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		want       []refusal.Refusal
		unknown    bool
	}{
		{
			name: "one error has no count",
			body: `entry for stream '{app="a"}' has timestamp too new: 2030-01-01T00:00:00Z` + "\n",
			want: []refusal.Refusal{{Reason: refusal.TooNew, Stream: `{app="a"}`, Count: 1}},
		},
		{
			name: "a label value that holds the separator",
			body: `3 errors like: entry for stream '{app="a; b"}' has timestamp too new: x; 1 errors like: stream '{b="2 errors like: "}' has label name too long: 'b'`,
			want: []refusal.Refusal{
				{Reason: refusal.TooNew, Stream: `{app="a; b"}`, Count: 3},
				{Reason: refusal.Labels, Stream: `{b="2 errors like: "}`, WholeStream: true, Count: 1},
			},
		},
		{
			name: "too many labels",
			body: `entry for stream '{a="1"}' has 16 label names; limit 15`,
			want: []refusal.Refusal{{Reason: refusal.Labels, Stream: `{a="1"}`, WholeStream: true, Count: 1}},
		},
		{
			name: "metadata disallowed",
			body: "7 errors like: stream '{a=\"1\"}' includes structured metadata, but this feature is disallowed. Please see `limits_config.allow_structured_metadata` or contact your Loki administrator to enable it",
			want: []refusal.Refusal{{Reason: refusal.Metadata, Stream: `{a="1"}`, Count: 7}},
		},
		{
			name: "an ingester's list",
			body: "entry with timestamp 2026-01-01 00:00:00 +0000 UTC ignored, reason: 'entry too far behind, entry timestamp is: 2026-01-01T00:00:00Z, oldest acceptable timestamp is: 2026-01-01T01:00:00Z',\nuser 'fake', total ignored: 12 out of 40 for stream: {app=\"a\"}",
			want: []refusal.Refusal{{Reason: refusal.TooFarBehind, Stream: `{app="a"}`, Count: 12}},
		},
		{
			name: "stream limit",
			body: `maximum active stream limit exceeded when trying to create stream {app="a"}, reduce the number of active streams (reduce labels or reduce label values), or contact your Loki administrator to see if the limit can be increased, user: 'fake'`,
			want: []refusal.Refusal{{Reason: refusal.StreamLimit, WholeStream: true, Count: 1}},
		},
		{
			name: "stream rate, as an ingester lists it",
			body: "entry with timestamp 2026-01-01 00:00:00 +0000 UTC ignored, reason: 'Per stream rate limit exceeded (limit: 3MB/sec) while attempting to ingest for stream '{a=\"1\"}' totaling 10B, consider splitting a stream via additional labels or contact your Loki administrator to see if the limit can be increased',\nuser 'fake', total ignored: 2 out of 2 for stream: {a=\"1\"}",
			want: []refusal.Refusal{{Reason: refusal.StreamRate, Stream: `{a="1"}`, Count: 2}},
		},
		{name: "a gateway's page", body: "<html>Bad Request</html>", unknown: true, want: []refusal.Refusal{{Reason: refusal.Other, Count: 1}}},
		{name: "empty", body: " \n", unknown: true},
		{name: "broken total", body: "total ignored: x", unknown: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, understood := refusal.Parse(tc.body)
			assert.Equal(t, tc.want, got)
			assert.Equal(t, !tc.unknown, understood)
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("2 errors like: entry for stream '{a=\"b\"}' has timestamp too old: x; 1 errors like: y")
	f.Add("user 'x', total ignored: 1 out of 2 for stream: {}")
	f.Add("stream '}'")
	f.Fuzz(func(t *testing.T, body string) {
		refusals, understood := refusal.Parse(body)
		for _, r := range refusals {
			assert.NotEmpty(t, r.Reason)
		}
		assert.False(t, understood && len(refusals) == 0)
	})
}
