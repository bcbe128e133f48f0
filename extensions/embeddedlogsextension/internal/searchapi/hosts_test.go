package searchapi_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A resource's host is a label of target_info alone: a series without a host has the one of its job and instance, if there is one.
func TestTheHostOfASeriesIsThatOfItsTarget(t *testing.T) {
	s := newServer(t)
	now := time.Now()
	s.metrics.infos = `{"job":"shop","instance":"7f00","host_name":"a"},{"job":"cart","host_name":"b"},{"job":"cart","host_name":"b","os":"linux"},
		{"job":"two","host_name":"c"},{"job":"two","host_name":"d"},{"job":"none"}`
	s.metrics.body = matrix(now.Unix()/60-3, map[string][]float64{
		`"job":"shop","instance":"7f00"`: {1}, `"job":"cart","path":"/"`: {1}, `"job":"two"`: {1}, `"job":"none"`: {1}, `"sum":"of all"`: {1},
		`"job":"cart","host_name":"e"`: {1}, `"job":"scraped","instance":"f:9100"`: {1},
	})
	var got correlations
	require.Equal(t, 200, s.send(http.MethodPost, "/api/v1/query/correlate", `{"metric_query":"m","by":"host"}`, &got), got.Error)
	var keys []string
	for _, k := range got.Keys {
		keys = append(keys, k.Key)
	}
	assert.Equal(t, []string{"a", "b", "e", "f"}, keys)
	assert.Equal(t, 3, got.Unkeyed)
}

// Times are numbers as well, and what is wrong with a value is said in the body's words.
func TestValuesOfABody(t *testing.T) {
	s := newServer(t)
	for body, says := range map[string]string{
		`{"time_range":{"start":1700000000,"end":1700003600}}`: "", `{"time_range":{"start":1700000000.5,"end":"2023-11-14T23:13:20Z"}}`: "", `{"time_range":null}`: "",
		`{"size":"10"}`: "size: string where a whole number is expected", `{"size":1.5}`: "size: number 1.5 where a whole number is expected", `{"query":7}`: "query: number where a text is expected",
		`{"filters":["a"]}`: "filters: array where an object is expected", `{"time_range":"1h"}`: "time_range: string where an object is expected", `[]`: "the body: array where an object is expected",
		`{"time_range":{"start":true}}`: `time_range.start: "true" is no time: now-1h, RFC 3339 or Unix time`, `{"time_range":{"start":{}}}`: `time_range.start: "{}" is no time: now-1h, RFC 3339 or Unix time`, ``: "the body is empty", `{"size":1`: "the body: unexpected EOF",
	} {
		var f found
		code := s.send(http.MethodPost, "/api/v1/logs/search", body, &f)
		if says == "" {
			assert.Equal(t, 200, code, "%s: %s", body, f.Error)
			continue
		}
		assert.Equal(t, 400, code, body)
		assert.Equal(t, says, f.Error, body)
	}
}
