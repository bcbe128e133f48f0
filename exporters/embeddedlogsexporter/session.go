package embeddedlogsexporter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/delivery"
)

const (
	// syncEvery is how long a checkpoint waits for others, since each needs a flush of the storage. What lies between is read again after a kill.
	syncEvery = 5 * time.Second
	// window is how many records are asked for at once: a bit for each of their rows, and 100 bytes for each record.
	window = 50_000
)

// errNoRecord says that the batch is not one record of the journal: without its place a second delivery could not be told.
var errNoRecord = errors.New("embedded_logs: the batch is no single record of the journal: nothing that batches may stand between the receiver and this exporter")

// member is the storage's part in one session.
type member struct {
	*delivery.Barrier
	log       string // the session's
	looks     string // where its rows are looked for: a job's in all generations of the log
	partition *partition
	live      bool

	mu      sync.Mutex
	checked bool                       // guarded by mu
	next    int64                      // guarded by mu; no row of the log lay at or above when the session began
	from    int64                      // guarded by mu; of the window
	to      int64                      // guarded by mu
	at      func(int64) func(int) bool // guarded by mu; the window's rows
	flights map[int64]struct{}         // guarded by partition.mu; offsets that are being added
}

// ByRecord asks for each record of the journal in a batch of its own.
func (m *member) ByRecord() {}

// SyncEvery says how often a checkpoint is worth it.
func (m *member) SyncEvery() time.Duration { return syncEvery }

// Close lets jobs have the partition: nobody else delivers it.
func (m *member) Close() {
	if m.live {
		m.partition.leave(m)
	}
}

// partitions are those of the journal whose records pass through the exporter.
type partitions struct {
	mu  sync.Mutex
	all map[string]*partition // guarded by mu; by log without its generation; as many as there are partitions
}

// partition lets jobs add nothing that live delivery is still to bring: both would add it.
type partition struct {
	mu   sync.RWMutex // held for reading by a job that adds
	live *member      // guarded by mu; nil: nobody delivers it
	next int64        // guarded by mu; live delivery has brought what lies below
}

func (p *partitions) of(generations string) *partition {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = map[string]*partition{}
	}
	one := p.all[generations]
	if one == nil {
		one = &partition{}
		p.all[generations] = one
	}
	return one
}

// enter begins live delivery of what lies at next and above. It waits for jobs that add.
func (p *partition) enter(m *member, next int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live, p.next = m, next
}

func (p *partition) leave(m *member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live == m {
		p.live = nil
	}
}

// begin and end are around live delivery of a record. Ranges are in flight side by side, so end tells only of those below all that are.
func (m *member) begin(offset int64) {
	m.partition.mu.Lock()
	defer m.partition.mu.Unlock()
	m.flights[offset] = struct{}{}
}

func (m *member) end(offset int64) {
	m.partition.mu.Lock()
	defer m.partition.mu.Unlock()
	delete(m.flights, offset)
	lowest := offset + 1
	for f := range m.flights {
		lowest = min(lowest, f)
	}
	m.partition.next = max(m.partition.next, lowest)
}

// generations is the part of a log's name that all its generations have. Live delivery and each job count on their own how often they found the
// log cut, so a job can't know under which generation live delivery added a row.
func generations(log string) string { return log[:strings.LastIndexByte(log, '/')+1] }

// join makes the storage part of the session that ctx came with, so that a checkpoint is saved only behind its flush.
func (e *logsExporter) join(ctx context.Context) error {
	session, ok := delivery.From(ctx)
	if !ok {
		return nil
	}
	_, err := e.member(ctx, session)
	return err
}

