package keeper_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/keeper"
	"github.com/penstockhq/penstock/internal/lakestore"
	"github.com/penstockhq/penstock/internal/lakestore/memstore"
)

func lake(t testing.TB) lakestore.Store {
	t.Helper()
	return memstore.New()
}

func pass(t testing.TB, w *worker, signal string, now time.Time) keeper.State {
	t.Helper()
	s, err := w.Pass(t.Context(), signal, now)
	require.NoError(t, err)
	return s
}

func TestSmallFilesBecomeOne(t *testing.T) {
	s := lake(t)
	for i := range 7 {
		write(t, s, "logs", hour, 10*i, 10)
	}
	w := newWorker(s, 3, settings())
	pass(t, w, "logs", hour.Add(time.Hour)) // not closed
	assert.Len(t, list(t, s, "logs"), 7)
	state := pass(t, w, "logs", noon)
	assert.Equal(t, 1, state.Files)
	assert.Zero(t, state.Pending)
	assert.Equal(t, "z00000001-e3-l1.parquet", names(list(t, s, "logs")))
	assert.Equal(t, upTo(70), globbed(t, s, "logs"))
	clean(t, s)
	require.Len(t, w.table.applied, 1)
	for _, c := range w.table.applied {
		assert.Len(t, c.Remove, 7)
		assert.Equal(t, int64(70), c.Add[0].Rows)
	}

	// Rows that come late are merged with each other, and with the first ones.
	write(t, s, "logs", hour, 70, 10)
	pass(t, newWorker(s, 4, settings()), "logs", noon)
	assert.Equal(t, "z00000002-e4-l1.parquet", names(list(t, s, "logs")))
	assert.Equal(t, upTo(80), globbed(t, s, "logs"))
	clean(t, s)
	assert.Empty(t, w.events.failed)
}

// However many partitions there are, a state names the newest ones only.
func TestAStateNamesTheNewestPartitions(t *testing.T) {
	s := lake(t)
	for i := range keeper.MaxNewest + 5 {
		write(t, s, "logs", hour.Add(time.Duration(i)*time.Hour), i, 1)
	}
	newest := hour.Add((keeper.MaxNewest + 4) * time.Hour)
	state := pass(t, newWorker(s, 1, settings()), "logs", newest)
	assert.Equal(t, keeper.MaxNewest+5, state.Partitions)
	require.Len(t, state.Newest, keeper.MaxNewest)
	assert.Equal(t, hour.Add(5*time.Hour), state.Newest[0].Hour)
	last := state.Newest[keeper.MaxNewest-1]
	assert.Equal(t, newest, last.Hour)
	assert.Equal(t, 1, last.Files)
	assert.Positive(t, last.Bytes)
}

// A range that is delivered again after its file was merged brings the file back. Readers that ask don't see it, and the next pass removes it.
func TestARangeThatComesAgainIsNotThereTwice(t *testing.T) {
	s := lake(t)
	for i := range 4 {
		write(t, s, "logs", hour, 10*i, 10)
	}
	pass(t, newWorker(s, 1, settings()), "logs", time.Now())
	for round := range 3 {
		write(t, s, "logs", hour, 10, 10)
		if round == 1 {
			write(t, s, "logs", hour, 40, 10)
		}
		want := upTo(40 + 10*min(round, 1))
		assert.Equal(t, want, exact(t, s, "logs"))
		w := newWorker(s, 2, settings())
		pass(t, w, "logs", time.Now())
		assert.Equal(t, want, globbed(t, s, "logs"))
		assert.Equal(t, 1, w.events.orphans)
		clean(t, s)
	}
}

