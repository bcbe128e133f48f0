package lokiapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"
	"golang.org/x/net/websocket"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlpipeline"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqltest"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/lokisource"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// linesOf are the lines of an answer, stream by stream.
func linesOf(t *testing.T, w *httptest.ResponseRecorder) (lines []string) {
	t.Helper()
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	var answer struct {
		Data struct {
			Result []struct{ Values [][2]string }
		}
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
	for _, s := range answer.Data.Result {
		for _, v := range s.Values {
			lines = append(lines, v[1])
		}
	}
	return lines
}

// sort has no series to sort where all are filtered out, and none of one value over a range.
func TestSortOfSeriesWithoutOneValue(t *testing.T) {
	h := mux(settings(inMemory(t), &reasons{}))
	at := url.Values{"time": {strconv.FormatInt(base.Add(time.Hour).Unix(), 10)}}
	for _, query := range []string{`sort(%s > 1e9)`, `sort_desc(%s > 1e9)`} {
		at.Set("query", fmt.Sprintf(query, `sum by (service_name) (count_over_time({service_name=~".+"}[1h]))`))
		w := get(h, "query", at)
		assert.Equal(t, http.StatusOK, w.Code)
		assert.Contains(t, w.Body.String(), `"result":[]`)
	}
	plain := url.Values{"start": {strconv.FormatInt(base.Unix(), 10)}, "end": {strconv.FormatInt(base.Add(time.Hour).Unix(), 10)}, "step": {"300"}}
	plain.Set("query", `sum by (service_name) (count_over_time({service_name=~".+"}[5m]))`)
	want, _, _ := strings.Cut(get(h, "query_range", plain).Body.String(), `"stats"`)
	require.Contains(t, want, "edge")
	plain.Set("query", "sort_desc("+plain.Get("query")+")")
	got, _, _ := strings.Cut(get(h, "query_range", plain).Body.String(), `"stats"`)
	assert.Equal(t, want, got)
}

// Lines of one time keep the order in which they were stored, in both directions and whatever the limit: so a client can page through them.
func TestLinesOfOneTimeKeepTheirOrder(t *testing.T) {
	s, err := store.Open(store.Settings{Directory: t.TempDir(), Retention: 100 * 365 * 24 * time.Hour, MaxTenants: 4, Memory: 64 << 20, Log: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	const batches, each = 12, 20
	var want []string
	for i := range batches {
		ld := plog.NewLogs()
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", "same")
		sl := rl.ScopeLogs().AppendEmpty()
		for j := range each {
			lr := sl.LogRecords().AppendEmpty()
			lr.SetTimestamp(pcommon.Timestamp(base.UnixNano()))
			text := fmt.Sprintf("line %d v=%d", (i*each+j)*7919%1000, i*each+j)
			lr.Body().SetStr(text)
			want = append(want, text)
		}
		_, err := s.AddLogs(t.Context(), ld, store.Batch{
			At: store.Position{Log: "l", Offset: int64(i)}, Received: base, TenantOf: func(pcommon.Map) string { return "a" },
		})
		require.NoError(t, err)
	}
	h := mux(settings(&lokisource.Source{Store: s, View: store.View{Tenant: "a"}, Hidden: store.Provenance}, &reasons{}))
	ask := func(query, direction string, limit int) []string {
		return linesOf(t, get(h, "query_range", url.Values{
			"query": {query}, "direction": {direction}, "limit": {strconv.Itoa(limit)}, "step": {"60"},
			"start": {strconv.FormatInt(base.UnixNano(), 10)}, "end": {strconv.FormatInt(base.Add(time.Minute).UnixNano(), 10)},
		}))
	}
	require.Eventually(t, func() bool { return len(ask(`{service_name="same"}`, "forward", 5000)) == len(want) }, time.Minute, 50*time.Millisecond)
	assert.Equal(t, want, ask(`{service_name="same"}`, "forward", 5000))
	assert.Equal(t, want[:7], ask(`{service_name="same"}`, "forward", 7))
	newest := ask(`{service_name="same"}`, "backward", 3)
	assert.Equal(t, []string{want[len(want)-1], want[len(want)-2], want[len(want)-3]}, newest)

	for op, value := range map[string]string{"first_over_time": `"0"`, "last_over_time": `"239"`} {
		w := get(h, "query", url.Values{
			"query": {op + `({service_name="same"} | logfmt | unwrap v [1m]) by (service_name)`}, "time": {strconv.FormatInt(base.Unix(), 10)},
		})
		assert.Contains(t, w.Body.String(), value, op)
	}
}

// A tail goes on below: each message has the oldest line first, and lines that are equal but not the same are both there.
func TestATailHasTheOldestLineFirst(t *testing.T) {
	app := labelsOf(map[string]string{"app": "a"})
	now := time.Now().Add(-time.Minute).UnixNano()
	source := logqltest.Source{
		{Time: now, Line: "one", Stream: app}, {Time: now + 1, Line: "two", Stream: app}, {Time: now + 2, Line: "three", Stream: app},
		{Time: now + 2, Line: "three", Stream: app, Place: logqlpipeline.Place{Index: 1}},
	}
	server := httptest.NewServer(mux(settings(source, &reasons{})))
	defer server.Close()
	c, err := websocket.Dial("ws"+strings.TrimPrefix(server.URL, "http")+"/loki/api/v1/tail?query="+url.QueryEscape(`{app="a"}`), "", server.URL)
	require.NoError(t, err)
	defer c.Close()
	var message struct {
		Streams []struct{ Values [][2]string }
	}
	require.NoError(t, c.SetReadDeadline(time.Now().Add(30*time.Second)))
	require.NoError(t, websocket.JSON.Receive(c, &message))
	var lines []string
	for _, v := range message.Streams[0].Values {
		lines = append(lines, v[1])
	}
	assert.Equal(t, []string{"one", "two", "three", "three"}, lines)
}
