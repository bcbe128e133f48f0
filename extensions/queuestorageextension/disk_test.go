package queuestorageextension_test

import (
	"context"
	"errors"
	"maps"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
)

var errDead = errors.New("the process is dead")

// disk is what outlives a process: the files of a storage whose transactions are atomic.
type disk struct {
	mu    sync.Mutex
	files map[string]map[string][]byte // guarded by mu
}

// process is one life of a process on a disk. As a storage extension it dies at a chosen operation; after that nothing reaches the disk, and the
// rest of the code's work does not count.
type process struct {
	component.StartFunc
	component.ShutdownFunc
	disk *disk

	// dieAt is the operation, counted from 1, that kills; 0: none does. withEffect: just after it rather than just before.
	dieAt      int
	withEffect bool
	// fail, when set, may refuse a transaction without killing.
	fail func(ops []*storage.Operation) error

	mu         sync.Mutex // also guards the fields below
	operations int
	dead       chan struct{}
}

func (d *disk) process() *process {
	return &process{disk: d, dead: make(chan struct{})}
}

func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killLocked()
}

func (p *process) killLocked() {
	if p.aliveLocked() {
		close(p.dead)
	}
}

func (p *process) aliveLocked() bool {
	select {
	case <-p.dead:
		return false
	default:
		return true
	}
}

// whileAlive calls f unless the process is dead, and says whether it did.
func (p *process) whileAlive(f func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.aliveLocked() {
		f()
		return true
	}
	return false
}

func (p *process) GetClient(_ context.Context, kind component.Kind, id component.ID, name string) (storage.Client, error) {
	return &file{process: p, name: kind.String() + id.String() + name}, nil
}

type file struct {
	process *process
	name    string
}

func (f *file) Batch(_ context.Context, ops ...*storage.Operation) error {
	p := f.process
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.aliveLocked() {
		return errDead
	}
	p.operations++
	dies := p.operations == p.dieAt
	if dies && !p.withEffect {
		p.killLocked()
		return errDead
	}
	if p.fail != nil {
		if err := p.fail(ops); err != nil {
			return err
		}
	}
	p.disk.transaction(f.name, ops)
	if dies {
		p.killLocked()
		return errDead
	}
	return nil
}

func (d *disk) transaction(name string, ops []*storage.Operation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := maps.Clone(d.files[name])
	if next == nil {
		next = make(map[string][]byte)
	}
	for _, op := range ops {
		switch op.Type {
		case storage.Get:
			op.Value = next[op.Key]
		case storage.Set:
			next[op.Key] = op.Value
		case storage.Delete:
			delete(next, op.Key)
		}
	}
	if d.files == nil {
		d.files = make(map[string]map[string][]byte)
	}
	d.files[name] = next
}

func (f *file) Get(ctx context.Context, key string) ([]byte, error) {
	op := storage.GetOperation(key)
	err := f.Batch(ctx, op)
	return op.Value, err
}

func (f *file) Set(ctx context.Context, key string, value []byte) error {
	return f.Batch(ctx, storage.SetOperation(key, value))
}

func (f *file) Delete(ctx context.Context, key string) error {
	return f.Batch(ctx, storage.DeleteOperation(key))
}

func (f *file) Close(context.Context) error { return nil }
