package queuestorageextension_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/extensions/queuestorageextension"
)

const consumers = 4

var storageID = component.MustNewID("queue_storage")

// ledger is the knowledge of a client and a sink: requests answered with success, and how often each one arrived.
type ledger struct {
	mu        sync.Mutex
	accepted  []int64
	delivered map[int64]int
}

func (l *ledger) lostAndDoubled() (lost, doubled int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range l.accepted {
		if l.delivered[id] == 0 {
			lost++
		}
	}
	for _, times := range l.delivered {
		doubled += times - 1
	}
	return lost, doubled
}

// life runs one process: an exporter with the real persistent queue over a storage.
type life struct {
	process *process
	stock   bool // the queue sees the storage directly, without queue_storage
	batch   bool
	// holds says which requests the sink keeps without an answer, as one that hangs does; nil: none.
	holds func(id int64) bool
	// offers are the requests that a client sends.
	offers []int64
	host   component.Host // nil: one that does nothing
}

// run lets the process live until it has nothing more to do, or dies. It must be called in a synctest bubble.
func (l life) run(t *testing.T, book *ledger) {
	t.Helper()
	ctx := context.Background()
	host := l.host
	if host == nil {
		host = componenttest.NewNopHost()
	}
	var files storage.Extension = l.process
	if !l.stock {
		ext := newExtension(t, t.TempDir())
		queuestorageextension.ReplaceFiles(ext, l.process)
		require.NoError(t, ext.Start(ctx, host))
		defer func() { assert.NoError(t, ext.Shutdown(ctx)) }()
		files = ext.(storage.Extension)
	}
	logs := newExporter(t, l.batch, func(ctx context.Context, batch plog.Logs) error {
		for _, id := range ids(batch) {
			if l.holds != nil && l.holds(id) {
				<-l.process.dead
				return errDead
			}
		}
		alive := l.process.whileAlive(func() {
			book.mu.Lock()
			defer book.mu.Unlock()
			for _, id := range ids(batch) {
				book.delivered[id]++
			}
		})
		if !alive {
			return errDead
		}
		return nil
	})
	if err := logs.Start(ctx, hostWith{host, files}); err != nil {
		require.False(t, l.process.whileAlive(func() {}), "a start fails only when the process dies: %v", err)
		return
	}
	for _, id := range l.offers {
		if logs.ConsumeLogs(ctx, request(id)) == nil {
			l.process.whileAlive(func() {
				book.mu.Lock()
				defer book.mu.Unlock()
				book.accepted = append(book.accepted, id)
			})
		}
	}
	time.Sleep(time.Minute) // of the bubble's time: batches flush, reads of a dead process fail
	synctest.Wait()
	if l.holds != nil {
		l.process.kill()
		time.Sleep(time.Minute)
	}
	err := logs.Shutdown(ctx)
	if l.process.whileAlive(func() {}) {
		require.NoError(t, err)
	}
}

// A process is killed while consumers hold requests, the next one at every operation of its life, recovery included, and so on; the
// last may finish.
func TestKilledAtEveryOperationNothingIsLost(t *testing.T) {
	held := map[string]func(id int64) bool{
		"first requests in flight": func(id int64) bool { return id < consumers },
		"gaps between them":        func(id int64) bool { return id == 0 || id == 3 || id == 7 || id == 12 },
		"all through":              func(id int64) bool { return id > 100 },
	}
	for name, holds := range held {
		for _, batch := range []bool{false, true} {
			for _, withEffect := range []bool{false, true} {
				for _, deaths := range []int{1, 3} {
					t.Run(fmt.Sprintf("%s/batch=%v/after=%v/deaths=%d", name, batch, withEffect, deaths), func(t *testing.T) {
						lives := killAtEvery(t, batch, withEffect, deaths, holds, func(dieAt, lost, doubled, inFlight int) {
							assert.Zero(t, lost, "killed at operation %d", dieAt)
							assert.LessOrEqual(t, doubled, inFlight, "killed at operation %d", dieAt)
						}, false)
						assert.Greater(t, lives, 10, "the recovery has that many operations at least")
					})
				}
			}
		}
	}
}

// The same with the stock storage: it shows what the extension is for, and that the check above can fail.
func TestStockRecoveryLosesRequests(t *testing.T) {
	worst := 0
	killAtEvery(t, false, false, 1, func(id int64) bool { return id < consumers }, func(_, lost, _, _ int) {
		worst = max(worst, lost)
	}, true)
	assert.Equal(t, consumers, worst, "killed after the deletes and before the first put, all that was in flight is gone")
}

// killAtEvery plays the scenario for operation 1, 2, ... until the process outlives it, and reports each outcome with the number
// of requests that were in flight when processes died.
func killAtEvery(t *testing.T, batch, withEffect bool, deaths int, holds func(int64) bool,
	report func(dieAt, lost, doubled, inFlight int), stock bool) (lives int) {
	t.Helper()
	for dieAt := 1; ; dieAt++ {
		outlived := false
		synctest.Test(t, func(t *testing.T) {
			book := &ledger{delivered: make(map[int64]int)}
			hard := &disk{}
			life{process: hard.process(), stock: stock, batch: batch, holds: holds, offers: sequence(0, 16)}.run(t, book)
			for i := range deaths {
				next := hard.process()
				next.dieAt, next.withEffect = dieAt, withEffect
				offers := sequence(int64(20+4*i), 4)
				life{process: next, stock: stock, batch: batch, offers: offers}.run(t, book)
				outlived = next.whileAlive(func() {})
			}
			life{process: hard.process(), stock: stock, batch: batch}.run(t, book)
			lost, doubled := book.lostAndDoubled()
			inFlight := consumers * deaths
			if batch {
				inFlight = 20 * deaths // a batch holds all that waits
			}
			report(dieAt, lost, doubled, inFlight)
		})
		if outlived {
			return dieAt
		}
	}
}

func newExporter(t testing.TB, batch bool, push func(context.Context, plog.Logs) error) exporter.Logs {
	t.Helper()
	queue := exporterhelper.NewDefaultQueueConfig()
	queue.StorageID = &storageID
	queue.NumConsumers = consumers
	if batch {
		queue.Batch = configoptional.Some(exporterhelper.BatchConfig{
			FlushTimeout: time.Second, Sizer: exporterhelper.RequestSizerTypeItems, MinSize: 5,
		})
	}
	retry := configretry.NewDefaultBackOffConfig()
	retry.MaxElapsedTime = 0
	set := exportertest.NewNopSettings(component.MustNewType("sink"))
	set.ID = component.NewID(component.MustNewType("sink")) // the same queue in every life
	logs, err := exporterhelper.NewLogs(context.Background(), set, &struct{}{}, push,
		exporterhelper.WithQueue(configoptional.Some(queue)), exporterhelper.WithRetry(retry))
	require.NoError(t, err)
	return logs
}

// request is one log record that carries id.
func request(id int64) plog.Logs {
	logs := plog.NewLogs()
	logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetInt(id)
	return logs
}

func ids(logs plog.Logs) []int64 {
	var all []int64
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				all = append(all, record.Body().Int())
			}
		}
	}
	return all
}

func sequence(from int64, count int) []int64 {
	all := make([]int64, count)
	for i := range all {
		all[i] = from + int64(i)
	}
	return all
}

type hostWith struct {
	component.Host
	storage storage.Extension
}

func (h hostWith) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{storageID: h.storage}
}
