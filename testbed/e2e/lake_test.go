package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// block returns the README's first code block in language.
func block(t *testing.T, readme, language string) string {
	t.Helper()
	text, err := os.ReadFile(readme)
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "```"+language+"\n")
	require.True(t, found)
	code, _, _ := strings.Cut(rest, "```")
	return code
}

// The examples of the lake's README work as written, in DuckDB and pyarrow, on the binary's files: promoted columns and the map, joins, all types
// of metrics, invalid times.
func TestReadersOfTheLake(t *testing.T) {
	const readme = "../../exporters/parquetexporter/README.md"
	traceID := [16]byte{0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36}
	day := time.Date(2026, 11, 24, 10, 30, 0, 123_456_789, time.UTC)
	at := pcommon.NewTimestampFromTime(day)
	p := process.Start(t, process.Settings{Args: []string{lakeSoon}})
	accepted := func(answer send.Answer, err error) {
		t.Helper()
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	}

	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "checkout")
	for i, stamp := range []pcommon.Timestamp{at, at + 1, 0, pcommon.NewTimestampFromTime(time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC))} {
		lr := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		lr.SetTimestamp(stamp)
		lr.SetSeverityNumber(plog.SeverityNumberError)
		lr.SetTraceID(traceID)
		lr.Body().SetStr([]string{"first", "second", "no time", "absurd"}[i])
		lr.Attributes().PutStr("client.address", "10.0.0.1")
		lr.Attributes().PutInt("http.response.status_code", 500)
	}
	accepted(send.Logs(p.HTTP(), ld))

	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "checkout")
	span := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	span.SetTraceID(traceID)
	span.SetSpanID([8]byte{1})
	span.SetName("GET /cart")
	span.SetStartTimestamp(at)
	span.SetEndTimestamp(at + 2_500_000)
	span.Status().SetCode(ptrace.StatusCodeError)
	body, err := ptraceotlp.NewExportRequestFromTraces(td).MarshalProto()
	require.NoError(t, err)
	accepted(send.Post(p.HTTP(), "/v1/traces", body, "Content-Type", "application/x-protobuf"))

	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "checkout")
	ms := rm.ScopeMetrics().AppendEmpty().Metrics()
	m := ms.AppendEmpty()
	m.SetName("up")
	g := m.SetEmptyGauge().DataPoints().AppendEmpty()
	g.SetTimestamp(at)
	g.SetDoubleValue(1)
	m = ms.AppendEmpty()
	m.SetName("orders")
	m.SetEmptySum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	s := m.Sum().DataPoints().AppendEmpty()
	s.SetTimestamp(at)
	s.SetIntValue(42)
	m = ms.AppendEmpty()
	m.SetName("latency")
	m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	h := m.Histogram().DataPoints().AppendEmpty()
	h.SetTimestamp(at)
	h.SetCount(3)
	h.SetSum(7)
	h.ExplicitBounds().FromRaw([]float64{1})
	h.BucketCounts().FromRaw([]uint64{1, 2})
	m = ms.AppendEmpty()
	m.SetName("size")
	m.SetEmptyExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	e := m.ExponentialHistogram().DataPoints().AppendEmpty()
	e.SetTimestamp(at)
	e.SetCount(2)
	e.Positive().BucketCounts().FromRaw([]uint64{2})
	m = ms.AppendEmpty()
	m.SetName("wait")
	w := m.SetEmptySummary().DataPoints().AppendEmpty()
	w.SetTimestamp(at)
	w.SetCount(5)
	w.QuantileValues().AppendEmpty().SetQuantile(0.5)
	accepted(send.Metrics(p.HTTP(), md))
	ask.AwaitLakeRows(t, p.Lake(), map[string]int64{"logs": 4, "traces": 1})
	ask.Eventually(t, func() error { // beside the host's
		if n := ask.LakeTexts(t, p.Lake(), "metrics", "service_name")["checkout"]; n < 5 {
			return fmt.Errorf("%d of 5 points are in the lake", n)
		}
		return nil
	})
	p.Terminate(t)

	// The README's SQL, statement by statement: the views, then each question.
	var views string
	var answers [][][]any
	for _, statement := range strings.Split(strings.ReplaceAll(block(t, readme, "sql"), "'lake/", "'"+p.Lake()+"/"), ";") {
		lines := strings.Split(strings.TrimSpace(statement), "\n")
		for len(lines) > 0 && strings.HasPrefix(strings.TrimSpace(lines[0]), "--") {
			lines = lines[1:]
		}
		switch text := strings.Join(lines, "\n"); {
		case strings.HasPrefix(text, "CREATE"):
			views += text + ";\n"
		case text != "":
			if strings.HasPrefix(text, "SELECT time,") { // Python's DuckDB makes no times with a zone by itself
				text = "SELECT time::VARCHAR, * EXCLUDE time FROM (" + text + ")"
			}
			rows, err := ask.SQL(t, "SET TimeZone='UTC';\n"+views+text)
			require.NoError(t, err, text)
			answers = append(answers, rows)
		}
	}
	require.Len(t, answers, 4)
	assert.Equal(t, [][]any{{"2026-11-24 10:30:00.123456+00", "first", "10.0.0.1"}, {"2026-11-24 10:30:00.123456+00", "second", "10.0.0.1"}}, answers[0])
	assert.Equal(t, [][]any{{"GET /cart", 2.5}}, answers[1])
	assert.Equal(t, [][]any{{"checkout", 2.5}}, answers[2])
	assert.Len(t, answers[3], 4)

	rows, err := ask.SQL(t, views+"SELECT attributes['http.response.status_code'] FROM logs WHERE body = 'first'")
	require.NoError(t, err)
	assert.Equal(t, [][]any{{"500"}}, rows, "promoted, and found in the map")

	for query, want := range map[string][][]any{
		`SELECT body FROM logs WHERE event_date = '2026-11-24' ORDER BY body`:                                 {{"first"}, {"second"}},
		`SELECT body, tenant_id FROM logs WHERE event_date IS NULL ORDER BY body`:                             {{"absurd", "default"}, {"no time", "default"}},
		`SELECT time_unix_nano FROM logs WHERE body = 'first'`:                                                {{float64(day.UnixNano())}},
		`SELECT http_response_status_code FROM logs WHERE body = 'first'`:                                     {{500.0}},
		`SELECT body FROM logs WHERE date = '1970-01-01' ORDER BY body`:                                       {{"absurd"}, {"no time"}},
		`SELECT metric_type, count(*) FROM metrics WHERE service_name = 'checkout' GROUP BY ALL ORDER BY ALL`: {{"exponential_histogram", 1.0}, {"gauge", 1.0}, {"histogram", 1.0}, {"sum", 1.0}, {"summary", 1.0}},
	} {
		rows, err := ask.SQL(t, "CREATE VIEW logs AS FROM "+ask.Lake(p.Lake(), "logs")+"; CREATE VIEW metrics AS FROM "+ask.Lake(p.Lake(), "metrics")+"; "+query)
		require.NoError(t, err, query)
		assert.Equal(t, want, rows, query)
	}

	code := strings.TrimSpace(strings.ReplaceAll(block(t, readme, "python"), `"lake/`, `"`+p.Lake()+`/`))
	out, err := exec.Command(ask.Python(t), "-c", "import pyarrow.dataset\ntable = "+code+"\nprint(table.num_rows, table.column('metric_name').to_pylist()[0])").CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, "1 up\n", string(out))
}
