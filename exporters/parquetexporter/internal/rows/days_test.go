package rows_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/exporters/parquetexporter/internal/rows"
)

// Every row has the day of its time, also in the partition of rows that found no other; a time that no event can have has no day. The
// tenant is text, whatever its directory is taken for.
func TestDaysAndTenants(t *testing.T) {
	at := func(y int, m time.Month, d, h int) pcommon.Timestamp {
		return pcommon.NewTimestampFromTime(time.Date(y, m, d, h, 0, 0, 0, time.UTC))
	}
	want := map[pcommon.Timestamp]string{
		at(2026, 11, 24, 0): "2026-11-24", at(2026, 11, 24, 0) - 1: "2026-11-23", at(2026, 11, 24, 23): "2026-11-24",
		at(2000, 1, 1, 0): "2000-01-01", at(2000, 1, 1, 0) - 1: "", at(2099, 12, 31, 23): "2099-12-31", at(2100, 1, 1, 0): "", 0: "",
	}
	ld := plog.NewLogs()
	records := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for stamp := range want {
		records.AppendEmpty().SetTimestamp(stamp)
	}
	e := rows.NewLogs()
	seen := 0
	for _, p := range e.Split(ld, "007", 2).Partitions { // most hours are folded into the undated partition
		var buf bytes.Buffer
		require.NoError(t, e.Write(&buf, p))
		for _, r := range readRows(t, buf.Bytes()) {
			seen++
			day := ""
			if r.has("event_date") {
				day = r.cols["event_date"].(*array.Date32).Value(r.i).FormattedString()
			}
			require.Equal(t, want[pcommon.Timestamp(r.int("time_unix_nano"))], day)
			require.Equal(t, "007", r.raw("tenant_id"))
		}
	}
	require.Equal(t, len(want), seen)
}
