package keeper_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/keeper"
	"github.com/penstockhq/penstock/extensions/lakeextension/internal/tables"
	"github.com/penstockhq/penstock/internal/columnar"
	"github.com/penstockhq/penstock/internal/lakestore"
)

// hour is the partition that most tests fill; it is closed at noon, hours from now: files are as old as the disk's clock says, however long the tests take.
var (
	noon = time.Now().UTC().Add(4 * time.Hour)
	hour = noon.Truncate(time.Hour).Add(-5 * time.Hour)
)

// row is one row: its id, and the window of a rollup or "".
type row struct {
	id     int64
	window string
}

func rowsFrom(first, n int, windows ...string) (all []row) {
	for i := range n {
		r := row{id: int64(first + i)}
		if len(windows) > 0 {
			r.window = windows[i%len(windows)]
		}
		all = append(all, r)
	}
	return all
}

// encode makes a file as the exporter does, as far as merging goes.
func encode(t testing.TB, hour time.Time, rows []row) func(io.Writer) error {
	return func(w io.Writer) error {
		table := columnar.NewTable()
		g := table.Root()
		service, at, id := g.String("service_name", 0), g.Timestamp("time", columnar.Required|columnar.Unique), g.Int64("id", columnar.Required)
		key, value := g.Map("attributes")
		f, err := table.NewFile(w, columnar.FileSettings{Rows: len(rows), SortedBy: []string{"service_name", "time"},
			Metadata: map[string]string{"penstock.schema": "logs/2", "penstock.tenant": "a"}, CreatedBy: "penstock version 2.0.0"})
		require.NoError(t, err)
		for _, r := range rows {
			service.Put([]byte("shop"))
			at.Put(hour.UnixMicro() + r.id)
			id.Put(r.id)
			key.PutAt([]byte("k"), 0)
			value.PutAt([]byte("v"), 0)
			if r.window != "" {
				key.PutAt([]byte(keeper.Rollup), 1)
				value.PutAt([]byte(r.window), 1)
			}
			if err := f.EndRow(); err != nil {
				return err
			}
		}
		return f.Close()
	}
}

// encoded remembers what encode makes.
var encoded sync.Map

// write makes the file of a range. Files of tests are as old as their partition's hour.
func write(t testing.TB, s lakestore.Store, signal string, hour time.Time, first, n int, windows ...string) string {
	t.Helper()
	name := fmt.Sprintf("penstock.%s-0-%020d-%020d-0", signal, first, first+n)
	key := fmt.Sprint(hour.Unix(), first, n, windows)
	data, known := encoded.Load(key)
	if !known {
		var out bytes.Buffer
		require.NoError(t, encode(t, hour, rowsFrom(first, n, windows...))(&out))
		data = out.Bytes()
		encoded.Store(key, data)
	}
	w, err := s.Write(context.Background(), lakestore.PartitionDir(signal, hour, "a"), name, func(w io.Writer) error {
		_, err := w.Write(data.([]byte))
		return err
	})
	require.NoError(t, err)
	return w.Path
}

// ids reads the ids of files.
func ids(t testing.TB, s lakestore.Store, files []lakestore.File) (all []int64) {
	t.Helper()
	for _, f := range files {
		r, err := s.Open(context.Background(), f.Path)
		require.NoError(t, err)
		pf, err := file.NewParquetReader(io.NewSectionReader(r, 0, r.Size()))
		require.NoError(t, err, f.Path)
		for g := range pf.NumRowGroups() {
			c, err := pf.RowGroup(g).Column(pf.MetaData().Schema.ColumnIndexByName("id"))
			require.NoError(t, err)
			values := make([]int64, pf.RowGroup(g).NumRows())
			n, _, err := c.(*file.Int64ColumnChunkReader).ReadBatch(int64(len(values)), values, nil, nil)
			require.NoError(t, err)
			all = append(all, values[:n]...)
		}
		require.NoError(t, r.Close())
	}
	slices.Sort(all)
	return all
}

func list(t testing.TB, s lakestore.Store, dir string) (all []lakestore.File) {
	t.Helper()
	require.NoError(t, s.List(context.Background(), dir, func(f lakestore.File) error {
		all = append(all, f)
		return nil
	}))
	return all
}

