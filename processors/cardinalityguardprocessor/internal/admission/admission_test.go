package admission_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"

	"github.com/penstockhq/penstock/internal/cursor"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/admission"
)

func fingerprint(i int) uint64 { return xxh3.HashString(fmt.Sprint("series ", i)) }

func TestTableKeepsWhatIsSeen(t *testing.T) {
	table := admission.NewTable()
	const n = 50_000
	for i := range n {
		require.Equal(t, admission.Unknown, table.See(fingerprint(i)))
		require.True(t, table.Add(fingerprint(i), uint32(i%7)))
		require.False(t, table.Add(fingerprint(i), uint32(i%7)))
	}
	assert.Equal(t, n, table.Len())
	left := map[uint32]int{}
	none := func(uint32) { t.Helper(); t.Error("nothing is idle yet") }
	for range admission.Generations {
		assert.Zero(t, table.Advance(none))
		for i := range n / 2 { // The first half goes on.
			require.Equal(t, admission.Refreshed, table.See(fingerprint(i)))
			require.Equal(t, admission.Known, table.See(fingerprint(i)))
		}
	}
	assert.Equal(t, n/2, table.Advance(func(metric uint32) { left[metric]++ }))
	assert.Len(t, left, 7)
	for i := range n {
		if got := table.See(fingerprint(i)); (got != admission.Unknown) != (i < n/2) {
			t.Fatalf("series %d: %v", i, got)
		}
	}
}

// Whatever is added, removed and added again, the table agrees with a map, also when generation numbers wrap.
func TestTableAgainstMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	table, want := admission.NewTable(), map[int]int{} // series to generation
	for gen := range 600 {
		for range r.IntN(40) {
			i := r.IntN(60)
			_, known := want[i]
			require.Equal(t, known, table.See(fingerprint(i)) != admission.Unknown, "generation %d series %d", gen, i)
			if !known {
				table.Add(fingerprint(i), 1)
			}
			want[i] = gen
		}
		for i, seen := range want {
			if gen+1-seen > admission.Generations {
				delete(want, i)
			}
		}
		table.Advance(func(uint32) {})
		require.Equal(t, len(want), table.Len())
	}
}

// Batches look up without a lock while others add, and generations pass: a series that is seen in every generation never leaves, and is
// added once.
func TestTableIsSafeForConcurrentUse(t *testing.T) {
	table := admission.NewTable()
	const n, rounds = 3000, 3 * admission.Generations
	var added [n]atomic.Int32
	for range rounds {
		var wg sync.WaitGroup
		for worker := range 4 {
			wg.Go(func() {
				for i := range n {
					i := (i + worker*n/4) % n
					if table.See(fingerprint(i)) == admission.Unknown && table.Add(fingerprint(i), uint32(i)) {
						added[i].Add(1)
					}
				}
			})
		}
		wg.Wait()
		wg.Go(func() { // Beside the turn, they all go on.
			for i := range n {
				assert.NotEqual(t, admission.Unknown, table.See(fingerprint(i)))
			}
		})
		assert.Zero(t, table.Advance(func(uint32) {}))
		wg.Wait()
	}
	for i := range added {
		assert.EqualValues(t, 1, added[i].Load())
	}
	assert.Equal(t, n, table.Len())
}

