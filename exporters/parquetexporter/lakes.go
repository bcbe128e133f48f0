package parquetexporter

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/penstockhq/penstock/internal/lakestore"
	"github.com/penstockhq/penstock/internal/lakestore/bucket"
)

// layout is what decides, beside a batch itself, which row goes into which file. It travels in the checkpoints of a journal's
// partitions.
type layout struct {
	// Root is the lake: an absolute directory, or the URL of an object store.
	Root string `json:"root"`
	// MaxPartitions: see Config.
	MaxPartitions int `json:"max_partitions"`
}

// lakes are the configured lake and those of earlier configurations that ranges are completed in.
type lakes struct {
	configured layout
	store      lakestore.Store
	keys       bucket.Keys

	mu     sync.Mutex
	former map[string]lakestore.Store // guarded by mu; by root. One for each lake that a checkpoint names
}

// open returns the lake at root. One that is not there any more was moved, and what was in it is in the configured one.
func (l *lakes) open(ctx context.Context, root string) (lakestore.Store, error) {
	if root == l.configured.Root {
		return l.store, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if store, ok := l.former[root]; ok {
		return store, nil
	}
	store, err := l.openFormer(ctx, root)
	if err != nil || store == l.store {
		return store, err
	}
	if l.former == nil {
		l.former = map[string]lakestore.Store{}
	}
	l.former[root] = store
	return store, nil
}

func (l *lakes) openFormer(ctx context.Context, root string) (lakestore.Store, error) {
	if bucket.Is(root) {
		return l.openBucket(ctx, root)
	}
	if !lakestore.Exists(root) {
		return l.store, nil
	}
	dir, _, err := lakestore.Open(root)
	if err != nil {
		return nil, err
	}
	return dir, nil
}

// openBucket returns the lake of an earlier configuration in an object store, under the keys of today. One that has no bucket or no file any more was
// moved, and so was one whose endpoint alone is another.
func (l *lakes) openBucket(ctx context.Context, root string) (lakestore.Store, error) {
	location, err := bucket.Parse(root)
	if err != nil {
		return nil, err
	}
	if now, err := bucket.Parse(l.configured.Root); err == nil && now.Same(location) {
		return l.store, nil
	}
	b, err := bucket.New(location, l.keys)
	if err != nil {
		return nil, err
	}
	exists, err := b.Check(ctx)
	switch {
	case errors.Is(err, bucket.ErrGone), err == nil && !exists:
		return l.store, b.Close()
	case err != nil:
		return nil, errors.Join(fmt.Errorf("the lake %s of an earlier configuration, in which a range was begun: %w", root, err), b.Close())
	}
	return b, nil
}

func (l *lakes) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var err error
	if l.store != nil {
		err = l.store.Close()
	}
	for _, store := range l.former {
		err = errors.Join(err, store.Close())
	}
	l.former = nil
	return err
}
