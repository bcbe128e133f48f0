// Package commitlog keeps the record batches of one partition in a directory: in segments of Kafka's own format, appended by group commit, readable
// by offset, trimmed from the front.
//
// Guarantee: an acknowledged batch is on disk, and is read at the offset that was acknowledged. No offset is given to two batches, whatever is cut,
// removed or damaged between two starts: the log continues after all offsets that may have been acknowledged, and reports what is missing. A failed
// write or flush acknowledges nothing; the log is cut back to its known state on disk before it accepts more. Damage never prevents opening.
//
// Method: beside the last segment the file tail is an index, which gets an entry for a batch after the batch is on disk and before it is
// acknowledged. The index is not flushed: after a kill of the process it is complete, and after a power cut the segment itself holds all flushed
// batches. A full segment gets a flushed seal with its index, its producers and its transactions, so a start reads only the last segment.
package commitlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/disk"
)

const (
	// reserveAhead is how many offsets are reserved at a time.
	reserveAhead = 1 << 20
	// groupBytes is how much one flush covers, unless a single batch is larger.
	groupBytes = 8 << 20
	// keptIndexes is how many indexes of full segments stay in memory for each partition.
	keptIndexes = 4
	maxGaps     = 256
)

// Errors of requests.
var (
	ErrOutOfRange = errors.New("offset out of range")
	ErrClosed     = errors.New("the log is closed")
	// ErrStorage says that the disk failed; no part of the batch is in the log.
	ErrStorage = errors.New("the disk failed")
)

// Settings of a partition. FS, Directory, SegmentBytes and Now are required.
type Settings struct {
	FS disk.FS
	// Directory belongs to the partition. It is created if it is missing.
	Directory string
	// Label is stored for the owner; nil leaves the stored one.
	Label any
	// SegmentBytes is the size at which a new file begins.
	SegmentBytes int64
	// Now is the clock.
	Now func() time.Time
	// Floor is larger than every offset that was ever appended; it is used if nothing else is left. 0: unknown.
	Floor int64
	// Reserve, if set, is called with the next floor before offsets up to it are used, and must store it.
	Reserve func(floor int64) error
}

// Partition is an open log. It is safe for concurrent use.
//
// Memory: the index of the last segment and of four more, 56 B a batch; 80 B a segment; the waiting batches.
type Partition struct {
	set Settings

	commit sync.Mutex // held by the group being written, and by every other writer
	active disk.File  // guarded by commit
	tail   disk.File  // guarded by commit
	broken error      // guarded by commit; why the file may hold more than the log
	roll   bool       // guarded by commit; the last segment is sealed and the next one does not exist yet
	buf    []byte     // guarded by commit

	files sync.RWMutex // held for writing while files are removed

	mu       sync.Mutex
	reading  disk.File // guarded by mu, as are all fields below; the active file, for reading
	closed   bool
	queue    []*Ticket  // in order
	segments []*segment // never empty
	start    int64
	state    state
	aborted  []Aborted
	meta     meta
	damage   []Finding // found by readers, and not collected yet
	seen     map[int64]bool
	watchers map[chan<- struct{}]struct{}
	uses     int64
}

// Ticket is a batch on its way into the log.
type Ticket struct {
	raw   []byte
	batch Batch
	done  chan struct{}

	// Offset is the batch's first offset, once Done is closed and if Err is nil.
	Offset int64
	// Duplicate says that the log already had the batch.
	Duplicate bool
	Err       error
}

// Done is closed when the batch is on disk, or has failed.
func (t *Ticket) Done() <-chan struct{} { return t.done }

func (t *Ticket) fail(err error) {
	t.Err = err
	close(t.done)
}

// Enqueue queues a batch that [Parse] has read from raw; raw then belongs to the log. The next Commit writes it.
func (p *Partition) Enqueue(raw []byte, b Batch) *Ticket {
	t := &Ticket{raw: raw, batch: b, done: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		t.fail(ErrClosed)
		return t
	}
	p.queue = append(p.queue, t)
	return t
}