// The memory formula of Table, measured.
func TestTableBytes(t *testing.T) {
	for _, n := range []int{100_000, 300_000, 1_000_000} {
		heap := func() uint64 {
			runtime.GC()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		before := heap()
		table := admission.NewTable()
		r := rand.New(rand.NewPCG(uint64(n), 1))
		for range n {
			table.Add(r.Uint64(), 1)
		}
		per := float64(heap()-before) / float64(table.Len())
		t.Logf("%d series: %.1f bytes each", n, per)
		assert.Less(t, per, 24.0)
		runtime.KeepAlive(table)
	}
}

func limits(l admission.Limits) func(_, _, _ string) admission.Limits {
	return func(_, _, _ string) admission.Limits { return l }
}

func TestTreeTakesAllPlacesOrNone(t *testing.T) {
	cases := []struct {
		level  admission.Level
		limits admission.Limits
	}{
		{admission.Total, admission.Limits{Total: 3, Tenant: 9, Service: 9, Metric: 9}},
		{admission.Tenant, admission.Limits{Total: 9, Tenant: 3, Service: 9, Metric: 9}},
		{admission.Service, admission.Limits{Total: 9, Tenant: 9, Service: 3, Metric: 9}},
		{admission.Metric, admission.Limits{Total: 9, Tenant: 9, Service: 9, Metric: 3}},
	}
	for _, c := range cases {
		tree := admission.NewTree(10, limits(c.limits), func(admission.Warning) {})
		n := tree.Node("t", "s", "m")
		for range 3 {
			require.Equal(t, admission.None, tree.Take(n))
		}
		for range 3 {
			require.Equal(t, c.level, tree.Take(n))
		}
		assert.Equal(t, []int64{3, 3, 3, 3}, []int64{tree.TotalUsed(), n.TenantUsed(), n.ServiceUsed(), n.Series.Used()}, c.level)
		tree.Give(n.ID)
		require.Equal(t, admission.None, tree.Take(n))
	}
}

func TestTreeBoundsItsNodes(t *testing.T) {
	tree := admission.NewTree(2, limits(admission.Limits{}), func(admission.Warning) {})
	a, b := tree.Node("t", "s", "a"), tree.Node("t", "s", "b")
	assert.Nil(t, tree.Node("t", "s", "c"))
	require.Equal(t, admission.None, tree.Take(b))
	tree.Prune(func(*admission.Node) bool { return true })
	assert.Nil(t, tree.Get(a.ID))
	assert.Same(t, b, tree.Node("t", "s", "b"))
	assert.Equal(t, a.ID, tree.Node("t", "s", "c").ID, "ids are used again")
}

func noneProtected(string) bool { return false }

func TestJudgeFindsWhatDrivesTheGrowth(t *testing.T) {
	cases := []struct {
		name   string
		values map[string]int
		series int64
		want   []string
	}{
		{"one driver", map[string]int{"user_id": 9000, "route": 40, "code": 5}, 10_000, []string{"user_id"}},
		{"twins", map[string]int{"user_id": 9000, "session": 8000, "route": 40}, 10_000, []string{"user_id", "session"}},
		{"a product of harmless ones", map[string]int{"route": 200, "code": 5, "pod": 10}, 10_000, []string{"route"}},
		{"constants are innocent", map[string]int{"route": 1}, 10_000, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var g admission.Growth
			for name, n := range c.values {
				for i := range n {
					g.Note(name, fingerprint(i))
				}
			}
			v := g.Judge(c.series, noneProtected)
			assert.Equal(t, c.want, v.Names)
			assert.Equal(t, []int{len(c.want)}, v.Ends)
		})
	}
}

func TestWidenAddsOneAttributeALevel(t *testing.T) {
	var g admission.Growth
	for name, n := range map[string]int{"user_id": 9000, "route": 40, "code": 5, "fixed": 1, "kept": 80} {
		for i := range n {
			g.Note(name, fingerprint(i))
		}
	}
	protected := func(name string) bool { return name == "kept" }
	g.Judge(10_000, protected)
	v, ok := g.Widen(protected)
	require.True(t, ok)
	assert.Equal(t, &admission.Verdict{Names: []string{"user_id", "route"}, Ends: []int{1, 2}}, v)
	assert.True(t, v.Removes("route", 1))
	assert.False(t, v.Removes("route", 0))
	_, ok = g.Widen(protected)
	require.True(t, ok)
	_, ok = g.Widen(protected)
	assert.False(t, ok, "what is left has one value, or is protected")
}

func TestEstimatesAreWithinTheirError(t *testing.T) {
	for _, n := range []int{50, 1000, 10_000, 200_000} {
		var g admission.Growth
		for i := range n {
			g.Note("user_id", fingerprint(i))
		}
		assert.InEpsilon(t, n, g.Distinct()[0].Values, 0.08, "3 standard errors and the sparse form's own")
	}
}