// globbed is what a reader of all files of a signal gets.
func globbed(t testing.TB, s lakestore.Store, signal string) []int64 {
	return ids(t, s, list(t, s, signal))
}

// exact is what a reader gets that asks the changes, as lakestore's documentation says.
func exact(t testing.TB, s lakestore.Store, signal string) (all []int64) {
	t.Helper()
	files := map[string][]lakestore.File{}
	for _, f := range list(t, s, signal) {
		files[path.Dir(f.Path)] = append(files[path.Dir(f.Path)], f)
	}
	changes := map[string][]lakestore.Change{}
	for _, f := range list(t, s, path.Join(lakestore.ChangesDir, signal)) {
		r, err := s.Open(context.Background(), f.Path)
		require.NoError(t, err)
		content, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
		require.NoError(t, err)
		require.NoError(t, r.Close())
		var c lakestore.Change
		require.NoError(t, json.Unmarshal(content, &c))
		changes[c.Partition] = append(changes[c.Partition], c)
	}
	for dir, of := range files {
		live, _ := lakestore.Live(of, changes[dir])
		all = append(all, ids(t, s, live)...)
	}
	slices.Sort(all)
	return all
}

// table has what a table would have after the changes that it got.
type table struct {
	mu      sync.Mutex
	applied map[string]lakestore.Change
	refuse  error
}

func (x *table) Apply(_ context.Context, c lakestore.Change) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.refuse != nil {
		return x.refuse
	}
	if x.applied == nil {
		x.applied = map[string]lakestore.Change{}
	}
	x.applied[c.ID()] = c
	return nil
}

// events counts.
type events struct {
	mu                        sync.Mutex
	changed, expired, orphans int
	failed                    []string
}

func (e *events) Changed(string, lakestore.Change) { e.mu.Lock(); defer e.mu.Unlock(); e.changed++ }
func (e *events) Expired(_ string, n int)          { e.mu.Lock(); defer e.mu.Unlock(); e.expired += n }
func (e *events) Orphans(_ string, n int)          { e.mu.Lock(); defer e.mu.Unlock(); e.orphans += n }
func (e *events) Failed(partition, reason string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failed = append(e.failed, reason+": "+partition+": "+err.Error())
}

// settings merge whatever there is.
func settings() keeper.Settings {
	return keeper.Settings{Delay: time.Minute, Target: 1 << 20, Memory: 64 << 20, Level: 1}
}

// worker is a keeper of one epoch. It holds its lease until it is lost.
type worker struct {
	*keeper.Keeper
	events *events
	table  *table
	lost   chan struct{}
	// follower keeps the Iceberg table, nil: nobody does.
	follower *tables.Follower
}

// Pass is a pass of the keeper between two rounds of the committer.
func (w *worker) Pass(ctx context.Context, signal string, now time.Time) (keeper.State, error) {
	if err := w.round(ctx, now); err != nil {
		return keeper.State{}, err
	}
	s, err := w.Keeper.Pass(ctx, signal, now)
	return s, errors.Join(err, w.round(ctx, now))
}

func (w *worker) round(ctx context.Context, now time.Time) error {
	if w.follower == nil {
		return nil
	}
	_, err := w.follower.Round(ctx, now, true)
	return err
}

func newWorker(s lakestore.Store, epoch int64, set keeper.Settings, more ...keeper.Table) *worker {
	w := &worker{events: &events{}, table: &table{}, lost: make(chan struct{})}
	w.Keeper = keeper.New(s, set, append([]keeper.Table{w.table}, more...), w.events, func() error {
		select {
		case <-w.lost:
			return errLost
		default:
			return nil
		}
	}, func() int64 { return epoch })
	w.RememberMerges()
	return w
}

var errLost = errors.New("the lease is over")

// clean says that nothing is left behind: no file that was merged, none that waits.
func clean(t testing.TB, s lakestore.Store) {
	t.Helper()
	require.Empty(t, list(t, s, lakestore.StagingDir))
	for _, signal := range keeper.Signals {
		require.Equal(t, exact(t, s, signal), globbed(t, s, signal), "files that readers don't read")
	}
}

func upTo(n int) []int64 {
	all := make([]int64, n)
	for i := range all {
		all[i] = int64(i)
	}
	return all
}

func names(files []lakestore.File) string {
	var all []string
	for _, f := range files {
		all = append(all, f.Name())
	}
	return strings.Join(all, " ")
}
