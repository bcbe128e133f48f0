package local

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/collector/extension/xextension/storage"

	"github.com/penstockhq/penstock/internal/delivery"
)

const (
	// localChunkBytes is the size of one value in the storage extension.
	localChunkBytes = 1 << 20
	manifestKey     = "checkpoint"
	// asideKey is the key of a checkpoint that could not be read (its chunks and their number), for an operator or for a release that can
	// read it. There is at most one; a later one replaces it.
	asideKey        = "damaged"
	defaultTick     = time.Second
	defaultInterval = time.Minute
)

// Failure names the step of a local session that failed.
type Failure string

// The steps that can fail; after each the session continues.
const (
	// FailedRestore: the stored state was discarded, and the component or the whole session started with an empty one.
	FailedRestore Failure = "restore"
	// FailedSave: a checkpoint was not written. Due results are sent anyway, because an unavailable storage must not stop the pipeline. A
	// crash before the next successful checkpoint can then send another value for the same time.
	FailedSave Failure = "save"
	// FailedFlush: the next component refused the outbox. It is kept and sent again with the next tick.
	FailedFlush Failure = "flush"
)

// Settings describe a session without a journal. Label and Failed are required.
type Settings struct {
	// Label is the instance id: see [delivery.Settings].Label.
	Label string
	// Client is where the state is stored; nil keeps it in memory only. The session owns and closes it.
	Client storage.Client
	// Interval is the time between checkpoints when nothing is due; 0 means a minute.
	Interval time.Duration
	// Tick is how often the session checks for due results; 0 means a second.
	Tick time.Duration
	// Failed is called for every failed step, from the session's goroutines. It must not block.
	Failed func(step Failure, err error)
}

// Driver drives a partition without a journal: batches arrive concurrently, the wall clock decides when panes and windows close, and the
// state is saved in a storage extension at every interval, whenever a result is due, and on shutdown. A kill -9 loses the data consumed
// since the last checkpoint.
//
// Open it in a component's Start, join its session there, then call Start.
type Driver struct {
	set     Settings
	session *delivery.Session

	stop context.CancelFunc
	done chan struct{}

	mu     sync.Mutex // one step at a time
	saved  time.Time  // guarded by mu; of the last checkpoint
	chunks int        // guarded by mu; number of chunks in the storage
	unsent bool       // guarded by mu; the outbox is saved, and the next component has not accepted it
	closed bool       // guarded by mu
}

// Open reads the checkpoint in set.Client, if there is one, and returns its session. A state that can't be decoded as a snapshot is
// reported as [FailedRestore], stored under another key and replaced by an empty one. An error means that the storage itself failed;
// set.Client is then closed.
func Open(ctx context.Context, set Settings) (*Driver, error) {
	if set.Interval <= 0 {
		set.Interval = defaultInterval
	}
	if set.Tick <= 0 {
		set.Tick = defaultTick
	}
	l := &Driver{set: set, done: make(chan struct{}), saved: time.Now()}
	state, err := l.load(ctx)
	if err != nil {
		return nil, errors.Join(err, set.Client.Close(ctx))
	}
	var aside sync.Once
	l.session, err = delivery.NewSession(delivery.Settings{Label: set.Label, Source: delivery.Direct, Concurrent: true, State: state, Refused: func(_ string, err error) error {
		aside.Do(func() { err = errors.Join(err, l.setAside(state)) })
		set.Failed(FailedRestore, err)
		return nil
	}})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Session returns the one session of l.
func (l *Driver) Session() *delivery.Session { return l.session }

// Start adopts the configured rules and starts ticking. The components whose state may be restored must have joined.
func (l *Driver) Start() {
	l.session.Adopt()
	ctx, cancel := context.WithCancel(context.Background())
	l.stop = cancel
	go func() {
		defer close(l.done)
		ticker := time.NewTicker(l.set.Tick)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				l.step(ctx)
			}
		}
	}()
}