// noted returns a tree with one metric, in which n values of user_id were counted.
func noted(l admission.Limits, n int, warn func(admission.Warning)) (*admission.Tree, *admission.Node) {
	tree := admission.NewTree(10, limits(l), warn)
	node := tree.Node("t", "s", "m")
	for i := range n {
		node.Growth.Note("user_id", fingerprint(i))
	}
	return tree, node
}

func TestVerdictEndsWhenNothingIsLimited(t *testing.T) {
	tree, n := noted(admission.Limits{}, 100, func(admission.Warning) {})
	n.Growth.Judge(100, noneProtected)
	tree.NextWindow()
	assert.NotNil(t, n.Growth.Verdict())
	tree.NextWindow()
	assert.Nil(t, n.Growth.Verdict())
	assert.False(t, n.Growth.Busy())
}

// A verdict lasts while the series limited in a window would not find room beside the active ones, on any level.
func TestVerdictEndsWhenThereIsRoom(t *testing.T) {
	cases := []struct {
		name            string
		limits          admission.Limits
		active, limited int
		holds           bool
	}{
		{"room for all", admission.Limits{Metric: 100}, 30, 40, false},
		{"more active and limited than three quarters", admission.Limits{Metric: 100}, 40, 40, true},
		{"the service is full", admission.Limits{Metric: 100, Service: 80}, 30, 40, true},
		{"the tenant is full", admission.Limits{Tenant: 80}, 30, 40, true},
		{"all is full", admission.Limits{Total: 80}, 30, 40, true},
		{"the attribute has too many values", admission.Limits{Values: 60}, 30, 40, true},
		{"no budget any more", admission.Limits{}, 300, 400, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			tree, n := noted(c.limits, 50, func(admission.Warning) {})
			for range c.active {
				require.Equal(t, admission.None, tree.Take(n))
			}
			n.Growth.Judge(int64(c.active), noneProtected)
			for i := range 3 * c.limited { // Some of them again and again.
				n.Growth.Limit(fingerprint(i % c.limited))
			}
			tree.NextWindow()
			assert.Equal(t, c.holds, n.Growth.Verdict() != nil)
		})
	}
}

// A budget warns once per window, and names the metric with most of it.
func TestWarnings(t *testing.T) {
	var got []string
	tree, n := noted(admission.Limits{Total: 20, Tenant: 15, Service: 10, Metric: 5, Values: 50}, 30, func(w admission.Warning) {
		most := ""
		if w.Most != nil {
			most = w.Most.Metric
		}
		got = append(got, fmt.Sprintf("%v %s/%s/%s/%s %d of %d %s", w.Level, w.Tenant, w.Service, w.Metric, w.Attribute, w.Used, w.Limit, most))
	})
	other := tree.Node("t", "s", "other")
	for range 4 {
		tree.Take(n)
	}
	for range 5 {
		tree.Take(other)
	}
	for range 2 {
		tree.Take(tree.Node("t", "second", "m"))
		tree.Take(tree.Node("u", "s", "m"))
		tree.Take(tree.Node("u", "s", "other"))
		tree.Take(tree.Node("t", "second", "third"))
	}
	tree.Values(n, "user_id", 39)
	tree.Values(n, "user_id", 40)
	tree.Values(n, "user_id", 45)
	want := []string{
		"metric t/s/m/ 4 of 5 m", "service t/s// 8 of 10 m", "metric t/s/other/ 4 of 5 other",
		"tenant t/// 12 of 15 other", "total /// 16 of 20 other", "attribute t/s/m/user_id 40 of 50 ",
	}
	assert.ElementsMatch(t, want, got)
	tree.Values(n, "user_id", 60)
	tree.Take(other)
	assert.Len(t, got, len(want), "once a window")
	tree.NextWindow()
	tree.Values(n, "user_id", 60)
	assert.Len(t, got, len(want)+1)
	for i := range 9 {
		tree.Node("t", "s", fmt.Sprint("metric ", i))
	}
	assert.Equal(t, "metrics /// 8 of 10 ", got[len(got)-1])
}

const step = int64(15 * time.Minute)