func TestAnOverlapKeepsMergedFiles(t *testing.T) {
	s := lake(t)
	write(t, s, "logs", hour, 0, 10)
	write(t, s, "logs", hour, 10, 10)
	set := settings()
	set.Overlap = 10 * time.Minute
	w := newWorker(s, 1, set)
	pass(t, w, "logs", noon)
	assert.Len(t, globbed(t, s, "logs"), 40, "a plain glob reads them twice")
	assert.Equal(t, upTo(20), exact(t, s, "logs"))
	pass(t, w, "logs", noon.Add(9*time.Minute))
	assert.Len(t, list(t, s, "logs"), 3)
	pass(t, w, "logs", noon.Add(10*time.Minute))
	clean(t, s)
}

// Files stay until the tables know of the change.
func TestATableThatFailsKeepsTheFiles(t *testing.T) {
	s := lake(t)
	write(t, s, "logs", hour, 0, 10)
	write(t, s, "logs", hour, 10, 10)
	w := newWorker(s, 1, settings())
	w.table.refuse = errors.New("no")
	pass(t, w, "logs", noon)
	assert.Len(t, list(t, s, "logs"), 3)
	assert.Contains(t, w.events.failed[0], "table: ")
	w.table.refuse = nil
	pass(t, w, "logs", noon)
	clean(t, s)
	assert.Len(t, w.table.applied, 1)
}

func TestADamagedFileIsLeftAlone(t *testing.T) {
	s := lake(t)
	write(t, s, "logs", hour, 0, 10)
	write(t, s, "logs", hour, 10, 10)
	require.NoError(t, s.Put(t.Context(), lakestore.PartitionDir("logs", hour, "a")+"/damaged.parquet", bytes.Repeat([]byte("PAR1"), 300)))
	w := newWorker(s, 1, settings())
	pass(t, w, "logs", noon)
	pass(t, w, "logs", noon)
	assert.Equal(t, "damaged.parquet z00000001-e1-l1.parquet", names(list(t, s, "logs")))
	require.Len(t, w.events.failed, 1)
	assert.Contains(t, w.events.failed[0], "damaged: ")
}

// Partitions are written once more, harder, when they are old.
func TestOldPartitionsAreCompressedHarder(t *testing.T) {
	s := lake(t)
	write(t, s, "logs", hour, 0, 10)
	write(t, s, "logs", hour, 10, 10)
	set := settings()
	set.RecompressAfter, set.RecompressLevel = 24*time.Hour, 11
	w := newWorker(s, 1, set)
	pass(t, w, "logs", noon)
	pass(t, w, "logs", noon.Add(48*time.Hour))
	assert.Equal(t, "z00000002-e1-l11.parquet", names(list(t, s, "logs")))
	changed := w.events.changed
	pass(t, w, "logs", noon.Add(50*time.Hour))
	assert.Equal(t, changed, w.events.changed, "once")
	assert.Equal(t, upTo(20), globbed(t, s, "logs"))
	clean(t, s)
}

// Raw points go first, the rollups of an hour stay for as long as their own rule says.
func TestRetentionByWindow(t *testing.T) {
	s := lake(t)
	for i := range 3 {
		write(t, s, "metrics", hour, 6*i, 6, "", "1m", "1h")
		write(t, s, "logs", hour, 6*i, 6)
	}
	const day = 24 * time.Hour
	set := settings()
	set.Retention = keeper.Retention{Keep: 7 * day, Rules: []keeper.Rule{{Window: "1h", Keep: 365 * day}, {Window: "1m", Keep: 30 * day}, {Signal: "logs", Tenant: "b", Keep: time.Hour}}}
	w := newWorker(s, 1, set)
	for _, step := range []struct {
		age           time.Duration
		metrics, logs int
	}{{day, 18, 18}, {7*day - time.Minute, 18, 18}, {7 * day, 12, 0}, {8 * day, 12, 0}, {30 * day, 6, 0}, {364 * day, 6, 0}, {365 * day, 0, 0}} {
		for range 2 {
			pass(t, w, "metrics", hour.Add(time.Hour+step.age))
			pass(t, w, "logs", hour.Add(time.Hour+step.age))
		}
		assert.Len(t, globbed(t, s, "metrics"), step.metrics, step)
		assert.Len(t, globbed(t, s, "logs"), step.logs, step)
		clean(t, s)
	}
	assert.Empty(t, list(t, s, lakestore.ChangesDir), "nothing is left of dropped partitions")
	assert.Empty(t, w.events.failed)

	// What comes late, or is replayed, goes with the next pass.
	write(t, s, "metrics", hour, 0, 6, "1h")
	pass(t, w, "metrics", hour.Add(366*day))
	assert.Empty(t, list(t, s, "metrics"))
}

