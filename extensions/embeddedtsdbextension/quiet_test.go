package embeddedtsdbextension

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An error never repeats the body of a client's request, whatever is wrong with it.
func TestErrorsRepeatNothingOfABody(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.AdminAPI = true
	s := startIn(t, cfg, adminHost)
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Authorization": {"Bearer admin"}}
	for _, c := range []struct {
		path, parameter, value, want string
	}{
		{"query", "query", `up S3cret`, `invalid parameter "query": 1:4: parse error: unexpected identifier`},
		{"query", "query", `S3cret(up)`, "unknown function with name"},
		{"query", "query", `{a=~"S3cret("}`, "error parsing regexp"},
		{"query", "query", `5S3cret`, "parse error"},
		{"query", "query", "'S3cret", "unterminated quoted string"},
		{"query", "time", "S3cret", `invalid parameter "time"`},
		{"query", "timeout", "S3cret", `invalid parameter "timeout"`},
		{"query_range", "step", "S3cret", "invalid parameter"},
		{"series", "match[]", `{a="S3cret"`, `invalid parameter "match[]"`},
		{"labels", "limit", "S3cret", `invalid parameter "limit"`},
		{"format_query", "query", "sum(S3cret S3cret)", "parse error"},
		{"parse_query", "query", "sum(S3cret S3cret)", "parse error"},
		{"admin/tsdb/delete_series", "match[]", `S3cret{`, "parse error"},
		{"admin/tsdb/snapshot", "skip_head", "S3cret", "parsing …: invalid syntax"},
	} {
		values := url.Values{"query": {"up"}, "match[]": {"up"}, "start": {"1"}, "end": {"2"}}
		values.Set(c.parameter, c.value)
		code, _, text := s.do(http.MethodPost, "/api/v1/"+c.path, strings.NewReader(values.Encode()), form)
		assert.Equal(t, http.StatusBadRequest, code, "%s: %s", c.path, text)
		assert.Contains(t, strings.ReplaceAll(text, `\"`, `"`), c.want, c.path)
		assert.NotContains(t, text, "S3cret", c.path)
	}
	for _, path := range []string{"write", "read", "query", "series", "otlp/v1/metrics"} {
		for _, kind := range []string{contentV1, "application/json", "text/plain"} {
			_, _, text := s.do(http.MethodPost, "/api/v1/"+path, strings.NewReader("S3cret"), http.Header{"Content-Type": {kind}})
			assert.NotContains(t, text, "S3cret", "%s %s", path, kind)
		}
	}
}

func TestErrorsOfWritesShowNoSeries(t *testing.T) {
	s := start(t, testConfig(t, t.TempDir()))
	now := time.Now().UnixMilli()
	symbols := []string{"", "__name__", "S3cret_total", "card", "S3cret{4111", "bad\xff"}
	series := func(t int64, refs ...uint32) writev2.TimeSeries {
		return writev2.TimeSeries{LabelsRefs: refs, Samples: []writev2.Sample{{Value: 1, Timestamp: t}}}
	}
	wrong := writev2.Request{Symbols: symbols, Timeseries: []writev2.TimeSeries{
		series(now, 1, 2, 3, 4),
		series(now+3_600_000, 1, 2, 3, 4), // tomorrow's
		series(now+3_600_000, 1, 2),
		series(now, 3, 4),                  // no name
		series(now, 1, 2, 3, 4, 3, 2),      // a label twice
		series(now, 1, 5),                  // not UTF-8
		series(now, 1, 99),                 // no such symbol
		{LabelsRefs: []uint32{1, 2, 3, 4}}, // no sample
	}}
	raw, err := proto.Marshal(&wrong)
	require.NoError(t, err)
	code, _, text := s.do(http.MethodPost, "/api/v1/write", strings.NewReader(string(snappy.Encode(nil, raw))), http.Header{
		"Content-Type": {"application/x-protobuf;proto=io.prometheus.write.v2.Request"}, "Content-Encoding": {"snappy"},
		"X-Prometheus-Remote-Write-Version": {"2.0.0"},
	})
	assert.Equal(t, http.StatusBadRequest, code)
	assert.NotContains(t, text, "S3cret")
	assert.NotContains(t, text, "4111")
	for _, kind := range []string{"for series … (2 times)", "invalid metric name or labels, got …", "duplicated label", "at least one sample", "parsing labels for series …"} {
		if kind == "duplicated label" { // comes after the series
			kind = "invalid labels for series"
		}
		assert.Contains(t, text, kind)
	}

	raw, err = proto.Marshal(&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
		Labels:  []prompb.Label{{Name: "__name__", Value: "S3cret"}},
		Samples: []prompb.Sample{{Value: 1, Timestamp: 1}},
	}}})
	require.NoError(t, err)
	code, _, _ = s.write(v1(time.Now(), map[string]float64{"other": 1}), contentV1)
	require.Equal(t, http.StatusNoContent, code)
	code, _, text = s.do(http.MethodPost, "/api/v1/write", strings.NewReader(string(snappy.Encode(nil, raw))),
		http.Header{"Content-Type": {contentV1}, "Content-Encoding": {"snappy"}})
	assert.Equal(t, http.StatusBadRequest, code)
	assert.NotContains(t, text, "S3cret")
	assert.NotEmpty(t, text)
}

// Prometheus' API compresses its answers.
func TestErrorsRepeatNothingInAnyEncoding(t *testing.T) {
	s := start(t, testConfig(t, t.TempDir()))
	for _, encoding := range []string{"identity", "gzip", "deflate", "gzip, deflate"} {
		code, header, text := s.do(http.MethodPost, "/api/v1/query", strings.NewReader("query=up+S3cret"),
			http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept-Encoding": {encoding}})
		assert.Equal(t, http.StatusBadRequest, code, encoding)
		assert.Empty(t, header.Get("Content-Encoding"), encoding)
		assert.Contains(t, text, "unexpected identifier …", encoding)
	}
}

func TestManyKindsOfErrorsAreBounded(t *testing.T) {
	var message strings.Builder
	for i := range 100 {
		fmt.Fprintf(&message, "error %d for series {a=\"b\"}\n", i)
	}
	assert.Equal(t, maxRefusals+1, strings.Count(withoutSeries(message.String()), "\n"))
	assert.Contains(t, withoutSeries(message.String()), "and 80 other kinds of errors")
}
