package kafkareplayreceiver_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/journal"
	kafkareplay "github.com/penstockhq/penstock/receivers/kafkareplayreceiver"
)

// files is a sink that names its output by the range of the journal, like the lake, so that a second version replaces the first.
type files struct {
	mu      sync.Mutex
	written map[string][]string // guarded by mu; bodies, by name
	left    int                 // guarded by mu; files until the disk is gone
	gone    chan struct{}       // closed when it is
	once    sync.Once
	unnamed int // guarded by mu; batches without a range
}

func (f *files) consume(ctx context.Context, ld plog.Logs) error {
	var rows []string
	for _, rl := range ld.ResourceLogs().All() {
		rows = append(rows, rl.ScopeLogs().At(0).LogRecords().At(0).Body().Str())
	}
	if len(rows) == 0 {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left == 0 {
		f.once.Do(func() { close(f.gone) })
		return errors.New("the disk is gone")
	}
	name := strings.Join(rows, " ") // like the lake without a range: equal rows have one name
	if part := delivery.Of(ctx).Part; part != nil {
		name = fmt.Sprintf("%d-%d-%d", part.First, part.Next, part.Index)
	} else {
		f.unnamed++
	}
	if _, again := f.written[name]; !again {
		f.left--
	}
	f.written[name] = rows
	return nil
}

// A job whose ranges are recorded writes the same files after a failure in the middle of a range, although it would now cut ranges
// differently: the first run has ranges of ten records, the second of forty. Without recorded, a row is in a file of each run.
func TestAJobsRangesComeAgainWithTheBoundsTheyHad(t *testing.T) {
	const records, sender = 40, 3 // each sender has so many records in a row, which are one file, or two where a range ends
	w := newWorld(t)
	at := time.Now().Add(-time.Minute)
	for i := range records {
		w.writeAt(t, fmt.Sprint("team-", i/sender%2), "key", at, fmt.Sprint("row", i))
	}
	sink := &files{written: map[string][]string{}, left: 6, gone: make(chan struct{})} // a range has four files or five
	start := func(workers int) (*adminHost, func()) {
		host, factory := newAdminHost(), kafkareplay.NewFactory()
		cfg := jobsConfig(t, w)
		jobs := cfg.Jobs.Get()
		jobs.Workers, jobs.Recorded = workers, []journal.Signal{journal.Logs}
		next, err := consumer.NewLogs(sink.consume)
		require.NoError(t, err)
		set := receivertest.NewNopSettings(factory.Type())
		set.ID = component.MustNewIDWithName("kafka_replay", "jobs") // each start the same, so that it finds the job
		r, err := factory.CreateLogs(t.Context(), set, cfg, next)
		require.NoError(t, err)
		require.NoError(t, r.Start(t.Context(), host))
		t.Cleanup(func() { require.NoError(t, r.Shutdown(context.Background())) })
		return host, func() { require.NoError(t, r.Shutdown(context.Background())) }
	}
	host, stop := start(4)
	status, out := host.create(t, fmt.Sprintf(`{"id":"refill","from":"-1h","records_per_second":%d}`, records))
	require.Equal(t, http.StatusCreated, status, out)
	select {
	case <-sink.gone:
	case <-time.After(30 * time.Second):
		require.Fail(t, "the job wrote no second range")
	}
	stop()
	sink.mu.Lock()
	before := len(sink.written)
	sink.left = 1000
	sink.mu.Unlock()
	require.Equal(t, 6, before)

	host, _ = start(1)
	require.Eventually(t, func() bool { // until it has read the log
		status, _ := host.ask(t, "GET", "/replays/refill", "")
		return status == http.StatusOK
	}, 30*time.Second, 20*time.Millisecond)
	assert.EqualValues(t, records, counts(host.await(t, "refill", "done"))["records"])
	sink.mu.Lock()
	defer sink.mu.Unlock()
	assert.Zero(t, sink.unnamed)
	rows := map[string]int{}
	for _, bodies := range sink.written {
		for _, b := range bodies {
			rows[b]++
		}
	}
	assert.Len(t, rows, records)
	for row, n := range rows {
		assert.Equal(t, 1, n, row)
	}
}