func (e *logsExporter) member(ctx context.Context, session *delivery.Session) (*member, error) {
	m, err := delivery.Join(session, e.id, func() *member {
		log := session.Log()
		m := &member{Barrier: delivery.NewBarrier(session, e.to.Sync), log: log, looks: log, partition: e.of(generations(log)), live: session.Source() == delivery.Live, flights: map[int64]struct{}{}}
		if !m.live {
			m.looks = generations(log)
		}
		return m
	})
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.checked {
		return m, nil
	}
	if err := e.check(session, m.Restored()); err != nil {
		return nil, err
	}
	from, _ := session.Resumed()
	if m.live {
		m.partition.enter(m, from)
	}
	// What was added behind the checkpoint, by the process or the session before.
	if m.at, m.next, err = e.to.Known(ctx, e.signal == traces, m.looks, from, from+window); err != nil {
		return nil, err
	}
	m.from, m.to = from, from+window
	m.checked = true
	return m, nil
}

// place is where a batch stands in the journal; the zero value but received: in none.
type place struct {
	member    *member
	log       string
	offset    int64
	received  time.Time
	known     func(int) bool
	again     bool
	elsewhere bool // live delivery brings it, or has brought it
}

// place finds out what the storage has of ctx's batch. done ends the batch.
func (e *logsExporter) place(ctx context.Context) (p place, done func(), err error) {
	of := delivery.Of(ctx)
	if of.Session == nil {
		return place{received: time.Now()}, func() {}, nil
	}
	m, err := e.member(ctx, of.Session)
	if err != nil {
		return p, nil, err
	}
	if of.At == nil {
		return p, nil, errNoRecord
	}
	p = place{member: m, log: m.log, offset: of.At.Offset, received: of.At.Time}
	if m.live {
		m.begin(p.offset)
		done = func() { m.end(p.offset) }
	} else {
		m.partition.mu.RLock()
		done = m.partition.mu.RUnlock
		if live := m.partition.live; live != nil {
			p.elsewhere = p.offset >= m.partition.next
			p.log = live.log // which reads behind its checkpoint again, and looks there
		}
	}
	if p.known, p.again, err = e.known(ctx, m, p.offset); err != nil {
		done()
		return p, nil, err
	}
	if !of.At.Whole && p.known != nil { // Which of the record's rows these are is not known. Live delivery has brought them all.
		p.elsewhere = true
	}
	return p, done, nil
}

// known says which rows of a record there are. again: there may be some.
func (e *logsExporter) known(ctx context.Context, m *member, offset int64) (known func(int) bool, again bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.live && offset >= m.next {
		return nil, false, nil // Nobody else adds live records.
	}
	if offset < m.from || offset >= m.to {
		at, _, err := e.to.Known(ctx, e.signal == traces, m.looks, offset, offset+window)
		if err != nil {
			return nil, false, err
		}
		m.at, m.from, m.to = at, offset, offset+window
	}
	return m.at(offset), true, nil
}

// mayHave says that the storage may have some rows of a record, since it failed to add them all: the next try asks which.
func (m *member) mayHave(offset int64) {
	if m == nil {
		return // no journal, no identity
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next = max(m.next, offset+1)
	m.from, m.to = 0, 0
}

// check tells when the storage has less than the checkpoint says. The journal may still have what is missing.
func (e *logsExporter) check(session *delivery.Session, marks []delivery.Mark) error {
	gap, err := delivery.FindGap(marks, e.to.Holds)
	if gap == nil || err != nil {
		return err
	}
	refill := gap.Job(e.signal)
	e.telemetry.ExporterEmbeddedLogsLostRanges.Add(context.Background(), 1, e.self())
	e.set.Logger.Error("The storage has lost rows that it had made durable: run the job in refill, but first check which store jobs of this signal write to (docs/replay.md)", zap.String("partition", session.Label()), zap.Time("from", gap.From), zap.Time("to", gap.To),
		zap.String("refill", refill), zap.Error(gap.Why))
	componentstatus.ReportStatus(e.host, componentstatus.NewRecoverableErrorEvent(fmt.Errorf("rows of partition %s may be missing in the storage: %w; refill them with %s", session.Label(), gap.Why, refill)))
	return nil
}
