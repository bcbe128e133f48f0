package rows_test

import (
	"io"
	"runtime"
	"testing"
	"unsafe"
	"weak"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/exporters/parquetexporter/internal/rows"
	"github.com/penstockhq/penstock/internal/lenttest"
)

// The texts of a batch can share the memory of a request, as those of the journal do. A released encoder keeps none of it.
func TestAReleasedEncoderKeepsNoText(t *testing.T) {
	e := rows.NewLogs()
	kept := func(attributes int) weak.Pointer[byte] {
		request := make([]byte, 1<<20)
		for i := range request {
			request[i] = 'a' + byte(i%26)
		}
		text := func(from, n int) string { return unsafe.String(&request[from], n) }
		ld := plog.NewLogs()
		lr := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		lr.SetTimestamp(1_790_000_000_000_000_000)
		lr.SetSeverityText(text(1, 3))
		lr.SetEventName(text(2, 5))
		lr.Body().SetStr(text(100, 10_000))
		for i := range attributes {
			lr.Attributes().PutStr(text(i, 4+i), text(i, 10))
		}
		lr.Attributes().PutEmptySlice(text(9, 9)).AppendEmpty().SetStr(text(10, 10))
		require.NoError(t, e.Write(io.Discard, e.Split(ld, "", 256).Partitions[0]))
		e.Release()
		return weak.Make(&request[0])
	}
	for _, n := range []int{20, 10, 5} {
		lenttest.Forgotten(t, kept(n))
	}
	runtime.KeepAlive(e)
}
