package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/penstockhq/penstock/exporters/parquetexporter"
	"github.com/penstockhq/penstock/testbed/internal/ask"
)

var sqlDay = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

func sqlAt(after time.Duration) pcommon.Timestamp {
	return pcommon.NewTimestampFromTime(sqlDay.Add(after))
}

// sqlLogs are those of two services on two days, of two tenants.
func sqlLogs() plog.Logs {
	ld := plog.NewLogs()
	for _, r := range []struct {
		service, tenant, text, exception string
		severity                         plog.SeverityNumber
		after                            time.Duration
		traced                           bool
	}{
		{"payment", "acme", "card of user 17 declined", "CardDeclined", plog.SeverityNumberError, -24 * time.Hour, false},
		{"payment", "acme", "card of user 4711 declined", "CardDeclined", plog.SeverityNumberError, 0, true},
		{"payment", "acme", "no answer from bank 3", "Timeout", plog.SeverityNumberError, time.Second, false},
		{"checkout", "beta", "order 5 accepted", "", plog.SeverityNumberInfo, -time.Second, true},
		{"checkout", "beta", "cart is empty", "", plog.SeverityNumberInfo, 2 * time.Second, false},
	} {
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", r.service)
		rl.Resource().Attributes().PutStr("tenant.id", r.tenant)
		lr := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		lr.SetTimestamp(sqlAt(r.after))
		lr.SetSeverityNumber(r.severity)
		lr.SetSeverityText(r.severity.String())
		lr.Body().SetStr(r.text)
		if r.exception != "" {
			lr.Attributes().PutStr("exception.type", r.exception)
		}
		if r.traced {
			lr.SetTraceID([16]byte{0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36})
		}
	}
	return ld
}

// sqlTraces are three requests to the frontend, which calls payment; the third has no end.
func sqlTraces() ptrace.Traces {
	td := ptrace.NewTraces()
	add := func(service string, trace, id, parent byte, route string, status int64, took time.Duration) {
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", service)
		rs.Resource().Attributes().PutStr("tenant.id", "acme")
		s := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		s.SetTraceID([16]byte{15: trace})
		s.SetSpanID([8]byte{7: id})
		if parent > 0 {
			s.SetParentSpanID([8]byte{7: parent})
		}
		s.SetName("GET " + route)
		s.SetKind(ptrace.SpanKindServer)
		s.SetStartTimestamp(sqlAt(0))
		if took > 0 {
			s.SetEndTimestamp(sqlAt(took))
		}
		s.Attributes().PutStr("http.route", route)
		s.Attributes().PutInt("http.response.status_code", status)
		if status >= 500 {
			s.Status().SetCode(ptrace.StatusCodeError)
		}
	}
	add("frontend", 1, 1, 0, "/cart", 200, 20*time.Millisecond)
	add("payment", 1, 2, 1, "/pay", 200, 10*time.Millisecond)
	add("frontend", 2, 1, 0, "/cart", 500, 80*time.Millisecond)
	add("payment", 2, 2, 1, "/pay", 503, 30*time.Millisecond)
	add("frontend", 3, 1, 0, "/", 200, 0)
	return td
}

// sqlMetrics are a counter that restarts and histograms of both kinds.
func sqlMetrics() pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "frontend")
	rm.Resource().Attributes().PutStr("tenant.id", "acme")
	metrics := rm.ScopeMetrics().AppendEmpty().Metrics()
	m := metrics.AppendEmpty()
	m.SetName("http.server.requests")
	m.SetEmptySum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	for i, v := range []int64{10, 15, 3, 9} {
		dp := m.Sum().DataPoints().AppendEmpty()
		dp.SetTimestamp(sqlAt(time.Duration(i) * 30 * time.Second))
		dp.SetIntValue(v)
	}
	m = metrics.AppendEmpty()
	m.SetName("http.server.request.duration")
	m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	for i := range 2 {
		dp := m.Histogram().DataPoints().AppendEmpty()
		dp.SetTimestamp(sqlAt(time.Duration(i) * time.Minute))
		dp.ExplicitBounds().FromRaw([]float64{1, 2})
		dp.BucketCounts().FromRaw([]uint64{90 * uint64(i), 10 * uint64(i), 0})
	}
	m = metrics.AppendEmpty()
	m.SetName("rpc.server.duration")
	m.SetEmptyExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	dp := m.ExponentialHistogram().DataPoints().AppendEmpty()
	dp.SetTimestamp(sqlAt(0))
	dp.SetScale(0)
	dp.Positive().SetOffset(1) // (2, 4], (4, 8]
	dp.Positive().BucketCounts().FromRaw([]uint64{90, 10})
	return md
}

