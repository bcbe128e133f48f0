package lokiexporter

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/metadata"
)

// An exporter whose arena holds 256 KiB, and 100 records of two services, 20 KB each with what their resources say: eight parts.
func startInParts(t *testing.T, answer func(arrival) reply) (*lokiExporter, *workspace, *fakeLoki, plog.Logs) {
	t.Helper()
	loki := newFakeLoki(t, answer)
	cfg := createDefaultConfig().(*Config)
	cfg.ClientConfig.Endpoint = loki.server.URL
	e, err := newLokiExporter(cfg, exportertest.NewNopSettings(metadata.Type))
	require.NoError(t, err)
	require.NoError(t, e.start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { require.NoError(t, e.shutdown(context.WithoutCancel(t.Context()))) })
	w := e.workspace()
	w.most = 256 << 10
	e.keep(w)

	ld := plog.NewLogs()
	now := time.Now()
	for _, service := range []string{"a", "b"} {
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", service)
		rl.Resource().Attributes().PutStr("large", strings.Repeat(service, 20_000))
		records := rl.ScopeLogs().AppendEmpty().LogRecords()
		for i := range 50 {
			lr := records.AppendEmpty()
			lr.SetTimestamp(pcommon.NewTimestampFromTime(now.Add(time.Duration(i) * time.Millisecond)))
			lr.Body().SetStr(service + strconv.Itoa(i))
		}
	}
	return e, w, loki, ld
}

// Each entry repeats what its resource says, so a small request can become gigabytes of entries: they are sent in parts.
func TestAPushWithALargeResourceIsSentInParts(t *testing.T) {
	e, w, loki, ld := startInParts(t, nil)
	require.NoError(t, e.push(t.Context(), ld))
	assertOnce(t, loki, 100)
	assert.GreaterOrEqual(t, len(loki.arrivals), 6)
	assert.Less(t, cap(w.arena), 1<<20, "of 2 MB of entries")
}

// After a part that has to be sent again no later entry of its tenant is sent, and the error has the records of all of them.
func TestAPartThatFailsHoldsTheLaterOnes(t *testing.T) {
	for name, in := range map[string]func(context.Context) context.Context{
		"without a journal": func(ctx context.Context) context.Context { return ctx },
		"behind a journal":  func(ctx context.Context) context.Context { return (&deadLetter{}).behind(ctx, "") },
	} {
		t.Run(name, func(t *testing.T) {
			requests := 0
			e, _, loki, ld := startInParts(t, func(arrival) reply {
				if requests++; requests == 3 {
					return reply{status: http.StatusServiceUnavailable, refused: true}
				}
				return reply{status: http.StatusNoContent}
			})
			err := e.push(in(t.Context()), ld)
			var rest consumererror.Logs
			require.True(t, errors.As(err, &rest), err)
			assert.Equal(t, 3, requests)
			assert.Equal(t, 100, len(loki.stored)+rest.Data().LogRecordCount())
			require.NoError(t, e.push(in(t.Context()), rest.Data()))
			assertOnce(t, loki, 100)
		})
	}
}

func assertOnce(t *testing.T, loki *fakeLoki, n int) {
	t.Helper()
	lines := map[string]int{}
	for _, entry := range loki.stored {
		lines[entry.Line]++
	}
	assert.Len(t, lines, n)
	assert.Len(t, loki.stored, n)
}
