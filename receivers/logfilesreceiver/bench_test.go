package logfilesreceiver_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/penstockhq/penstock/receivers/logfilesreceiver"
)

// BenchmarkRead reads a file of 100 000 lines from its beginning.
func BenchmarkRead(b *testing.B) {
	const lines = 100_000
	var text strings.Builder
	for i := range lines {
		fmt.Fprintf(&text, "2026-11-24 05:00:00,%03d INFO [worker-%d] com.example.kitchen.Kettle - order %d was boiled and poured after %d ms of waiting for water\n", i%1000, i%16, i, i%977)
	}
	path := filepath.Join(b.TempDir(), "app.log")
	require.NoError(b, os.WriteFile(path, []byte(text.String()), 0o600))
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		var got atomic.Int64
		done := make(chan struct{})
		next, err := consumer.NewLogs(func(_ context.Context, logs plog.Logs) error {
			if got.Add(int64(logs.LogRecordCount())) == lines {
				close(done)
			}
			return nil
		})
		require.NoError(b, err)
		factory := logfilesreceiver.NewFactory()
		cfg := factory.CreateDefaultConfig().(*logfilesreceiver.Config)
		cfg.Include, cfg.FlushTimeout = []string{path}, 10*time.Millisecond
		r, err := factory.CreateLogs(b.Context(), receivertest.NewNopSettings(factory.Type()), cfg, next)
		require.NoError(b, err)
		require.NoError(b, r.Start(b.Context(), componenttest.NewNopHost()))
		<-done
		require.NoError(b, r.Shutdown(b.Context()))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/lines, "ns/line")
}