// sqlLake writes them all.
func sqlLake(t *testing.T) string {
	dir := t.TempDir()
	f := parquetexporter.NewFactory()
	config := f.CreateDefaultConfig().(*parquetexporter.Config)
	config.URL = dir
	set := exportertest.NewNopSettings(f.Type())
	ctx, host := context.Background(), componenttest.NewNopHost()
	logs, err := f.CreateLogs(ctx, set, config)
	require.NoError(t, err)
	require.NoError(t, logs.Start(ctx, host))
	require.NoError(t, logs.ConsumeLogs(ctx, sqlLogs()))
	require.NoError(t, logs.Shutdown(ctx))
	traces, err := f.CreateTraces(ctx, set, config)
	require.NoError(t, err)
	require.NoError(t, traces.Start(ctx, host))
	require.NoError(t, traces.ConsumeTraces(ctx, sqlTraces()))
	require.NoError(t, traces.Shutdown(ctx))
	metrics, err := f.CreateMetrics(ctx, set, config)
	require.NoError(t, err)
	require.NoError(t, metrics.Start(ctx, host))
	require.NoError(t, metrics.ConsumeMetrics(ctx, sqlMetrics()))
	require.NoError(t, metrics.Shutdown(ctx))
	return dir
}

// sqlScript runs the statements of argv, the first for the views, and prints the rows of the others.
const sqlScript = `
import sys, json, duckdb
views, *questions = json.loads(sys.argv[1])
db = duckdb.connect()
db.execute("SET enable_progress_bar = false")
db.execute(views)
print(json.dumps([db.execute(q).fetchall() for q in questions], default=str))
`

// DuckDB answers the questions of docs/sql.md as written there.
func TestTwelveQuestionsToTheLake(t *testing.T) {
	page, err := os.ReadFile("../../docs/sql.md")
	require.NoError(t, err)
	dir := sqlLake(t)
	text := strings.ReplaceAll(string(page), "'lake/", "'"+dir+"/")
	blocks := regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(text, -1)
	require.Len(t, blocks, 13)
	var statements []string
	for _, b := range blocks {
		statements = append(statements, b[1])
	}
	input, err := json.Marshal(statements)
	require.NoError(t, err)
	answered, err := exec.Command(ask.Python(t), "-c", sqlScript, string(input)).CombinedOutput()
	require.NoError(t, err, "%s", answered)
	var answers [][][]any
	require.NoError(t, json.Unmarshal(answered, &answers), "%s", answered)
	const trace1, trace2 = "00000000000000000000000000000001", "00000000000000000000000000000002"
	for i, want := range [][][]any{
		{{"frontend", 3.0, 1.0 / 3}, {"payment", 2.0, 0.5}},
		{{trace2, "frontend", "GET /cart", 80.0}, {trace1, "frontend", "GET /cart", 20.0}},
		{{"checkout", "Info", "order 5 accepted"}, {"payment", "Error", "card of user 4711 declined"}},
		{{"frontend", 1.9}},
		{{"frontend", 7.6}},
		nil,
		{{"payment", "no answer from bank N", 1.0}},
		{{"frontend", "2026-11-24 10:00:00+00", 5.0}, {"frontend", "2026-11-24 10:01:00+00", 9.0}},
		{{"/cart", 2.0, 1.0}, {"/pay", 2.0, 1.0}, {"/", 1.0, 0.0}},
		{{"10:00:00", "Error", "card of user 4711 declined"}},
		{{"CardDeclined", "payment", 2.0}, {"Timeout", "payment", 1.0}},
		{{"frontend", "payment", 2.0, 20.0}},
	} {
		rows := answers[i]
		if i+1 == 1 {
			assert.Equal(t, "payment", rows[0][0], "the worst first")
			rows[0], rows[1] = rows[1], rows[0]
		}
		if i+1 == 6 {
			var got []string
			for _, r := range rows {
				assert.Positive(t, r[2])
				got = append(got, fmt.Sprint(r[0], " ", r[1], " ", r[3]))
			}
			assert.Equal(t, []string{"acme logs 3", "acme metrics 7", "acme traces 5", "beta logs 2"}, got)
			continue
		}
		require.Len(t, rows, len(want), "question %d: %v", i+1, rows)
		for r := range want {
			for c := range want[r] {
				if f, ok := want[r][c].(float64); ok {
					assert.InDelta(t, f, rows[r][c], 1e-6, "question %d: %v", i+1, rows)
				} else {
					assert.Equal(t, want[r][c], rows[r][c], "question %d: %v", i+1, rows)
				}
			}
		}
	}

	code := strings.ReplaceAll(regexp.MustCompile("(?s)```python\n(.*?)```").FindStringSubmatch(text)[1], `"lake/`, `"`+dir+`/`)
	code = strings.Replace(code, "\nlogs.to_table", "\nt = logs.to_table", 1) + "\nprint(sorted(t.column('body').to_pylist()))"
	out, err := exec.Command(ask.Python(t), "-c", code).CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, "['card of user 4711 declined', 'no answer from bank 3']\n", string(out))
}
