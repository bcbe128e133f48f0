package iceberg_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/iceberg"
)

var errKilled = errors.New("killed")

// memory is a store in memory.
type memory struct {
	mu    sync.Mutex
	files map[string][]byte
}

func newMemory() *memory { return &memory{files: map[string][]byte{}} }

func (m *memory) clone() *memory { return &memory{files: maps.Clone(m.files)} }

func (m *memory) names(dir string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Sorted(maps.Keys(m.files)), func(name string) bool { return !strings.HasPrefix(name, dir+"/") })
}

func (m *memory) List(_ context.Context, dir string, each func(iceberg.Object)) error {
	for _, name := range m.names(dir) {
		m.mu.Lock()
		n := len(m.files[name])
		m.mu.Unlock()
		each(iceberg.Object{Name: name, Bytes: int64(n)})
	}
	return nil
}

func (m *memory) Read(_ context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	content, ok := m.files[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return content, nil
}

func (m *memory) Create(_ context.Context, name string, content []byte) error {
	m.mu.Lock()
	_, taken := m.files[name]
	if !taken {
		m.files[name] = bytes.Clone(content)
	}
	m.mu.Unlock()
	if taken {
		return fmt.Errorf("%s: %w", name, fs.ErrExist)
	}
	return nil
}

func (m *memory) Remove(_ context.Context, name string) error {
	m.mu.Lock()
	delete(m.files, name)
	m.mu.Unlock()
	return nil
}

// view is the store as one process uses it: before is called before each operation, and after it if it changes something. An error ends the operation.
type view struct {
	*memory
	before, after func(op, name string) error
}

func (v view) List(ctx context.Context, dir string, each func(iceberg.Object)) error {
	return errors.Join(v.before("list", dir), v.memory.List(ctx, dir, each))
}

func (v view) Read(ctx context.Context, name string) ([]byte, error) {
	if err := v.before("read", name); err != nil {
		return nil, err
	}
	return v.memory.Read(ctx, name)
}

func (v view) Create(ctx context.Context, name string, content []byte) error {
	if err := v.before("create", name); err != nil {
		return err
	}
	if err := v.memory.Create(ctx, name, content); err != nil {
		return err
	}
	return v.after("create", name)
}

func (v view) Remove(ctx context.Context, name string) error {
	if err := v.before("remove", name); err != nil {
		return err
	}
	return errors.Join(v.memory.Remove(ctx, name), v.after("remove", name))
}

// world has a clock and names that come once.
type world struct {
	now  time.Time
	uuid *atomic.Int64
}

func newWorld() *world { return &world{time.Unix(1_800_000_000, 0), &atomic.Int64{}} }

func (w *world) open(store iceberg.Store) *iceberg.Table {
	return iceberg.Open(iceberg.Settings{Store: store, Name: "logs", URI: "s3://bucket/lake", Keep: time.Hour,
		Now: func() time.Time { return w.now }, UUID: func() string { return fmt.Sprintf("uuid-%06d", w.uuid.Add(1)) }})
}

const someHour = 500_000

// file is a Parquet file of an hour.
func file(name string, hour int32, size int64, columns ...string) iceberg.File {
	f := iceberg.File{Name: fmt.Sprintf("logs/%d/%s.parquet", hour, name), Bytes: size, Hour: hour, Tenant: "acme", Rows: 10, OneHour: hour != 0, Offsets: []int64{4}}
	for _, c := range append([]string{"time timestamptz", "body string"}, columns...) {
		name, kind, _ := strings.Cut(c, " ")
		f.Columns = append(f.Columns, iceberg.Field{Name: name, Type: iceberg.Type{Primitive: kind}})
	}
	f.Stats = []iceberg.Stats{{Column: "body", Values: 10, Nulls: 1, Lower: []byte("a"), Upper: []byte("z")}}
	return f
}

func removal(f iceberg.File) iceberg.Removal { return iceberg.Removal{Name: f.Name, Hour: f.Hour} }

// commit makes a change on the newest version.
func commit(t *testing.T, table *iceberg.Table, c iceberg.Change) (*iceberg.Version, iceberg.Result) {
	t.Helper()
	v, err := table.Load(t.Context())
	require.NoError(t, err)
	next, result, err := table.Commit(t.Context(), v, c)
	require.NoError(t, err)
	return next, result
}

// list returns the files of the newest version with their sizes.
func list(t *testing.T, table *iceberg.Table) map[string]int64 {
	t.Helper()
	v, err := table.Load(t.Context())
	require.NoError(t, err)
	all := map[string]int64{}
	require.NoError(t, table.Files(t.Context(), v, -1<<31, 1<<31-1, func(k iceberg.Known) {
		require.NotContains(t, all, k.Name, "a file is there once")
		all[k.Name] = k.Bytes
	}))
	return all
}

// again is a store whose every third answer to Create is lost, and whose client repeats the request.
type again struct {
	*memory
	n *int
}

func (a again) Create(ctx context.Context, name string, content []byte) error {
	if err := a.memory.Create(ctx, name, content); err != nil {
		return err
	}
	if *a.n++; *a.n%3 == 0 {
		return a.memory.Create(ctx, name, content)
	}
	return nil
}
