package embeddedlogsexporter

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/penstockhq/penstock/exporters/embeddedlogsexporter/internal/metadata"
	"github.com/penstockhq/penstock/internal/delivery"
)

type rowID struct {
	log    string
	offset int64
	index  int
}

// fakeStore counts how often each row was added. It refuses a record that is in the way.
type fakeStore struct {
	component.Component
	rows     map[rowID]int
	inTheWay bool
	most     int // rows that it takes of a batch before it fails; 0: all
	gone     error
}

func (f *fakeStore) AddLogs(_ context.Context, ld plog.Logs, log string, offset int64, _ time.Time, _ func(pcommon.Map) string, known func(int) bool, _ bool) (int, map[string]int, error) {
	if f.inTheWay {
		return 0, nil, errors.New("disk full")
	}
	rows := 0
	for i := range ld.LogRecordCount() {
		if known == nil || !known(i) {
			if f.most > 0 && rows == f.most {
				return 0, nil, errors.New("disk full")
			}
			f.rows[rowID{log, offset, i}]++
			rows++
		}
	}
	return rows, nil, nil
}

func (f *fakeStore) AddTraces(context.Context, ptrace.Traces, string, int64, time.Time, func(pcommon.Map) string, func(int) bool, bool) (int, map[string]int, error) {
	return 0, nil, errors.New("no traces here")
}

func (f *fakeStore) Known(_ context.Context, _ bool, log string, from, to int64) (func(int64) func(int) bool, int64, error) {
	next := int64(0)
	has := map[rowID]bool{} // without the log
	offsets := map[int64]bool{}
	for id := range f.rows {
		if (id.log == log || strings.HasSuffix(log, "/") && strings.HasPrefix(id.log, log)) && id.offset >= from {
			next = max(next, id.offset+1)
			if id.offset < to {
				has[rowID{"", id.offset, id.index}], offsets[id.offset] = true, true
			}
		}
	}
	return func(offset int64) func(int) bool {
		if !offsets[offset] {
			return nil
		}
		return func(i int) bool { return has[rowID{"", offset, i}] }
	}, next, nil
}

func (f *fakeStore) Sync(context.Context) (string, error) { return "here/1", nil }

func (f *fakeStore) Holds(string) (error, error) { return f.gone, nil }

type host struct {
	component.Host
	extensions map[component.ID]component.Component
}

func (h host) GetExtensions() map[component.ID]component.Component { return h.extensions }

var storeID = component.MustNewID("embedded_logs")

func newLogs(t testing.TB, s component.Component) exporter.Logs {
	t.Helper()
	cfg := createDefaultConfig().(*Config)
	cfg.Store = storeID
	cfg.Retry.Enabled = false
	logs, err := NewFactory().CreateLogs(t.Context(), exportertest.NewNopSettings(metadata.Type), cfg)
	require.NoError(t, err)
	require.NoError(t, logs.Start(t.Context(), host{extensions: map[component.ID]component.Component{storeID: s}}))
	t.Cleanup(func() { assert.NoError(t, logs.Shutdown(context.Background())) })
	return logs
}

func session(t testing.TB, source delivery.Source, next int64) *delivery.Session {
	t.Helper()
	return cutSession(t, source, next, 0)
}

