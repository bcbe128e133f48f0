package syslogserverreceiver

import (
	"sync"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/receivers/syslogserverreceiver/internal/metadata"
)

const (
	// batchRecords and batchBytes end a batch, whichever comes first.
	batchRecords = 2000
	batchBytes   = 1 << 20
)

// sender is what a resource is made of.
type sender struct{ host, app string }

// batch collects the records of all sockets while the pipeline takes those before them. Senders wait while it is full. It is safe for
// concurrent use.
type batch struct {
	mu      sync.Mutex
	changed *sync.Cond
	logs    plog.Logs
	senders map[sender]plog.LogRecordSlice
	records int
	bytes   int
	closed  bool
}

func newBatch() *batch {
	b := &batch{}
	b.changed = sync.NewCond(&b.mu)
	b.resetLocked()
	return b
}

func (b *batch) resetLocked() {
	b.logs, b.senders, b.records, b.bytes = plog.NewLogs(), map[sender]plog.LogRecordSlice{}, 0, 0
}

// add takes a record of some size when there is room for it, and reports false if the batch was closed before.
func (b *batch) add(from sender, record plog.LogRecord, size int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for !b.closed && (b.records >= batchRecords || b.bytes >= batchBytes) {
		b.changed.Wait()
	}
	if b.closed {
		return false
	}
	records, ok := b.senders[from]
	if !ok {
		resource := b.logs.ResourceLogs().AppendEmpty()
		resource.Resource().Attributes().PutStr("service.name", from.app)
		resource.Resource().Attributes().PutStr("host.name", from.host)
		scope := resource.ScopeLogs().AppendEmpty()
		scope.Scope().SetName(metadata.ScopeName)
		records = scope.LogRecords()
		b.senders[from] = records
	}
	record.MoveTo(records.AppendEmpty())
	b.records++
	b.bytes += size
	b.changed.Broadcast()
	return true
}

// take waits for records and returns all there are; ok is false when the batch is closed and has none.
func (b *batch) take() (logs plog.Logs, records int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.records == 0 {
		if b.closed {
			return plog.Logs{}, 0, false
		}
		b.changed.Wait()
	}
	logs, records = b.logs, b.records
	b.resetLocked()
	b.changed.Broadcast()
	return logs, records, true
}

// close lets add refuse records from now on. take still returns those that are there.
func (b *batch) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.changed.Broadcast()
}
