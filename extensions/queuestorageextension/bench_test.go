package queuestorageextension_test

import (
	"context"
	"sync"
	"testing"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/extensions/queuestorageextension"
	"github.com/penstockhq/penstock/internal/cputime"
)

// BenchmarkQueue sends requests of 100 records of 100 bytes through the real queue: in, out, removed. The peer is file_storage with
// the same fsync; compare `-bench . -count 5` of the two.
func BenchmarkQueue(b *testing.B) {
	for _, fsync := range []bool{true, false} {
		name := map[bool]string{true: "fsync", false: "nosync"}[fsync]
		b.Run("file_storage/"+name, func(b *testing.B) {
			factory := filestorage.NewFactory()
			cfg := factory.CreateDefaultConfig().(*filestorage.Config)
			cfg.Directory, cfg.FSync = b.TempDir(), fsync
			ext, err := factory.Create(b.Context(), extensiontest.NewNopSettings(factory.Type()), cfg)
			require.NoError(b, err)
			benchmark(b, ext)
		})
		b.Run("queue_storage/"+name, func(b *testing.B) {
			factory := queuestorageextension.NewFactory()
			cfg := factory.CreateDefaultConfig().(*queuestorageextension.Config)
			cfg.Directory, cfg.FSync = b.TempDir(), fsync
			ext, err := factory.Create(b.Context(), extensiontest.NewNopSettings(factory.Type()), cfg)
			require.NoError(b, err)
			benchmark(b, ext)
		})
	}
}

func benchmark(b *testing.B, ext extension.Extension) {
	require.NoError(b, ext.Start(b.Context(), componenttest.NewNopHost()))
	var all sync.WaitGroup
	logs := newExporter(b, false, func(context.Context, plog.Logs) error {
		all.Done()
		return nil
	})
	require.NoError(b, logs.Start(b.Context(), hostWith{componenttest.NewNopHost(), ext.(storage.Extension)}))
	batch := plog.NewLogs()
	records := batch.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for range 100 {
		records.AppendEmpty().Body().SetStr("a line of about a hundred bytes, as applications write them: GET /index.html 200 in 12.5 ms by abc")
	}
	b.ReportAllocs()
	defer cputime.Each(b)()
	for b.Loop() {
		all.Add(1)
		require.NoError(b, logs.ConsumeLogs(b.Context(), batch))
		all.Wait()
	}
	require.NoError(b, logs.Shutdown(context.Background()))
	require.NoError(b, ext.Shutdown(context.Background()))
}