func TestClockFollowsTheMajority(t *testing.T) {
	c := admission.NewClock(step)
	start := int64(1000) * step
	c.Vote(start)
	for i := range int64(2000) {
		c.Vote(start + i*step/100) // The true time, a hundred votes a step.
		if i%3 == 0 {
			c.Vote(start + 1000*step) // A third is far ahead,
		}
		if i%3 == 1 {
			c.Vote(start - 1000*step) // and a third far behind.
		}
	}
	assert.InDelta(t, 1019, c.Now()/step, 1)
}

func TestClockTakesAGapAsOneStep(t *testing.T) {
	c := admission.NewClock(step)
	c.Vote(step)
	moves := 0
	for range 100 {
		if c.Vote(500 * step) {
			moves++
		}
	}
	assert.Equal(t, 1, moves)
	assert.Equal(t, 500*step, c.Now())
}

func TestSaveLoad(t *testing.T) {
	made := func() (*admission.Tree, *admission.Table) {
		return admission.NewTree(1000, limits(admission.Limits{Metric: 5}), func(admission.Warning) {}), admission.NewTable()
	}
	tree, table := made()
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 5000 {
		n := tree.Node("tenant", fmt.Sprint("service ", i%3), fmt.Sprint("metric ", i%10))
		if tree.Take(n) == admission.None {
			table.Add(fingerprint(i), n.ID)
		} else {
			n.Growth.Note("user_id", fingerprint(i))
			n.Growth.Judge(5, noneProtected)
		}
		if r.IntN(1000) == 0 {
			table.Advance(tree.Give)
		}
	}
	var buf bytes.Buffer
	require.NoError(t, admission.Save(&buf, tree, table))
	data := buf.Bytes()
	tree2, table2 := made()
	rest, err := admission.Load(append(data, "rest"...), admission.FormatNewest, tree2, table2)
	require.NoError(t, err)
	assert.Equal(t, "rest", string(rest))
	assert.Equal(t, tree.TotalUsed(), tree2.TotalUsed())
	assert.Equal(t, table.Len(), table2.Len())
	tree.Each(func(n *admission.Node) {
		m := tree2.Get(n.ID)
		require.NotNil(t, m)
		assert.Equal(t, n.Metric, m.Metric)
		assert.Equal(t, n.Series.Used(), m.Series.Used())
		assert.Equal(t, n.Growth.Verdict(), m.Growth.Verdict())
		assert.Equal(t, n.Growth.Distinct(), m.Growth.Distinct())
	})
	for range 2 * admission.Generations {
		assert.Equal(t, table.Advance(tree.Give), table2.Advance(tree2.Give))
	}
	for cut := range len(data) {
		if cut%7 != 0 {
			continue
		}
		tree3, table3 := made()
		_, err := admission.Load(data[:cut], admission.FormatNewest, tree3, table3)
		require.ErrorIs(t, err, cursor.ErrCorrupt, "cut at %d", cut)
	}
}

func FuzzLoad(f *testing.F) {
	tree, table := admission.NewTree(9, limits(admission.Limits{}), func(admission.Warning) {}), admission.NewTable()
	n := tree.Node("t", "s", "m")
	tree.Take(n)
	table.Add(7, n.ID)
	n.Growth.Note("a", 1)
	n.Growth.Judge(1, noneProtected)
	var buf bytes.Buffer
	_ = admission.Save(&buf, tree, table)
	f.Add(buf.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		tree, table := admission.NewTree(9, limits(admission.Limits{}), func(admission.Warning) {}), admission.NewTable()
		if _, err := admission.Load(data, admission.FormatNewest, tree, table); err == nil {
			require.EqualValues(t, table.Len(), tree.TotalUsed())
		}
	})
}

func ExampleTable() {
	table := admission.NewTable()
	table.Add(0x5eed, 1)
	fmt.Println(table.See(0x5eed) == admission.Known)
	for range admission.Generations + 1 {
		table.Advance(func(metric uint32) { fmt.Println("metric", metric, "has a place again") })
	}
	// Output:
	// true
	// metric 1 has a place again
}

func BenchmarkSee(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint("series=", n), func(b *testing.B) {
			table := admission.NewTable()
			keys := make([]uint64, n)
			for i := range keys {
				keys[i] = fingerprint(i)
				table.Add(keys[i], 1)
			}
			rand.Shuffle(n, func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				table.See(keys[i%n])
			}
		})
	}
}
