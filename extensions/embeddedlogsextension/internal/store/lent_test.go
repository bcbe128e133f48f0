package store_test

import (
	"runtime"
	"testing"
	"time"
	"unsafe"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// The texts of a record can share the memory of a request, as those of the journal do. The store keeps none of it, while rows wait for others either.
func TestAddedRowsKeepNoText(t *testing.T) {
	s := open(t, t.TempDir())
	request := make([]byte, 1<<20)
	text := func(s string) string {
		at := len(s) * 1000
		copy(request[at:], s)
		return unsafe.String(&request[at], len(s))
	}
	ld := plog.NewLogs()
	lr := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	lr.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	lr.SetSeverityText(text("WARN"))
	lr.SetEventName(text("an.event.1"))
	lr.Body().SetStr(text("this is the text of the body"))
	lr.Attributes().PutStr(text("app"), text("checkout"))
	lr.Attributes().PutStr(text("http.route"), text("/api/v1"))
	lr.Attributes().PutEmptyMap(text("inner")).PutStr(text("ab"), text("c"))
	_, err := s.AddLogs(t.Context(), ld, at("acme", 1))
	require.NoError(t, err)
	w := weak.Make(&request[0])
	assert.Eventually(t, func() bool {
		runtime.GC()
		return w.Value() == nil
	}, 30*time.Second, 10*time.Millisecond)
	runtime.KeepAlive(s)
}
