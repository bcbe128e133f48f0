package aggregate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/cputime"
	"github.com/penstockhq/penstock/receivers/statsdserverreceiver/internal/aggregate"
	"github.com/penstockhq/penstock/receivers/statsdserverreceiver/internal/line"
)

// add parses and adds a line, and returns why it was refused.
func add(t *testing.T, table *aggregate.Table, text string) string {
	t.Helper()
	var l line.Line
	require.Empty(t, l.Parse([]byte(text)), text)
	return table.Add(&l)
}

func collect(table *aggregate.Table) map[string]aggregate.Point {
	all := map[string]aggregate.Point{}
	for _, p := range table.Collect() {
		name := p.Stream.Name
		if len(p.Stream.Tags) > 0 {
			name += "#" + strings.Join(p.Stream.Tags, ",")
		}
		if p.Stream.Time != 0 {
			name += fmt.Sprintf("@%d", p.Stream.Time)
		}
		all[name] = p
	}
	return all
}

func TestAdd(t *testing.T) {
	table := aggregate.New(1<<20, 160)
	for range 100 {
		require.Empty(t, add(t, table, "sampled:1|c|@0.7"))
		require.Empty(t, add(t, table, "half:0.5|c"))
		require.Empty(t, add(t, table, "time:320|ms|@0.7"))
	}
	for _, text := range []string{"hits:1|c|#b,a:1", "hits:2|c|#a:1,b", "hits:4|c|#a:1", "down:-3|c", "down:1|c|#x",
		"queue:5|g", "queue:+2.5|g", "queue:-1|g", "users:ann|s", "users:bob|s", "users:ann|s",
		"packed:1:2|h", "packed:3|d", "late:7|c|T1656581400", "late:1|c|T1656581400", "late:1|c"} {
		require.Empty(t, add(t, table, text), text)
	}
	got := collect(table)
	assert.InDelta(t, 100/0.7, got["sampled"].Number, 1e-9)
	assert.InDelta(t, 50, got["half"].Number, 1e-9)
	counts, _ := got["time"].Histogram.Counts(0)
	assert.Equal(t, uint64(143), counts.Count)
	assert.Equal(t, 3.0, got["hits#a:1,b"].Number)
	assert.Equal(t, 4.0, got["hits#a:1"].Number)
	assert.True(t, got["hits#a:1"].Monotonic)
	assert.False(t, got["down"].Monotonic)
	assert.False(t, got["down#x"].Monotonic, "one metric has one kind")
	assert.Equal(t, 6.5, got["queue"].Number)
	assert.Len(t, got["users"].Members, 2)
	counts, _ = got["packed"].Histogram.Counts(0)
	assert.Equal(t, uint64(3), counts.Count)
	assert.Equal(t, 6.0, counts.Sum)
	assert.Equal(t, 8.0, got["late@1656581400"].Number)
	assert.Equal(t, 1.0, got["late"].Number)

	assert.Empty(t, table.Collect(), "what nothing was sent to has no points")
	require.Empty(t, add(t, table, "queue:+1|g"))
	require.Empty(t, add(t, table, "down:2|c"))
	got = collect(table)
	assert.Equal(t, 7.5, got["queue"].Number, "a gauge keeps its value")
	assert.Equal(t, 2.0, got["down"].Number)
	assert.False(t, got["down"].Monotonic)
}

