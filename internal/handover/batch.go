package handover

import (
	"sync"

	"go.opentelemetry.io/collector/pdata/plog"
)

const (
	// batchRecords and batchBytes fill a batch, whichever is reached first.
	batchRecords = 2000
	batchBytes   = 1 << 20
)

// Origin identifies a record's resource; no field is empty.
type Origin struct{ Host, Service string }

// Batch collects records while the pipeline processes the previous ones. Add waits while it is full, so it holds at most 2000 records or 1 MiB,
// plus one record. It is safe for concurrent use.
type Batch struct {
	scope string

	mu      sync.Mutex
	changed *sync.Cond
	taken   Taken                          // guarded by mu
	origins map[Origin]plog.LogRecordSlice // guarded by mu
	bytes   int                            // guarded by mu
	closed  bool                           // guarded by mu
}

// Taken is the records of a batch.
type Taken struct {
	Logs    plog.Logs
	Records int
	// Position is that of the last record.
	Position string
}

// NewBatch returns an empty batch, whose records have the instrumentation scope of that name.
func NewBatch(scope string) *Batch {
	b := &Batch{scope: scope}
	b.changed = sync.NewCond(&b.mu)
	b.resetLocked()
	return b
}

func (b *Batch) resetLocked() {
	b.taken, b.origins, b.bytes = Taken{Logs: plog.NewLogs()}, map[Origin]plog.LogRecordSlice{}, 0
}

// Add moves a record of some size into the batch when there is space. It reports false if the batch was closed before. position is where its source
// continues after it.
func (b *Batch) Add(from Origin, record plog.LogRecord, size int, position string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for !b.closed && (b.taken.Records >= batchRecords || b.bytes >= batchBytes) {
		b.changed.Wait()
	}
	if b.closed {
		return false
	}
	records, ok := b.origins[from]
	if !ok {
		resource := b.taken.Logs.ResourceLogs().AppendEmpty()
		resource.Resource().Attributes().PutStr("service.name", from.Service)
		resource.Resource().Attributes().PutStr("host.name", from.Host)
		scope := resource.ScopeLogs().AppendEmpty()
		scope.Scope().SetName(b.scope)
		records = scope.LogRecords()
		b.origins[from] = records
	}
	record.MoveTo(records.AppendEmpty())
	b.taken.Records++
	b.taken.Position = position
	b.bytes += size
	b.changed.Broadcast()
	return true
}

// Take waits for records and returns all of them. It reports false when the batch is closed and has none.
func (b *Batch) Take() (Taken, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.taken.Records == 0 {
		if b.closed {
			return Taken{}, false
		}
		b.changed.Wait()
	}
	taken := b.taken
	b.resetLocked()
	b.changed.Broadcast()
	return taken, true
}

// Close makes Add refuse records from now on. Take still returns the collected ones.
func (b *Batch) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.changed.Broadcast()
}
