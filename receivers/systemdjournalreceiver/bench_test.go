package systemdjournalreceiver

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver/receivertest"
)

// BenchmarkFollow reads 20 000 entries that a journalctl has already written, each with the 20 fields of a service's entry. It includes
// the time of cat, which provides them, and not that of journalctl.
func BenchmarkFollow(b *testing.B) {
	const entries = 20_000
	dir := b.TempDir()
	file, err := os.Create(dir + "/journal")
	require.NoError(b, err)
	size := 0
	for i := range entries {
		n, err := fmt.Fprintf(file, `{"__CURSOR":"s=5f1c;i=%x;b=9a;m=1;t=2;x=3","__REALTIME_TIMESTAMP":"17954964%08d","__MONOTONIC_TIMESTAMP":"1%d","_BOOT_ID":"9a5b0c7de1f24c0c8d7e6f5a4b3c2d1e",`+
			`"_MACHINE_ID":"0f1e2d3c4b5a69788796a5b4c3d2e1f0","_HOSTNAME":"web-1","PRIORITY":"6","SYSLOG_FACILITY":"3","SYSLOG_IDENTIFIER":"kettle","_UID":"1000","_GID":"1000",`+
			`"_COMM":"kettle","_EXE":"/usr/bin/kettle","_CMDLINE":"/usr/bin/kettle --port 8080","_PID":"4711","_SYSTEMD_UNIT":"kettle.service","_SYSTEMD_CGROUP":"/system.slice/kettle.service",`+
			`"_SYSTEMD_SLICE":"system.slice","_TRANSPORT":"stdout","MESSAGE":"order %d was boiled and poured after %d ms of waiting for water"}`+"\n", i, i, i, i, i%977)
		require.NoError(b, err)
		size += n
	}
	require.NoError(b, file.Close())
	program := dir + "/journalctl"
	require.NoError(b, os.WriteFile(program, []byte("#!/bin/sh\ncat '"+dir+"/journal'; exec sleep 600\n"), 0o700))
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		var got atomic.Int64
		done := make(chan struct{})
		next, err := consumer.NewLogs(func(_ context.Context, logs plog.Logs) error {
			if got.Add(int64(logs.LogRecordCount())) == entries {
				close(done)
			}
			return nil
		})
		require.NoError(b, err)
		factory := NewFactory()
		cfg := createDefaultConfig().(*Config)
		cfg.JournalctlPath, cfg.StartAt = program, "beginning"
		r, err := factory.CreateLogs(b.Context(), receivertest.NewNopSettings(factory.Type()), cfg, next)
		require.NoError(b, err)
		require.NoError(b, r.Start(b.Context(), componenttest.NewNopHost()))
		<-done
		require.NoError(b, r.Shutdown(context.Background()))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/entries, "ns/entry")
}
