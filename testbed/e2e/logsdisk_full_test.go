//go:build full

package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/disk"
	"github.com/penstockhq/penstock/testbed/internal/ledgers"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// The disk under the store of logs is full, while the process runs and at a start: requests are acknowledged, the ledger has their records as buffered,
// the other sinks store them, and queries answer what the store has. With space again, each record is in it once.
func TestAFullDiskUnderTheSearchableLogs(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	data := t.TempDir()
	d := disk.Memory(t, filepath.Join(data, "logs"), 128<<20)
	p := process.Start(t, process.Settings{DataDir: data, Args: []string{"--set=extensions.embedded_logs.disk_reserve=16777216"}})
	sent := 0
	acknowledged := func(n int) {
		t.Helper()
		for range n {
			answer, err := send.Logs(p.HTTP(), send.LogBatch("disk", sent, batch))
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, answer.Status, answer.Body)
			sent += batch
		}
	}
	acknowledged(20)
	stored := sent
	ask.Eventually(t, func() error { return inTheStore(p, stored) })
	ask.Eventually(t, func() error { return bufferedFor(p, "logs", 0) }) // behind a flush: the engine has nothing to write

	d.Fill(t)
	acknowledged(20)
	ask.Eventually(t, func() error { return bufferedFor(p, "logs", sent-stored) })
	ask.Eventually(t, func() error { return bufferedFor(p, "lake", 0) })
	require.NoError(t, inTheStore(p, stored), "queries go on")
	require.Contains(t, p.Log(), "disk")

	p.Kill()
	p.Begin(t)
	ask.Eventually(t, func() error {
		answer, err := send.Logs(p.HTTP(), send.LogBatch("disk", sent, batch))
		if err == nil && answer.Status != http.StatusOK {
			err = fmt.Errorf("status %d: %s", answer.Status, answer.Body)
		}
		return err
	})
	sent += batch
	acknowledged(10)
	ask.Eventually(t, func() error { return bufferedFor(p, "logs", sent-stored) })
	require.False(t, p.Ended())

	d.Free(t)
	ask.Eventually(t, func() error { return inTheStore(p, sent) })
	ask.Eventually(t, func() error { return bufferedFor(p, "logs", 0) })
	require.NoError(t, inTheStore(p, sent))
}

// inTheStore says whether LogsQL finds so many records, each once.
func inTheStore(p *process.Process, want int) error {
	return answers(p, "query", url.Values{"query": {`{service.name="disk"} | stats count() rows, count_uniq(_msg) records`}}, fmt.Sprintf(`{"rows":"%d","records":"%d"}`, want, want))
}

// bufferedFor says whether the ledger has so many log records of a sink as buffered, and all others as stored.
func bufferedFor(p *process.Process, sink string, want int) error {
	a, err := ledgers.Get(p, "logs", "")
	if err != nil {
		return err
	}
	var got, stored, received int64
	for _, r := range a.Rows {
		received += r.Received
		for name, s := range r.Sinks {
			if name == sink {
				got += s.Buffered
				stored += s.Stored
			}
		}
	}
	if got != int64(want) || got+stored != received || received == 0 {
		return fmt.Errorf("%s: %d buffered and %d stored of %d: %+v", sink, got, stored, received, a.Rows)
	}
	return nil
}
