package store

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"
)

// A power cut can leave rows of a stream of two days, and the stream in the index of one of them. No query that names streams finds the rows of the
// other day: they are not known, and are added again.
func TestRowsWhoseDayLostTheStreamAreNotKnown(t *testing.T) {
	set := Settings{Directory: t.TempDir(), Retention: 7 * day, MaxTenants: 1, Memory: 16 << 20, Readers: 1, Log: zap.NewNop()}
	now := time.Now()
	days := []time.Time{now.Add(-2 * day), now.Add(-day), now}
	record := plog.NewLogs()
	records := record.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for _, at := range days {
		lr := records.AppendEmpty()
		lr.SetTimestamp(pcommon.NewTimestampFromTime(at))
		lr.Body().SetStr("a row")
	}
	const log = "penstock.logs-0/x/0"
	add := func(s *Store, known func(int) bool) {
		_, err := s.AddLogs(t.Context(), record, Batch{At: Position{Log: log, Offset: 7}, Received: now, TenantOf: func(pcommon.Map) string { return "acme" }, Known: known})
		require.NoError(t, err)
		require.NoError(t, s.Flush(t.Context()))
	}
	s, err := Open(set)
	require.NoError(t, err)
	add(s, nil)
	require.NoError(t, s.Close())
	lost := filepath.Join(set.Directory, dataName, partitionsName, dayName(dayOf(days[1].UnixNano())), "indexdb")
	require.NoError(t, os.RemoveAll(lost))
	require.NoError(t, os.Mkdir(lost, 0o700))

	s, err = Open(set)
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.Close()) }()
	known, err := s.Known(t.Context(), Logs, log, 0, 100)
	require.NoError(t, err)
	assert.Equal(t, []bool{true, false, true}, []bool{known.At(7)(0), known.At(7)(1), known.At(7)(2)})
	add(s, known.At(7))
	rows := 0
	require.NoError(t, s.Run(t.Context(), Query{Text: "* | fields " + IndexField + ", " + Stream, View: View{All: true}}, func(b *Block) error { rows += b.Len(); return nil }))
	assert.Equal(t, 3, rows)
}