// Shutdown ends the session: it sends due results and saves the rest. Without a storage it first closes and sends everything that is open:
// the components see the time [delivery.Unbounded]. No batch may arrive any more. It may be repeated, and called without Start.
func (l *Driver) Shutdown(ctx context.Context) error {
	if l.stop != nil {
		l.stop()
		<-l.done
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	defer l.session.Close()
	if l.set.Client == nil {
		l.session.Advance(delivery.Unbounded(), true)
		return l.session.Flush(ctx)
	}
	err := l.session.Flush(ctx)
	if err != nil {
		l.set.Failed(FailedFlush, err) // The outbox is part of the state, and the next start sends it.
	}
	data, err := l.snapshot()
	if err == nil {
		err = l.save(ctx, data)
	}
	return errors.Join(err, l.set.Client.Close(ctx))
}

// step advances, saves and flushes until nothing is due.
func (l *Driver) step(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ctx.Err() == nil {
		if !l.unsent {
			if due := l.checkpoint(ctx); !due {
				return
			}
		}
		if err := l.session.Flush(ctx); err != nil {
			l.unsent = true
			if ctx.Err() == nil {
				l.set.Failed(FailedFlush, err)
			}
			return
		}
		l.unsent = false
	}
}

// checkpoint advances and saves the state if anything is due or the interval is over. l.mu is held.
func (l *Driver) checkpoint(ctx context.Context) (due bool) {
	now := time.Now()
	release := l.session.Hold()
	due = l.session.Advance(now, true)
	if l.set.Client == nil || (!due && now.Sub(l.saved) < l.set.Interval) {
		release()
		return due
	}
	data, err := l.snapshot()
	release()
	if err == nil {
		err = l.save(ctx, data)
	}
	if err != nil {
		l.set.Failed(FailedSave, err)
	}
	l.saved = now
	return due
}

func (l *Driver) snapshot() ([]byte, error) {
	var buf bytes.Buffer
	if err := l.session.Snapshot(&buf); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// save replaces the checkpoint in the storage, in one transaction if the extension has them (file_storage does). The checksum reveals a
// torn checkpoint.
func (l *Driver) save(ctx context.Context, data []byte) error {
	var ops []*storage.Operation
	n := 0
	for ; len(data) > 0; n++ {
		size := min(len(data), localChunkBytes)
		ops = append(ops, storage.SetOperation(chunkKey(n), data[:size]))
		data = data[size:]
	}
	for i := n; i < l.chunks; i++ {
		ops = append(ops, storage.DeleteOperation(chunkKey(i)))
	}
	ops = append(ops, storage.SetOperation(manifestKey, binary.LittleEndian.AppendUint32(nil, uint32(n))))
	if err := l.set.Client.Batch(ctx, ops...); err != nil {
		return fmt.Errorf("save checkpoint: %w", err)
	}
	l.chunks = n
	return nil
}

// load returns the stored snapshot, nil if there is none. The checksum reveals a missing chunk.
func (l *Driver) load(ctx context.Context) ([]byte, error) {
	if l.set.Client == nil {
		return nil, nil
	}
	manifest, err := l.set.Client.Get(ctx, manifestKey)
	if err != nil {
		return nil, fmt.Errorf("read checkpoint: %w", err)
	}
	if len(manifest) == 0 {
		return nil, nil
	}
	if len(manifest) != 4 {
		return manifest, nil // Another program wrote it: NewSession refuses it.
	}
	l.chunks = int(binary.LittleEndian.Uint32(manifest))
	data := []byte{}
	for i := range l.chunks {
		chunk, err := l.set.Client.Get(ctx, chunkKey(i))
		if err != nil {
			return nil, fmt.Errorf("read checkpoint: %w", err)
		}
		if chunk == nil {
			l.chunks = i
			return append(data, "a chunk is missing"...), nil
		}
		data = append(data, chunk...)
	}
	return data, nil
}

// setAside stores the state that could not be read, because the next checkpoint overwrites it.
func (l *Driver) setAside(state []byte) error {
	chunks := (len(state) + localChunkBytes - 1) / localChunkBytes
	ops := []*storage.Operation{storage.SetOperation(asideKey, fmt.Appendf(nil, "%s, %d chunks", time.Now().UTC().Format(time.RFC3339), chunks))}
	for n := range chunks {
		size := min(len(state), localChunkBytes)
		ops = append(ops, storage.SetOperation(fmt.Sprintf("%s.%06d", asideKey, n), state[:size]))
		state = state[size:]
	}
	if err := l.set.Client.Batch(context.Background(), ops...); err != nil {
		return fmt.Errorf("store the discarded state: %w", err)
	}
	return fmt.Errorf("the discarded state is in the storage as %q", asideKey)
}

func chunkKey(i int) string { return fmt.Sprintf("chunk.%06d", i) }
