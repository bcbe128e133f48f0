package tables_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/iceberg"
	"github.com/penstockhq/penstock/extensions/lakeextension/internal/tables"
	"github.com/penstockhq/penstock/internal/columnar"
	"github.com/penstockhq/penstock/internal/lakestore"
)

var errKilled = errors.New("killed")

// memory is a lake in memory. before is called before each operation of the table, and after each that changes something.
type memory struct {
	lakestore.Store // what a table never asks for
	mu              sync.Mutex
	files           map[string][]byte
	before, after   func() error
}

func newMemory() *memory {
	alive := func() error { return nil }
	return &memory{files: map[string][]byte{}, before: alive, after: alive}
}

func (m *memory) Root() string { return "/lake" }

func (m *memory) List(_ context.Context, dir string, each func(lakestore.File) error) error {
	if err := m.before(); err != nil {
		return err
	}
	m.mu.Lock()
	var all []lakestore.File
	for _, name := range slices.Sorted(maps.Keys(m.files)) {
		if strings.HasPrefix(name, dir+"/") {
			all = append(all, lakestore.File{Path: name, Bytes: int64(len(m.files[name]))})
		}
	}
	m.mu.Unlock()
	for _, f := range all {
		if err := each(f); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) get(name string) ([]byte, error) {
	if err := m.before(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	content, ok := m.files[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return content, nil
}

type reader struct{ *bytes.Reader }

func (reader) Close() error { return nil }

func (m *memory) Open(_ context.Context, name string) (lakestore.Reader, error) {
	content, err := m.get(name)
	return reader{bytes.NewReader(content)}, err
}

func (m *memory) Tail(_ context.Context, name string, n int64) ([]byte, error) {
	content, err := m.get(name)
	return content[max(0, int64(len(content))-n):], err
}

func (m *memory) Create(_ context.Context, name string, content []byte) (bool, error) {
	if err := m.before(); err != nil {
		return false, err
	}
	m.mu.Lock()
	_, there := m.files[name]
	if !there {
		m.files[name] = content
	}
	m.mu.Unlock()
	return !there, m.after()
}

func (m *memory) Remove(_ context.Context, name string) error {
	if err := m.before(); err != nil {
		return err
	}
	m.mu.Lock()
	delete(m.files, name)
	m.mu.Unlock()
	return m.after()
}

// put is what exporters, compaction and retention do.
func (m *memory) put(name string, content []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if content == nil {
		delete(m.files, name)
	} else {
		m.files[name] = content
	}
}

var now = time.Date(2026, 11, 30, 12, 30, 0, 0, time.UTC)

// parquet makes a file of rows whose time is at.
func parquet(t *testing.T, tenant string, rows int, at time.Time, columns ...string) []byte {
	t.Helper()
	table := columnar.NewTable()
	when, who := table.Root().Timestamp("time", columnar.Required), table.Root().String("tenant_id", columnar.Required)
	key, value := table.Root().Map("attributes")
	var more []*columnar.Text
	for _, c := range columns {
		more = append(more, table.Root().String(c, 0))
	}
	var b bytes.Buffer
	f, err := table.NewFile(&b, columnar.FileSettings{Rows: rows, Metadata: map[string]string{"penstock.tenant": tenant}})
	require.NoError(t, err)
	for i := range rows {
		when.Put(at.Add(time.Duration(i) * time.Microsecond).UnixMicro())
		who.Put([]byte(tenant))
		key.MissingAt(0, 0)
		value.MissingAt(0, 0)
		for _, c := range more {
			c.Put([]byte("x"))
		}
		require.NoError(t, f.EndRow())
	}
	require.NoError(t, f.Close())
	return b.Bytes()
}

// name of a file of a range of the journal.
func name(tenant string, at time.Time, n int) string {
	return path.Join(lakestore.PartitionDir("logs", at, tenant), fmt.Sprintf("penstock.logs-0-%020d-%020d-0.parquet", n, n+1))
}

func open(s lakestore.Store) *iceberg.Table {
	n := 0
	return iceberg.Open(iceberg.Settings{Store: tables.Metadata(s), Name: "logs", URI: "file:///lake", Keep: time.Hour, Now: time.Now,
		UUID: func() string { n++; return fmt.Sprintf("%d-%d", time.Now().UnixNano(), n) }})
}

// round is one of a new process.
func round(t *testing.T, s lakestore.Store, all bool) tables.Report {
	t.Helper()
	r, err := tables.NewFollower(s, open(s), "logs").Round(t.Context(), now, all)
	require.NoError(t, err)
	return r
}

// rows is what the table says that it has, and the names of its files.
func rows(t *testing.T, s lakestore.Store) (n string, files []string) {
	t.Helper()
	table := open(s)
	v, err := table.Load(t.Context())
	require.NoError(t, err)
	if v.Metadata().Snapshot() == nil {
		return "", nil
	}
	require.NoError(t, table.Files(t.Context(), v, -1<<31, 1<<31-1, func(k iceberg.Known) { files = append(files, k.Name) }))
	slices.Sort(files)
	return v.Metadata().Snapshot().Summary["total-records"], files
}

func document(t *testing.T, c lakestore.Change) (string, []byte) {
	t.Helper()
	content, err := json.Marshal(c)
	require.NoError(t, err)
	return lakestore.ChangePath(c.Partition, c.Sequence), content
}
