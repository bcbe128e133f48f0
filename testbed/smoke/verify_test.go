package smoke

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// A file of the lake is gone: verify finds it, and the job that it prints brings it back, once.
func TestVerifyFindsWhatIsMissingAndSaysHowToFillIt(t *testing.T) {
	p := process.Start(t, process.Settings{Args: []string{"--set=receivers.kafka_replay/lake.follow.range.max_wait=100ms"}})
	at := time.Now().Truncate(time.Hour).Add(-30 * time.Minute) // the hour is over, and nothing else has it
	verify := func() (printed string, code int) {
		return call(t, "verify", "--hour", at.Truncate(time.Hour).UTC().Format(time.RFC3339), "--admin", "http://"+p.Admin(), "--lake", p.Lake(), "--prometheus", "http://"+p.TSDB(), "--logsql", "http://"+p.Query())
	}
	answer, err := send.Metrics(p.HTTP(), measured(at))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	for n := range 4 { // each becomes a file
		logs := send.LogBatch("shop", n*10, 10)
		for _, l := range logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
			l.SetTimestamp(pcommon.NewTimestampFromTime(at))
		}
		answer, err := send.Logs(p.HTTP(), logs)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.Status, answer.Body)
		ask.Eventually(t, func() error { return rows(t, p, int64(10*(n+1))) })
	}
	clean := func() (text string) {
		ask.Eventually(t, func() error {
			printed, code := verify()
			text = printed
			if code != 0 || strings.Contains(printed, "on their way") {
				return fmt.Errorf("verify ends with %d: %s", code, printed)
			}
			return nil
		})
		return text
	}
	text := clean()
	assert.Contains(t, text, "logs lake of tenant default: 40, as the ledger says")
	assert.Contains(t, text, "logs logs of tenant default: 40, as the ledger says")
	assert.Contains(t, text, "metrics tsdb: 4, as the ledger says", "a gauge, a counter, a histogram and a summary, a point each")

	files := ask.LakeFiles(t, p.Lake(), "logs")
	require.Len(t, files, 4)
	require.NoError(t, os.Remove(files[1]))
	printed, code := verify()
	require.Equal(t, 1, code, printed)
	assert.Contains(t, printed, "the ledger has stored 40, the lake holds 30: 10 are missing")
	jobs := regexp.MustCompile(`-d '(.*)'`).FindAllStringSubmatch(printed, -1)
	require.Len(t, jobs, 1, printed)
	id := replay(t, p, jobs[0][1])
	ask.Eventually(t, func() error { return ended(p, id) })
	require.NoError(t, rows(t, p, 40))
	text = clean()
	assert.Contains(t, text, "logs lake of tenant default: 40, as the ledger says")
	assert.Contains(t, text, "logs logs of tenant default: 40, as the ledger says")

	// The whole hour is gone.
	for _, f := range ask.LakeFiles(t, p.Lake(), "metrics") {
		if strings.Contains(f, "hour="+at.UTC().Format("15")) {
			require.NoError(t, os.Remove(f))
		}
	}
	printed, code = verify()
	require.Equal(t, 1, code, printed)
	assert.Contains(t, printed, "metrics lake of tenant default: the ledger has stored 4, the lake holds 0: 4 are missing")
	assert.Contains(t, printed, "jobs of metrics go to tsdb")
}

// rows returns an error unless the lake has so many logs.
func rows(t *testing.T, p *process.Process, want int64) error {
	if have := ask.LakeRows(t, p.Lake(), "logs"); have != want {
		return fmt.Errorf("the lake has %d rows, not %d", have, want)
	}
	return nil
}

// measured is a point of each kind.
func measured(at time.Time) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "shop")
	metrics := rm.ScopeMetrics().AppendEmpty().Metrics()
	when, start := pcommon.NewTimestampFromTime(at), pcommon.NewTimestampFromTime(at.Add(-time.Minute))
	gauge := metrics.AppendEmpty()
	gauge.SetName("level")
	g := gauge.SetEmptyGauge().DataPoints().AppendEmpty()
	g.SetTimestamp(when)
	g.SetDoubleValue(7)
	counter := metrics.AppendEmpty()
	counter.SetName("orders")
	sum := counter.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	c := sum.DataPoints().AppendEmpty()
	c.SetStartTimestamp(start)
	c.SetTimestamp(when)
	c.SetIntValue(3)
	latency := metrics.AppendEmpty()
	latency.SetName("latency")
	latency.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	h := latency.Histogram().DataPoints().AppendEmpty()
	h.SetStartTimestamp(start)
	h.SetTimestamp(when)
	h.ExplicitBounds().FromRaw([]float64{1, 2})
	h.BucketCounts().FromRaw([]uint64{1, 1, 1})
	h.SetCount(3)
	h.SetSum(4)
	summary := metrics.AppendEmpty()
	summary.SetName("wait")
	s := summary.SetEmptySummary().DataPoints().AppendEmpty()
	s.SetStartTimestamp(start)
	s.SetTimestamp(when)
	s.SetCount(2)
	s.SetSum(3)
	q := s.QuantileValues().AppendEmpty()
	q.SetQuantile(0.5)
	q.SetValue(1)
	return md
}
