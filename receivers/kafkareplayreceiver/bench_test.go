package kafkareplayreceiver_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/journal/cluster"
	kafkareplay "github.com/penstockhq/penstock/receivers/kafkareplayreceiver"
)

// BenchmarkJob replays records of a hundred and of a thousand data points to a pipeline that discards them: the cost of reading, decoding,
// selecting and bookkeeping. Each iteration is a job over all records.
func BenchmarkJob(b *testing.B) {
	for _, points := range []int{100, 1000} {
		b.Run(fmt.Sprint("points=", points), func(b *testing.B) {
			const total = 400_000
			w := newWorld(b)
			topics := cluster.DefaultTopicsConfig()
			topics.Partitions = 4
			_, _, err := cluster.Ensure(b.Context(), w.c, "p", journal.Metrics, topics)
			require.NoError(b, err)
			value := request(b, points)
			at := time.Now().Add(-time.Minute)
			records := make([]*kgo.Record, total/points)
			for i := range records {
				r := journal.Record{Tenant: "acme", Key: fmt.Sprint("acme\x00\x00shop", i%8), Value: value, Received: at}
				records[i] = r.Kafka("p.metrics")
			}
			require.NoError(b, w.c.ProduceSync(b.Context(), records...).FirstErr())
			factory, host := kafkareplay.NewFactory(), newAdminHost()
			cfg := jobsConfig(b, w)
			cfg.Jobs.Get().DedupWindow = 0 // the records are equal
			r, err := factory.CreateMetrics(b.Context(), receivertest.NewNopSettings(factory.Type()), cfg, consumertest.NewNop())
			require.NoError(b, err)
			require.NoError(b, r.Start(b.Context(), host))
			b.Cleanup(func() { require.NoError(b, r.Shutdown(context.Background())) })
			jobs, took := 0, time.Duration(0)
			for b.Loop() {
				id := fmt.Sprint("job-", jobs)
				status, made := host.create(b, fmt.Sprintf(`{"id":%q,"from":"-1h"}`, id))
				require.Equal(b, http.StatusCreated, status, made)
				done := host.await(b, id, "done")
				require.EqualValues(b, total, counts(done)["items"])
				took += timeOf(b, done, "ended").Sub(timeOf(b, done, "started"))
				jobs++
			}
			b.ReportMetric(float64(jobs)*total/took.Seconds(), "points/s")
			b.ReportAllocs()
		})
	}
}

// timeOf returns a time in the status of a job.
func timeOf(b *testing.B, job map[string]any, of string) time.Time {
	text, _ := job["status"].(map[string]any)[of].(string)
	at, err := time.Parse(time.RFC3339Nano, text)
	require.NoError(b, err)
	return at
}

func request(b *testing.B, points int) []byte {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "shop")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("shop.requests")
	dps := m.SetEmptyGauge().DataPoints()
	for i := range points {
		dp := dps.AppendEmpty()
		dp.Attributes().PutStr("http.route", fmt.Sprint("/r", i%50))
		dp.Attributes().PutStr("pod", fmt.Sprint("p", i/50))
		dp.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
		dp.SetDoubleValue(float64(i))
	}
	value, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(md)
	require.NoError(b, err)
	return value
}
