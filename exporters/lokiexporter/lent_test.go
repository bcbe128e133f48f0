package lokiexporter

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

// The texts of a batch can share the memory of a request, as those of the journal do. After a push the exporter keeps none of it, neither in streams nor in names.
func TestAPushKeepsNoText(t *testing.T) {
	e := start(t, nil, func(c *Config) {
		c.Labels = append(c.Labels, LabelConfig{Name: "app", Record: []string{"app"}})
	})
	request := make([]byte, 1<<20)
	text := func(s string) string {
		at := len(s)
		copy(request[at*1000:], s)
		return unsafe.String(&request[at*1000], len(s))
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
	require.NoError(t, e.ConsumeLogs(t.Context(), ld))
	w := weak.Make(&request[0])
	assert.Eventually(t, func() bool {
		runtime.GC()
		return w.Value() == nil
	}, 30*time.Second, 10*time.Millisecond)
	runtime.KeepAlive(e)
}
