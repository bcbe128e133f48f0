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
	// asideKey is where a checkpoint is kept that could not be read, as its chunks are under asideKey and their number: for a
	// person, or a release that can read it. There is one; a later one replaces it.
	asideKey        = "damaged"
	defaultTick     = time.Second
	defaultInterval = time.Minute
)

// Failure names the step of a local session that failed.
type Failure string

// The steps that can fail; after each the session goes on.
const (
	// FailedRestore: the stored state was given up, and the component or the whole session started afresh.
	FailedRestore Failure = "restore"
	// FailedSave: a checkpoint was not written. What is due is sent all the same: a storage that is down must not
	// silence the pipeline. A crash before the next good checkpoint can then send another value for the same time.
	FailedSave Failure = "save"
	// FailedFlush: the outbox was not taken downstream. It is kept and sent again with the next tick.
	FailedFlush Failure = "flush"
)

// Settings describe a session without a journal. Label and Failed are required.
type Settings struct {
	// Label is the instance id: see [delivery.Settings].Label.
	Label string
	// Client is where the state is kept; nil keeps it in memory only. The session owns it and closes it.
	Client storage.Client
	// Interval is the time between checkpoints when nothing is due; 0 means a minute.
	Interval time.Duration
	// Tick is how often the session looks for what is due; 0 means a second.
	Tick time.Duration
	// Failed is told about every failed step. It is called from the session's goroutines and must not block.
	Failed func(step Failure, err error)
}

// Driver drives a partition without a journal: batches come concurrently, the wall clock says when panes and
// windows close, and the state is kept in a storage extension, every interval, whenever something is due, and on
// shutdown. A kill -9 costs what was consumed since the last checkpoint.
//
// Open it in a component's Start, join its session there, then call Start.
type Driver struct {
	set     Settings
	session *delivery.Session

	stop context.CancelFunc
	done chan struct{}

	mu     sync.Mutex // one step at a time
	saved  time.Time  // guarded by mu; of the last checkpoint
	chunks int        // guarded by mu; how many chunks the storage holds
	unsent bool       // guarded by mu; the outbox is saved and was not taken downstream
	closed bool       // guarded by mu
}

// Open reads the checkpoint in set.Client, if there is one, and returns the session for it. A state that can't be
// read as a snapshot is reported as [FailedRestore], kept under another key and replaced by a fresh start; an error means that the storage
// itself failed, and set.Client is closed then.
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

// Start adopts the configured rules and begins to tick. The components that can have a restored state must have joined.
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

// Shutdown ends the session: what is due is sent, the rest saved. Without a storage everything still open is closed and
// sent first: the components see the time [delivery.Unbounded]. No batch may arrive any more. It is safe to repeat and without
// Start.
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
		l.set.Failed(FailedFlush, err) // The outbox is in the state, and the next start sends it.
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

// checkpoint advances and, if anything is due or the interval is over, saves the state. l.mu is held.
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

// save replaces the checkpoint in the storage in one transaction, where the extension has them (file_storage does). A
// torn one is found by its checksum.
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

// load returns the stored snapshot, nil where there is none. A missing chunk leaves a hole that the checksum finds.
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
		return manifest, nil // Not ours: NewSession refuses it.
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

// setAside keeps the state that could not be read: the next checkpoint takes its place.
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