func TestUndatedRowsStayAsLongAfterTheyWereWritten(t *testing.T) {
	s := lake(t)
	for i := range 3 {
		write(t, s, "logs", time.Unix(0, 0), 10*i, 10)
	}
	set := settings()
	set.Retention.Keep = 30 * 24 * time.Hour
	w := newWorker(s, 1, set)
	now := time.Now()
	pass(t, w, "logs", now)
	assert.Len(t, list(t, s, "logs"), 3, "their day is not over")
	pass(t, w, "logs", now.Add(25*time.Hour))
	assert.Len(t, list(t, s, "logs"), 1)
	pass(t, w, "logs", now.Add(29*24*time.Hour))
	assert.Equal(t, upTo(30), globbed(t, s, "logs"))
	pass(t, w, "logs", now.Add(31*24*time.Hour))
	assert.Empty(t, list(t, s, "logs"))
}

// A day of a gateway that writes a file each half minute ends with one file an hour: at most 50 a signal.
func TestFilesOfADay(t *testing.T) {
	s := lake(t)
	set := settings()
	set.Delay, set.Quiet = 15*time.Minute, time.Hour
	w := newWorker(s, 1, set)
	begin := time.Now().UTC().Truncate(time.Hour).Add(-24 * time.Hour) // files are as old as the clock of the disk says
	const each = 12
	for h := range 24 {
		at := begin.Add(time.Duration(h) * time.Hour)
		for i := range each {
			write(t, s, "logs", at, (h*each+i)*10, 10)
		}
		if h > 0 { // rows that come an hour late
			write(t, s, "logs", at.Add(-time.Hour), 100_000+10*h, 10)
		}
	}
	var most int
	for i := range 26 * 4 {
		most = max(most, pass(t, w, "logs", begin.Add(48*time.Hour+time.Duration(i)*15*time.Minute)).Files)
	}
	files := list(t, s, "logs")
	assert.Len(t, files, 24)
	assert.LessOrEqual(t, len(files), 50)
	assert.Len(t, globbed(t, s, "logs"), 24*each*10+23*10)
	clean(t, s)
	assert.Empty(t, w.events.failed)
}

func TestPlan(t *testing.T) {
	set := keeper.Settings{Target: 1000, Quiet: time.Hour}
	now := noon
	plan := func(age time.Duration, sizes ...int64) (got []int64) {
		var files []lakestore.File
		for i, n := range sizes {
			files = append(files, lakestore.File{Path: fmt.Sprint(i), Bytes: n, Modified: now.Add(-age)})
		}
		for _, f := range set.Plan(files, now) {
			got = append(got, f.Bytes)
		}
		return got
	}
	assert.Nil(t, plan(2*time.Hour, 10))
	assert.Equal(t, []int64{10, 20}, plan(2*time.Hour, 20, 10))
	assert.Nil(t, plan(time.Minute, 10, 20), "more may come")
	assert.Len(t, plan(time.Minute, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1), 16, "there are many")
	assert.Nil(t, plan(2*time.Hour, 800, 20), "the large one is done")
	assert.Equal(t, []int64{300, 300, 300}, plan(2*time.Hour, 300, 300, 300, 300), "up to the target")
	assert.Nil(t, plan(2*time.Hour, 1, 400), "not for one row")
	assert.Equal(t, []int64{400, 400}, plan(2*time.Hour, 1, 400, 400))
	assert.Equal(t, []int64{100, 400}, plan(2*time.Hour, 100, 400))
}