// cutSession is a session that found its log cut so often.
func cutSession(t testing.TB, source delivery.Source, next int64, generation uint32) *delivery.Session {
	t.Helper()
	label := "penstock.logs-0"
	if id, ok := source.Job(); ok {
		label += "@" + id // as the receiver labels jobs
	}
	s, err := delivery.NewSession(delivery.Settings{Label: label, Source: source, Next: next, Generation: generation})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// deliver sends the record at offset, of n rows.
func deliver(t *testing.T, to exporter.Logs, s *delivery.Session, offset int64, n int) error {
	t.Helper()
	ld := plog.NewLogs()
	records := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for range n {
		records.AppendEmpty().Body().SetStr("x")
	}
	return to.ConsumeLogs(delivery.Delivery{Session: s, At: &delivery.At{Offset: offset, Time: time.Now(), Whole: true}}.In(t.Context()), ld)
}

// join is the empty batch with which a worker begins.
func join(t testing.TB, to exporter.Logs, s *delivery.Session) {
	t.Helper()
	require.NoError(t, to.ConsumeLogs(delivery.With(t.Context(), s), plog.NewLogs()))
}

func once(t *testing.T, s *fakeStore, rows int) {
	t.Helper()
	assert.Len(t, s.rows, rows)
	for id, n := range s.rows {
		assert.Equal(t, 1, n, "%v", id)
	}
}

// A session that begins behind its checkpoint adds what the store lacks, and nothing twice.
func TestRowsBehindTheCheckpointAreAddedOnce(t *testing.T) {
	s := &fakeStore{rows: map[rowID]int{}}
	logs := newLogs(t, s)
	first := session(t, delivery.Live, 0)
	join(t, logs, first)
	assert.True(t, first.ByRecord())
	assert.Positive(t, first.SyncEvery())
	for offset := range int64(5) {
		require.NoError(t, deliver(t, logs, first, offset, 3))
	}
	delete(s.rows, rowID{first.Log(), 4, 2}) // a kill took it
	delete(s.rows, rowID{first.Log(), 3, 0})
	first.Close()
	again := session(t, delivery.Live, 2)
	join(t, logs, again)
	for offset := int64(2); offset < 8; offset++ {
		require.NoError(t, deliver(t, logs, again, offset, 3))
	}
	once(t, s, 8*3)
}

// What the store does not take now comes again; what it took of a batch that failed does not.
func TestAStoreThatTakesNothing(t *testing.T) {
	s := &fakeStore{rows: map[rowID]int{}, inTheWay: true}
	logs := newLogs(t, s)
	live := session(t, delivery.Live, 0)
	join(t, logs, live)
	require.ErrorContains(t, deliver(t, logs, live, 0, 2), "disk full")
	s.inTheWay = false
	require.NoError(t, deliver(t, logs, live, 0, 2))
	once(t, s, 2)
}

func TestABatchThatFailedInTheMiddleIsCompleted(t *testing.T) {
	for _, source := range []delivery.Source{delivery.Live, delivery.JobSource("again", time.Now())} {
		s := &fakeStore{rows: map[rowID]int{}}
		logs := newLogs(t, s)
		from := session(t, source, 0)
		join(t, logs, from)
		require.NoError(t, deliver(t, logs, from, 0, 5))
		s.most = 2
		for range 2 {
			require.ErrorContains(t, deliver(t, logs, from, 1, 5), "disk full")
		}
		s.most = 0
		for offset := int64(1); offset < 4; offset++ {
			require.NoError(t, deliver(t, logs, from, offset, 5))
		}
		once(t, s, 4*5)
	}
}

// A job fills what is missing, and leaves to live delivery what that is still to bring.
func TestAJobAndLiveDeliveryAddNothingTwice(t *testing.T) {
	s := &fakeStore{rows: map[rowID]int{}}
	logs := newLogs(t, s)
	live := session(t, delivery.Live, 0)
	join(t, logs, live)
	for offset := range int64(4) {
		require.NoError(t, deliver(t, logs, live, offset, 2))
	}
	delete(s.rows, rowID{live.Log(), 1, 0}) // erased, or lost
	delete(s.rows, rowID{live.Log(), 1, 1})
	job := session(t, delivery.JobSource("again", time.Now()), 0)
	join(t, logs, job)
	for offset := range int64(8) {
		require.NoError(t, deliver(t, logs, job, offset, 2))
	}
	once(t, s, 4*2)
	for offset := int64(4); offset < 8; offset++ {
		require.NoError(t, deliver(t, logs, live, offset, 2))
	}
	once(t, s, 8*2)
}

// Live delivery counts how often it found the log cut. A job began later, or with a position of its own, and counts otherwise.
func TestAJobAfterTheLogWasCutAddsNothingTwice(t *testing.T) {
	s := &fakeStore{rows: map[rowID]int{}}
	logs := newLogs(t, s)
	before := session(t, delivery.Live, 0)
	join(t, logs, before)
	for offset := range int64(4) {
		require.NoError(t, deliver(t, logs, before, offset, 2))
	}
	before.Close()
	live := cutSession(t, delivery.Live, 3, 1)
	join(t, logs, live)
	for offset := int64(3); offset < 6; offset++ { // 3 is another record than before
		require.NoError(t, deliver(t, logs, live, offset, 2))
	}
	once(t, s, 7*2)
	delete(s.rows, rowID{live.Log(), 4, 0}) // lost
	for _, id := range []string{"again", "and_again"} {
		job := session(t, delivery.JobSource(id, time.Now()), 0)
		join(t, logs, job)
		for offset := range int64(8) {
			require.NoError(t, deliver(t, logs, job, offset, 2))
		}
		once(t, s, 7*2)
	}
	assert.Contains(t, s.rows, rowID{live.Log(), 4, 0}, "live delivery, which reads behind its checkpoint again, looks there")
	for offset := int64(6); offset < 8; offset++ {
		require.NoError(t, deliver(t, logs, live, offset, 2))
	}
	once(t, s, 9*2)
}

func TestABatchOfSeveralRecordsIsAnError(t *testing.T) {
	logs := newLogs(t, &fakeStore{rows: map[rowID]int{}})
	ld := plog.NewLogs()
	ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	require.ErrorIs(t, logs.ConsumeLogs(delivery.With(t.Context(), session(t, delivery.Live, 0)), ld), errNoRecord)
}

func TestAStoreThatIsNotThere(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	assert.ErrorContains(t, cfg.Validate(), "store: ")
	cfg.Store = storeID
	logs, err := NewFactory().CreateLogs(t.Context(), exportertest.NewNopSettings(metadata.Type), cfg)
	require.NoError(t, err)
	assert.ErrorContains(t, logs.Start(t.Context(), host{}), `store: extension "embedded_logs" is not in service::extensions`)
}