// Points that the pipeline did not accept are part of the next interval.
func TestRestore(t *testing.T) {
	table := aggregate.New(1<<20, 160)
	send := func() {
		for _, text := range []string{"hits:1|c", "queue:5|g", "old:5|g", "time:10|ms", "users:ann|s", "late:1|c|T5", "idle:1|c"} {
			if strings.HasPrefix(text, "old") && table.Streams() > 7 {
				continue
			}
			require.Empty(t, add(t, table, text))
		}
	}
	send()
	points := table.Collect()
	require.Empty(t, add(t, table, "queue:7|g"))
	require.Empty(t, add(t, table, "hits:2|c"))
	require.Empty(t, add(t, table, "time:30|ms"))
	require.Empty(t, add(t, table, "users:bob|s"))
	for _, p := range points {
		table.Restore(p, time.Unix(7, 0))
	}
	got := collect(table)
	assert.Equal(t, 3.0, got["hits"].Number)
	assert.Equal(t, time.Unix(7, 0), got["hits"].Since)
	assert.Equal(t, 7.0, got["queue"].Number, "the newer value counts")
	assert.Equal(t, 5.0, got["old"].Number)
	assert.Equal(t, 1.0, got["idle"].Number)
	assert.Equal(t, 1.0, got["late@5"].Number)
	assert.Len(t, got["users"].Members, 2)
	counts, _ := got["time"].Histogram.Counts(0)
	assert.Equal(t, uint64(2), counts.Count)
	assert.Equal(t, 40.0, counts.Sum)
}

// Whatever is sent, the table holds no more than its limit, refuses the rest, and accepts lines again when others are gone.
func TestMemoryIsBounded(t *testing.T) {
	const limit = 64 << 10
	table := aggregate.New(limit, 160)
	refused := 0
	for i := range 10_000 {
		for _, text := range []string{"c%d:1|c|#a:b", "g%d:1|g", "t:%d|ms", "h%d:1|h", "set:%d|s", "n%d:-1|c", "l:1|c|T%d"} {
			if add(t, table, fmt.Sprintf(text, i+1)) == aggregate.Full {
				refused++
			}
		}
		require.LessOrEqual(t, table.Used(), limit)
	}
	assert.Positive(t, refused)
	table.Collect()
	assert.Empty(t, add(t, table, "t:1|ms"), "what is held goes on")
	table.Collect()
	table.Collect()
	for i := range 20 {
		require.Empty(t, add(t, table, fmt.Sprintf("new%d:1|c", i)), "idle streams have made room")
	}
	assert.Zero(t, table.Forgotten(), "counters went first")
	for i := range 1000 {
		add(t, table, fmt.Sprintf("gauge%d:1|g", i))
	}
	table.Collect()
	table.Collect()
	for i := range 10 {
		assert.Empty(t, add(t, table, fmt.Sprintf("more%d:1|h", i)))
	}
	assert.Positive(t, table.Forgotten())
	require.LessOrEqual(t, table.Used(), limit)
}

func TestOutOfRange(t *testing.T) {
	table := aggregate.New(1<<20, 160)
	for _, text := range []string{"c:1e308|c", "g:1e308|g", "h:1e308|h"} {
		require.Empty(t, add(t, table, text))
		assert.Equal(t, aggregate.Overflow, add(t, table, strings.Replace(text, ":", ":+", 1)))
	}
	assert.Equal(t, 1e308, collect(table)["c"].Number)
}

// The remainder of a sampled timer's weights is kept for its next interval, however long it pauses.
func TestRestsSurvivePauses(t *testing.T) {
	table := aggregate.New(1<<20, 160)
	var sum uint64
	for range 100 {
		require.Empty(t, add(t, table, "time:320|ms|@0.7"))
		for _, p := range table.Collect() {
			counts, carry := p.Histogram.Counts(p.Carry)
			sum += counts.Count
			table.Carried(p, carry)
		}
		for range 10 {
			table.Collect()
		}
	}
	assert.Equal(t, uint64(143), sum)
}

func BenchmarkAdd(b *testing.B) {
	table := aggregate.New(64<<20, 160)
	texts := make([][]byte, 1000)
	for i := range texts {
		texts[i] = fmt.Appendf(nil, "http.requests.%d:1|c|@0.5|#env:prod,host:web-1,canary", i)
	}
	var l line.Line
	b.ReportAllocs()
	defer cputime.Each(b)()
	i := 0
	for b.Loop() {
		if l.Parse(texts[i%1000]) != "" || table.Add(&l) != "" {
			b.Fatal("refused")
		}
		i++
	}
}
