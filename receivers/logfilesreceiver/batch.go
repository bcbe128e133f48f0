package logfilesreceiver

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/logvalue"
	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/join"
	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/lines"
	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/parse"
	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/tail"
)

const (
	// batchRecords and batchBytes are the limits of a batch.
	batchRecords = 1000
	batchBytes   = 512 << 10

	// patience is how long a batch may wait for room in a queue before half of it is tried, because a batch that is larger than the queue
	// would wait forever.
	patience = 2 * time.Second
	// leastRecords is the size below which a batch is not halved.
	leastRecords = 50

	firstWait = 100 * time.Millisecond
	lastWait  = 5 * time.Second
)

// errStopped says that the process stopped before the pipeline accepted a batch.
var errStopped = errors.New("stopped")

// batch is a set of records of several files on their way into the pipeline. After its delivery the positions of its files move.
type batch struct {
	r       *logFiles
	buffer  tail.Buffer
	parser  parse.Parser
	now     time.Time // when the current lines were read
	logs    plog.Logs
	records int
	bytes   int
	groups  map[group]plog.LogRecordSlice
	last    group // file of the last record
	tail    plog.LogRecordSlice
	touched map[*source]bool
}

// group is a set of records that share a resource.
type group struct {
	src    *source
	origin parse.Origin
}

func newBatch(r *logFiles) *batch {
	b := &batch{r: r, now: time.Now()}
	b.reset()
	return b
}

func (b *batch) reset() {
	b.logs, b.records, b.bytes = plog.NewLogs(), 0, 0
	b.groups, b.last, b.touched = map[group]plog.LogRecordSlice{}, group{}, map[*source]bool{}
}

func (b *batch) full() bool { return b.records >= batchRecords || b.bytes >= batchBytes }

// touch notes that lines of a file were read, even if they are held back.
func (b *batch) touch(src *source) { b.touched[src] = true }

// add adds the next record. It can begin in another file than the one that is read, if that one's held-back lines continue here.
func (b *batch) add(record join.Record) {
	src := record.File.(*source)
	if src != b.last.src {
		b.touch(src)
	}
	clock := logvalue.Clock{Now: b.now}
	if !record.Time.IsZero() {
		clock = logvalue.Clock{Now: record.Time, Exact: true}
	}
	b.records++
	b.bytes += len(record.Text)
	lr, guessed := b.record(src)
	origin, large := b.parser.Record(record.Text, record.Trace, clock, lr)
	original := b.r.cfg.IncludeOriginal && len(record.Text) <= parse.MaxCopied
	if large || b.r.cfg.IncludeOriginal && !original {
		b.r.telemetry.ReceiverLogFilesUnliftedRecords.Add(context.Background(), 1)
	}
	if record.Part > 0 {
		b.r.telemetry.ReceiverLogFilesCutLines.Add(context.Background(), 1)
	}
	if lr.Timestamp() == 0 && !record.Time.IsZero() {
		lr.SetTimestamp(pcommon.NewTimestampFromTime(record.Time))
	}
	lr.SetObservedTimestamp(pcommon.NewTimestampFromTime(b.now))
	a := lr.Attributes()
	more := 3
	for _, extra := range [...]bool{record.Part > 0, record.Stream != lines.Plain, original} {
		if extra {
			more++
		}
	}
	a.EnsureCapacity(a.Len() + more)
	a.PutStr("log.file.name", src.name)
	a.PutStr("log.file.path", src.file.Path)
	a.PutInt("log.file.record_offset", record.Start)
	if record.Part > 0 {
		a.PutInt("log.file.record_part", int64(record.Part))
	}
	if record.Stream != lines.Plain {
		a.PutStr("log.iostream", record.Stream)
	}
	if original {
		a.PutStr("log.record.original", record.Text)
	}
	if of := (group{src, origin}); !guessed {
		lr.MoveTo(b.group(of).AppendEmpty())
	} else if of != b.last {
		b.regroup(lr, of)
	}
}

