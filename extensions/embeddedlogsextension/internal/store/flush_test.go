package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"
)

// The engine tells the rows in its buffers of the newest day alone. A row of an older one that is there is not durable either.
func TestARowOfAnOlderDayIsNotDurableBeforeItsFlush(t *testing.T) {
	s, err := Open(Settings{Directory: t.TempDir(), Retention: 7 * day, MaxTenants: 1, Memory: 16 << 20, Log: zap.NewNop()})
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.Close()) }()
	older := time.Now().Add(-day)
	addRowAt(t, s, older) // its stream is known of then on
	addRowAt(t, s, time.Now())
	require.NoError(t, s.Flush(t.Context()))
	require.True(t, s.settled())

	addRowAt(t, s, older)
	s.settleBuffers()
	assert.False(t, s.settled(), "a checkpoint would go past the row")
}

// An addition that waits for a flush holds no rows of an earlier one: the flush would pass them.
func TestAFlushHasTheRowsOfEarlierAdditions(t *testing.T) {
	s, err := Open(Settings{Directory: t.TempDir(), Retention: 7 * day, MaxTenants: 1, Memory: 16 << 20, Log: zap.NewNop()})
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.Close()) }()
	addRowAt(t, s, time.Now())
	s.adding.Lock() // as a flush does
	added := make(chan struct{})
	go func() {
		defer close(added)
		addRowAt(t, s, time.Now())
	}()
	assert.Eventually(t, func() bool { return len(s.buffers.used) == 1 }, 30*time.Second, time.Millisecond)
	s.handOver()
	assert.Zero(t, s.buffers.rows.Load(), "rows that the engine does not have")
	s.adding.Unlock()
	<-added
}

// A sender that leaves no pause has the buffer whenever the time is over. Its rows don't wait until the buffer is full.
func TestABufferThatIsAlwaysInUseIsHandedOver(t *testing.T) {
	s, err := Open(Settings{Directory: t.TempDir(), Retention: 7 * day, MaxTenants: 1, Memory: 16 << 20, Log: zap.NewNop()})
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.Close()) }()
	var used []*buffer
	for used == nil || used[0].size == 0 { // on a busy machine its rows may be gone already
		addRowAt(t, s, time.Now())
		used = s.buffers.drain()
	}
	used[0].since = used[0].since.Add(-maxBufferAge) // the time is over, and nobody has handed it over
	s.adding.Lock()
	s.buffers.free = used
	s.adding.Unlock()
	addRowAt(t, s, time.Now())
	assert.Zero(t, s.buffers.rows.Load())
}

func addRowAt(t *testing.T, s *Store, at time.Time) {
	t.Helper()
	ld := plog.NewLogs()
	lr := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	lr.SetTimestamp(pcommon.NewTimestampFromTime(at))
	lr.Body().SetStr("a row")
	_, err := s.AddLogs(t.Context(), ld, Batch{Received: time.Now(), TenantOf: func(pcommon.Map) string { return "acme" }})
	require.NoError(t, err)
}
