package logsql_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/gate"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logsql"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// served returns the API over a store that has n rows a minute of each service, for so many minutes from begin on.
func served(t testing.TB, begin time.Time, services, minutes, n int) http.Handler {
	s, err := store.Open(store.Settings{Directory: t.TempDir(), Retention: 72 * time.Hour, MaxTenants: 4, Memory: 64 << 20, Log: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	ld := plog.NewLogs()
	for i := range services {
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", fmt.Sprint("service-", i))
		records := rl.ScopeLogs().AppendEmpty().LogRecords()
		for j := range minutes * n {
			records.AppendEmpty().SetTimestamp(pcommon.NewTimestampFromTime(begin.Add(time.Duration(j)*time.Minute/time.Duration(n) + time.Millisecond)))
		}
	}
	_, err = s.AddLogs(t.Context(), ld, store.Batch{Received: time.Now(), TenantOf: func(pcommon.Map) string { return "acme" }})
	require.NoError(t, err)
	require.NoError(t, s.Flush(t.Context()))
	unused := func(context.Context, time.Duration) {}
	api := &logsql.API{
		Store: func() (*store.Store, error) { return s, nil }, ViewOf: func(*http.Request) store.View { return store.View{All: true} },
		Limits:  logsql.Limits{Timeout: time.Minute, MaxLength: 1000, Queries: gate.New(1, 0, unused), Tails: gate.New(1, 0, unused)},
		Refused: func(reason string) { assert.Equal(t, "bad_query", reason) },
	}
	mux := http.NewServeMux()
	api.Routes(func(path string, h http.HandlerFunc) { mux.HandleFunc(path, h) })
	return mux
}

const perService = "/select/logsql/stats_query_range?step=1m&query=*+|+stats+by+(service.name)+count()+n,count()+m"

func TestARangeOfStatistics(t *testing.T) {
	begin := time.Now().Add(-2 * time.Hour).Truncate(time.Minute)
	w := httptest.NewRecorder()
	served(t, begin, 2, 3, 4).ServeHTTP(w, httptest.NewRequest(http.MethodGet, perService, nil))
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	type series struct {
		Metric map[string]string
		Values [][2]any
	}
	var answer struct{ Data struct{ Result []series } }
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
	var values [][2]any
	for i := range 3 {
		values = append(values, [2]any{float64(begin.Add(time.Duration(i) * time.Minute).Unix()), "4"})
	}
	var want []series
	for _, name := range []string{"n", "m"} {
		for _, service := range []string{"service-0", "service-1"} {
			want = append(want, series{map[string]string{"__name__": name, "service.name": service}, values})
		}
	}
	assert.Equal(t, want, answer.Data.Result)
}

// The time of statistics at one moment is that moment; a grouping by _time is a label like others.
func TestStatisticsAtOneMomentByTime(t *testing.T) {
	begin := time.Now().Add(-2 * time.Hour).Truncate(time.Hour)
	w := httptest.NewRecorder()
	served(t, begin, 1, 3, 4).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/select/logsql/stats_query?time=4102444800&query=*+|+stats+by+(_time:1h)+count()+n", nil))
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	assert.Contains(t, w.Body.String(), `{"metric":{"__name__":"n","_time":"`+begin.UTC().Format(time.RFC3339)+`"},"value":[4102444800,"12"]}`)
}

// The engine would add such a filter to the query inside it, and again to the one inside that: it never ended, and took all memory.
func TestExtraFiltersHaveNoQueryInside(t *testing.T) {
	h := served(t, time.Now().Add(-time.Hour), 1, 3, 4)
	for filter, status := range map[string]int{
		"_msg:in(* | fields _msg)":                       http.StatusBadRequest,
		"# it's one\n_msg:contains_any(* | fields _msg)": http.StatusBadRequest,
		`_msg:in("a | b", 'c | d')`:                      http.StatusOK,
	} {
		w := httptest.NewRecorder()
		form := url.Values{"query": {"*"}, "extra_filters": {filter}}
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/select/logsql/query?"+form.Encode(), nil))
		assert.Equal(t, status, w.Code, "%s: %s", filter, w.Body)
	}
}

// BenchmarkRangeOfStatistics is a day's counts of twenty services, by the minute: 57 600 points.
func BenchmarkRangeOfStatistics(b *testing.B) {
	h := served(b, time.Now().Add(-25*time.Hour), 20, 24*60, 1)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, perService, nil))
		if w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
}
