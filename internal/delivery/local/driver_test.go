package local_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/extension/xextension/storage"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/delivery/deliverytest"
	"github.com/penstockhq/penstock/internal/delivery/local"
)

// disk is a storage client in memory that outlives its sessions.
type disk struct {
	mu     sync.Mutex
	values map[string][]byte
	writes int
	fail   error
}

func newDisk() *disk { return &disk{values: map[string][]byte{}} }

func (d *disk) Get(_ context.Context, key string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.values[key], d.fail
}

func (d *disk) Set(ctx context.Context, key string, value []byte) error {
	return d.Batch(ctx, storage.SetOperation(key, value))
}

func (d *disk) Delete(ctx context.Context, key string) error {
	return d.Batch(ctx, storage.DeleteOperation(key))
}

func (d *disk) Batch(_ context.Context, ops ...*storage.Operation) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return d.fail
	}
	d.writes++
	for _, op := range ops {
		if op.Type == storage.Delete {
			delete(d.values, op.Key)
		} else {
			d.values[op.Key] = bytes.Clone(op.Value)
		}
	}
	return nil
}

func (*disk) Close(context.Context) error { return nil }

// setFail sets the error of every later operation.
func (d *disk) setFail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = err
}

type failures struct {
	mu    sync.Mutex
	steps []local.Failure
}

func (f *failures) add(step local.Failure, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.steps = append(f.steps, step)
}

func openLocal(t *testing.T, d *disk, f *failures) (*local.Driver, *deliverytest.Adder) {
	t.Helper()
	set := local.Settings{Label: "here", Failed: f.add}
	if d != nil {
		set.Client = d
	}
	l, err := local.Open(t.Context(), set)
	require.NoError(t, err)
	a, err := delivery.Join(l.Session(), "adder", deliverytest.NewAdder)
	require.NoError(t, err)
	return l, a
}

func TestLocalSendsOnlyWhatIsSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, f := newDisk(), &failures{}
		l, a := openLocal(t, d, f)
		l.Start()
		leave := l.Session().Enter()
		a.Sum = 5
		leave()
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		assert.Equal(t, []uint64{5}, a.Sent)
		assert.Equal(t, 1, d.writes)

		// What is on disk now holds the outbox that was sent: a crash here repeats it.
		_, crashed := openLocal(t, d, f)
		assert.EqualValues(t, 5, crashed.Outbox)

		require.NoError(t, l.Shutdown(t.Context()))
		require.NoError(t, l.Shutdown(t.Context()))
		_, restarted := openLocal(t, d, f)
		assert.Zero(t, restarted.Outbox, "a clean end repeats nothing")
		assert.Empty(t, f.steps)
	})
}

// busy notices batches that are inside while the session advances or saves.
type busy struct {
	deliverytest.Adder
	inside, seen atomic.Int64
	steps        chan struct{}
}

func (b *busy) Advance(time.Time, bool, time.Time) (bool, time.Time) {
	b.seen.Add(b.inside.Load())
	return true, delivery.Unbounded()
}

func (b *busy) Snapshot(io.Writer) error {
	b.seen.Add(b.inside.Load())
	return nil
}

// Flush may run during batches, so it does not check.
func (b *busy) Flush(context.Context) error {
	select {
	case b.steps <- struct{}{}:
	default:
	}
	return nil
}

func TestLocalCheckpointWaitsForBatchesInFlight(t *testing.T) {
	l, err := local.Open(t.Context(), local.Settings{Client: newDisk(), Tick: time.Microsecond})
	require.NoError(t, err)
	b, err := delivery.Join(l.Session(), "busy", func() *busy { return &busy{steps: make(chan struct{})} })
	require.NoError(t, err)
	l.Start()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				leave := l.Session().Enter()
				b.inside.Add(1)
				runtime.Gosched()
				b.inside.Add(-1)
				leave()
			}
		})
	}
	for range 200 {
		<-b.steps
	}
	cancel()
	wg.Wait()
	require.NoError(t, l.Shutdown(t.Context()))
	assert.Zero(t, b.seen.Load())
}

func TestLocalSavesEveryInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		l, a := openLocal(t, d, &failures{})
		l.Start()
		time.Sleep(3*time.Minute + time.Second)
		synctest.Wait()
		assert.Equal(t, 3, d.writes)
		assert.Equal(t, 1, a.Adopted)
		require.NoError(t, l.Shutdown(t.Context()))
	})
}

func TestLocalKeepsWhatDownstreamRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, f := newDisk(), &failures{}
		l, a := openLocal(t, d, f)
		l.Start()
		down := errors.New("down")
		a.Refuse.Store(&down)
		leave := l.Session().Enter()
		a.Sum = 5
		leave()
		time.Sleep(10500 * time.Millisecond)
		synctest.Wait()
		assert.Equal(t, 1, d.writes, "trying again saves nothing again")
		assert.Len(t, f.steps, 10)
		a.Refuse.Store(nil)
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, []uint64{5}, a.Sent)
		require.NoError(t, l.Shutdown(t.Context()))
	})
}

func TestLocalGoesOnWithoutItsStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, f := newDisk(), &failures{}
		l, a := openLocal(t, d, f)
		d.setFail(errors.New("disk full"))
		l.Start()
		leave := l.Session().Enter()
		a.Sum = 5
		leave()
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		assert.Equal(t, []uint64{5}, a.Sent)
		assert.Equal(t, []local.Failure{local.FailedSave}, f.steps)
		assert.ErrorContains(t, l.Shutdown(t.Context()), "disk full")
	})
}

func TestLocalWithoutStorageClosesEverythingAtTheEnd(t *testing.T) {
	l, a := openLocal(t, nil, &failures{})
	a.Sum = 5
	require.NoError(t, l.Shutdown(t.Context()), "safe without Start")
	assert.Equal(t, delivery.Unbounded(), a.Now)
	assert.Equal(t, []uint64{5}, a.Sent)
	assert.Equal(t, 1, a.Closed)
}

// A large state needs several values; a smaller one leaves nothing of the old one, and a missing value is noticed.
func TestLocalChunks(t *testing.T) {
	d, f := newDisk(), &failures{}
	save := func(size int) {
		l, err := local.Open(t.Context(), local.Settings{Client: d, Failed: f.add})
		require.NoError(t, err)
		b, err := delivery.Join(l.Session(), "b", func() *deliverytest.Blob { return &deliverytest.Blob{} })
		require.NoError(t, err)
		b.Data = bytes.Repeat([]byte{7}, size)
		require.NoError(t, l.Shutdown(t.Context()))
	}
	save(5 << 20)
	assert.Len(t, d.values, 6+1)
	save(100)
	assert.Len(t, d.values, 1+1)
	save(3 << 20)
	assert.Empty(t, f.steps)

	first := bytes.Clone(d.values["chunk.000000"])
	delete(d.values, "chunk.000001")
	save(10)
	assert.Equal(t, []local.Failure{local.FailedRestore}, f.steps)
	assert.Contains(t, string(d.values["damaged"]), "chunks", "what could not be read is kept")
	assert.Equal(t, first, d.values["damaged.000000"])
	f.steps = nil
	save(10)
	assert.Empty(t, f.steps)
}

func TestLocalFailsToOpenWhenStorageFails(t *testing.T) {
	d := newDisk()
	d.fail = errors.New("i/o error")
	_, err := local.Open(t.Context(), local.Settings{Client: d})
	assert.ErrorContains(t, err, "read checkpoint: i/o error")
}
