package nesting_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/testdata"

	"github.com/penstockhq/penstock/extensions/nestinglimitextension/internal/nesting"
)

// BenchmarkLogs compares the look at a request of 1000 records with decoding it, which follows.
func BenchmarkLogs(b *testing.B) {
	body, err := plogotlp.NewExportRequestFromLogs(testdata.GenerateLogs(1000)).MarshalProto()
	require.NoError(b, err)
	b.Run("look", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			require.False(b, nesting.ProtobufExceeds(body, 250))
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			require.NoError(b, plogotlp.NewExportRequest().UnmarshalProto(body))
		}
	})
}
