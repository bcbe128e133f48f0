// Package lenttest tests that a component keeps no text of a batch. The texts of log records that come from the journal share the memory of their request, so one text
// that is kept keeps all of it.
package lenttest

import (
	"runtime"
	"testing"
	"time"
	"unsafe"
	"weak"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// Logs returns a log record of now whose texts share one piece of memory. It has the attributes app, http.route and inner, a map.
func Logs() (ld plog.Logs, memory weak.Pointer[byte]) {
	request := make([]byte, 1<<20)
	text := func(s string) string {
		at := len(s) * 1000
		copy(request[at:], s)
		return unsafe.String(&request[at], len(s))
	}
	ld = plog.NewLogs()
	lr := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	lr.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	lr.SetSeverityText(text("WARN"))
	lr.SetEventName(text("an.event.1"))
	lr.Body().SetStr(text("this is the text of the body"))
	lr.Attributes().PutStr(text("app"), text("checkout"))
	lr.Attributes().PutStr(text("http.route"), text("/api/v1"))
	lr.Attributes().PutEmptyMap(text("inner")).PutStr(text("ab"), text("c"))
	return ld, weak.Make(&request[0])
}

// Forgotten asserts that nothing keeps memory. The caller keeps what it tests alive until afterwards.
func Forgotten(t *testing.T, memory weak.Pointer[byte]) {
	t.Helper()
	assert.Eventually(t, func() bool {
		runtime.GC()
		return memory.Value() == nil
	}, 30*time.Second, 10*time.Millisecond)
}
