package logsql_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap/zaptest"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/gate"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logsql"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// serve serves a store with a row at each time.
func serve(t *testing.T, rows ...time.Time) http.Handler {
	t.Helper()
	s, err := store.Open(store.Settings{Directory: t.TempDir(), Retention: 7 * 24 * time.Hour, MaxTenants: 4, Memory: 64 << 20, Log: zaptest.NewLogger(t)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	ld := plog.NewLogs()
	records := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for _, at := range rows {
		lr := records.AppendEmpty()
		lr.SetTimestamp(pcommon.NewTimestampFromTime(at))
		lr.Body().SetStr("a row")
	}
	_, err = s.AddLogs(t.Context(), ld, store.Batch{Received: time.Now(), TenantOf: func(pcommon.Map) string { return "acme" }})
	require.NoError(t, err)
	require.NoError(t, s.Flush(t.Context()))
	free := func(context.Context, time.Duration) {}
	api := &logsql.API{
		Store: func() (*store.Store, error) { return s, nil }, ViewOf: func(*http.Request) store.View { return store.View{All: true} },
		Limits:  logsql.Limits{Timeout: time.Minute, MaxLength: 1000, Queries: gate.New(4, 4, free), Tails: gate.New(1, 0, free)},
		Refused: func(string) {},
	}
	mux := http.NewServeMux()
	api.Routes(func(path string, h http.HandlerFunc) { mux.HandleFunc(path, h) })
	return mux
}

func ask(t *testing.T, h http.Handler, route string, form url.Values, into any) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/select/logsql/"+route+"?"+form.Encode(), nil))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), into), w.Body.String())
}

func rfc3339(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }

// Steps with an offset lie where the engine counts: Grafana sends one so that days begin at the reader's midnight.
func TestStepsWithAnOffset(t *testing.T) {
	hour := time.Now().Truncate(time.Hour).Add(-3 * time.Hour)
	h := serve(t, hour.Add(5*time.Minute), hour.Add(35*time.Minute), hour.Add(50*time.Minute))
	var found struct {
		Hits []struct {
			Timestamps []string
			Values     []int
		}
	}
	ask(t, h, "hits", url.Values{
		"query": {"*"}, "step": {"20m"}, "offset": {"5m"}, "start": {rfc3339(hour.Add(2 * time.Minute))}, "end": {rfc3339(hour.Add(40 * time.Minute))},
	}, &found)
	require.Len(t, found.Hits, 1)
	assert.Equal(t, []string{rfc3339(hour.Add(-5 * time.Minute)), rfc3339(hour.Add(15 * time.Minute)), rfc3339(hour.Add(35 * time.Minute))}, found.Hits[0].Timestamps)
	assert.Equal(t, []int{1, 0, 2}, found.Hits[0].Values, "the last step counts as a whole")
}

// A client asks for the time that a query selects as it stands, now.
func TestTheTimeOfAQuery(t *testing.T) {
	h := serve(t, time.Now())
	type selected struct {
		Start, End    time.Time
		HasTimeFilter bool
	}
	end := time.Now().Add(-time.Hour).Truncate(time.Second)
	form := url.Values{"start": {rfc3339(end.Add(-time.Hour))}, "end": {rfc3339(end)}}
	var got selected
	form.Set("query", "row")
	ask(t, h, "query_time_range", form, &got)
	assert.Equal(t, selected{end.Add(-time.Hour).UTC(), end.UTC(), false}, got)

	form.Set("query", "row _time:5m")
	before := time.Now()
	ask(t, h, "query_time_range", form, &got)
	assert.True(t, got.HasTimeFilter)
	assert.WithinRange(t, got.End, before, time.Now(), "the query's own time counts from now")
	assert.Equal(t, 5*time.Minute, got.End.Sub(got.Start)+1)
}
