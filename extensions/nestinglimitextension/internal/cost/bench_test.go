package cost_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/testdata"

	"github.com/penstockhq/penstock/extensions/nestinglimitextension/internal/cost"
	"github.com/penstockhq/penstock/internal/cputime"
)

// BenchmarkRequest compares the look at a request of 1000 records, or points, with decoding it, which follows.
func BenchmarkRequest(b *testing.B) {
	logs := plogotlp.NewExportRequestFromLogs(testdata.GenerateLogs(1000))
	metrics := pmetricotlp.NewExportRequestFromMetrics(testdata.GenerateMetrics(1000))
	for _, c := range []struct {
		name    string
		marshal func() ([]byte, error)
		look    func([]byte) (cost.Usage, error)
		decode  func([]byte) error
	}{
		{"logs", logs.MarshalProto, func(b []byte) (cost.Usage, error) { return wide.Protobuf(cost.Logs, b) },
			func(b []byte) error { return plogotlp.NewExportRequest().UnmarshalProto(b) }},
		{"logs in JSON", logs.MarshalJSON, func(b []byte) (cost.Usage, error) { return wide.JSON(cost.Logs, b) },
			func(b []byte) error { return plogotlp.NewExportRequest().UnmarshalJSON(b) }},
		{"metrics", metrics.MarshalProto, func(b []byte) (cost.Usage, error) { return wide.Protobuf(cost.Metrics, b) },
			func(b []byte) error { return pmetricotlp.NewExportRequest().UnmarshalProto(b) }},
	} {
		body, err := c.marshal()
		require.NoError(b, err)
		b.Run(c.name+"/look", func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			defer cputime.Each(b)()
			for b.Loop() {
				_, err := c.look(body)
				require.NoError(b, err)
			}
		})
		b.Run(c.name+"/decode", func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			defer cputime.Each(b)()
			for b.Loop() {
				require.NoError(b, c.decode(body))
			}
		})
	}
}