// record returns an empty record: in the last group, whose origin is verified later, or in none. Most files have one origin.
func (b *batch) record(src *source) (lr plog.LogRecord, guessed bool) {
	if b.last.src != src || src.mixed {
		return src.scratch, false
	}
	return b.tail.AppendEmpty(), true
}

// regroup moves the last record of the last group to another group.
func (b *batch) regroup(lr plog.LogRecord, to group) {
	to.src.mixed = true
	from, at := b.tail, 0
	lr.MoveTo(b.group(to).AppendEmpty())
	last := from.Len() - 1
	from.RemoveIf(func(plog.LogRecord) bool {
		at++
		return at-1 == last
	})
}

// group returns the group of a file and origin in this batch.
func (b *batch) group(g group) plog.LogRecordSlice {
	if g == b.last {
		return b.tail
	}
	records, ok := b.groups[g]
	if !ok {
		records = b.newGroup(g)
		b.groups[g] = records
	}
	b.last, b.tail = g, records
	return records
}

func (b *batch) newGroup(g group) plog.LogRecordSlice {
	resource := b.logs.ResourceLogs().AppendEmpty()
	g.src.resource(resource.Resource().Attributes(), g.origin, b.r.cfg.ServiceName)
	return resource.ScopeLogs().AppendEmpty().LogRecords()
}

// send sends the batch to the pipeline, retries while it gets retryable errors, and moves the positions. False: ctx ended first; the
// positions stay.
func (b *batch) send(ctx context.Context) bool {
	if b.records > 0 && !b.consume(ctx) {
		b.r.failed.Store(true)
		return false
	}
	for src := range b.touched {
		src.delivered()
	}
	b.reset()
	return true
}

func (b *batch) consume(ctx context.Context) bool {
	op := b.r.obs.StartLogsOp(ctx)
	err := b.deliver(ctx, b.logs, b.records)
	if errors.Is(err, errStopped) {
		return false
	}
	b.r.obs.EndLogsOp(op, "log_files", b.records, err)
	if err != nil {
		b.r.set.Logger.Error("the pipeline refused lines permanently", zap.Int("records", b.records), zap.Error(err))
	}
	return true
}

// deliver sends n records to the pipeline until it accepts them or refuses them permanently. After each refusal it tries half as many,
// because a queue can have less room than a batch needs.
func (b *batch) deliver(ctx context.Context, logs plog.Logs, n int) error {
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		try, cancel := ctx, context.CancelFunc(func() {})
		if n >= 2*leastRecords {
			try, cancel = context.WithTimeout(ctx, patience)
		}
		err := b.r.next.ConsumeLogs(try, logs)
		cancel()
		if err == nil || consumererror.IsPermanent(err) {
			return err
		}
		b.r.set.Logger.Debug("the pipeline refused lines and is retried", zap.Int("records", n), zap.Error(err))
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return errStopped
		case <-timer.C:
		}
		if n < 2*leastRecords {
			continue
		}
		first := takeRecords(logs, n/2)
		err = b.deliver(ctx, first, n/2)
		if errors.Is(err, errStopped) {
			return err
		}
		return errors.Join(err, b.deliver(ctx, logs, n-n/2))
	}
}

// takeRecords moves the first n records to new logs.
func takeRecords(from plog.Logs, n int) plog.Logs {
	to := plog.NewLogs()
	from.ResourceLogs().RemoveIf(func(resource plog.ResourceLogs) bool {
		if n == 0 {
			return false
		}
		all := resource.ScopeLogs().At(0).LogRecords()
		moved := to.ResourceLogs().AppendEmpty()
		if all.Len() <= n {
			n -= all.Len()
			resource.MoveTo(moved)
			return true
		}
		resource.Resource().CopyTo(moved.Resource())
		records := moved.ScopeLogs().AppendEmpty().LogRecords()
		all.RemoveIf(func(record plog.LogRecord) bool {
			if n == 0 {
				return false
			}
			n--
			record.MoveTo(records.AppendEmpty())
			return true
		})
		return false
	})
	return to
}