// Queued returns how many batches wait for a Commit.
func (p *Partition) Queued() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queue)
}

// Range returns the first readable offset, the last stable one, and the one after the last.
func (p *Partition) Range() (start, stable, end int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	end = p.endLocked()
	return p.start, p.state.stable(end), end
}

func (p *Partition) endLocked() int64 { return p.segments[len(p.segments)-1].next }

// Open returns the transactions without an end.
func (p *Partition) Open() []Open {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Open, 0, len(p.state.open))
	for _, o := range p.state.open {
		out = append(out, o)
	}
	return out
}

// Epoch returns the leader's epoch, which rises whenever the log has lost its end.
func (p *Partition) Epoch() int32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.meta.Epochs[len(p.meta.Epochs)-1].Epoch
}

// EpochEnd returns the largest epoch up to epoch, and the offset after its last batch.
func (p *Partition) EpochEnd(epoch int32) (largest int32, end int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	largest, end = -1, -1
	for i, e := range p.meta.Epochs {
		if e.Epoch > epoch {
			break
		}
		largest, end = e.Epoch, p.endLocked()
		if i+1 < len(p.meta.Epochs) {
			end = p.meta.Epochs[i+1].Start
		}
	}
	return largest, end
}

// Label decodes the owner's data; it returns an error if there is none, or if it was damaged.
func (p *Partition) Label(v any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.meta.Label == nil {
		return errors.New("no label")
	}
	return json.Unmarshal(p.meta.Label, v)
}

// SetLabel stores v for the owner.
func (p *Partition) SetLabel(v any) error {
	label, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return p.change(func(m *meta) { m.Label = label })
}

// change rewrites the partition's metadata file.
func (p *Partition) change(how func(*meta)) error {
	p.commit.Lock()
	defer p.commit.Unlock()
	return p.changeCommit(how)
}

// changeCommit is change for a caller that holds p.commit.
func (p *Partition) changeCommit(how func(*meta)) error {
	p.mu.Lock()
	m := p.meta
	how(&m)
	m.Start = max(m.Start, p.start)
	p.mu.Unlock()
	raw, err := Wrap(m)
	if err == nil {
		err = disk.WriteFile(p.set.FS, filepath.Join(p.set.Directory, metaName), raw)
	}
	if err != nil {
		return fmt.Errorf("%w: write %s: %w", ErrStorage, metaName, err)
	}
	p.mu.Lock()
	p.meta = m
	p.mu.Unlock()
	return nil
}

// Watch signals c, without blocking, whenever there is more to read. The caller must call the returned function to end that.
func (p *Partition) Watch(c chan<- struct{}) (stop func()) {
	p.mu.Lock()
	p.watchers[c] = struct{}{}
	p.mu.Unlock()
	return func() {
		p.mu.Lock()
		delete(p.watchers, c)
		p.mu.Unlock()
	}
}

func (p *Partition) notifyLocked() {
	for c := range p.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Close records where the log ends and closes the files. It must be called once, without a Commit in progress.
func (p *Partition) Close() error {
	p.mu.Lock()
	p.closed = true
	queue, end := p.queue, p.endLocked()
	p.queue = nil
	p.mu.Unlock()
	for _, t := range queue {
		t.fail(ErrClosed)
	}
	p.commit.Lock()
	defer p.commit.Unlock()
	err := p.heal()
	if err == nil {
		err = p.tail.Sync()
	}
	if err == nil {
		err = p.changeCommit(func(m *meta) { m.Closed = end })
	}
	return errors.Join(err, p.active.Close(), p.tail.Close())
}

// Abandon closes the files and writes nothing, as a killed process would leave them.
func (p *Partition) Abandon() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.commit.Lock()
	defer p.commit.Unlock()
	_, _ = p.active.Close(), p.tail.Close()
}
