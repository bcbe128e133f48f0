package byseries_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/byseries"
	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/sample"
)

func of(series string, at int64) sample.Sample {
	ls := labels.FromStrings("__name__", series)
	return sample.Sample{Labels: ls, Hash: ls.Hash(), Time: at}
}

// Every sample is in the result once, those of a series adjacent and in their original order, whatever was ordered before.
func TestSeriesComeTogetherAndInOrder(t *testing.T) {
	var order byseries.Order
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		samples := make([]sample.Sample, rng.IntN(500))
		series := 1 + rng.IntN(40)
		for i := range samples {
			samples[i] = of(fmt.Sprint("s", rng.IntN(series)), int64(i))
		}
		positions := order.Of(samples)
		require.Len(t, positions, len(samples), "seed %d", seed)
		ended, last, seen := map[string]bool{}, map[string]int64{}, map[int32]bool{}
		for n, i := range positions {
			x := &samples[i]
			name := x.Labels.String()
			require.False(t, seen[i], "seed %d", seed)
			seen[i] = true
			if before, ok := last[name]; ok {
				require.Less(t, before, x.Time, "seed %d: %s", seed, name)
			}
			last[name] = x.Time
			require.False(t, ended[name], "seed %d: %s comes again", seed, name)
			if n+1 < len(positions) && !byseries.Same(x, &samples[positions[n+1]]) {
				ended[name] = true
			}
		}
	}
}

// The parts are all positions in their order, and no two have samples of one series.
func TestPartsShareNoSeries(t *testing.T) {
	var order byseries.Order
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		samples := make([]sample.Sample, rng.IntN(500))
		series := 1 + rng.IntN(40)
		for i := range samples {
			samples[i] = of(fmt.Sprint("s", rng.IntN(series)), int64(i))
		}
		positions := order.Of(samples)
		n := rng.IntN(6)
		parts := byseries.Divide(samples, positions, n)
		require.LessOrEqual(t, len(parts), max(1, n), "seed %d", seed)
		require.Equal(t, positions, append([]int32{}, slices.Concat(parts...)...), "seed %d", seed)
		in := map[string]int{}
		for p, part := range parts {
			require.NotEmpty(t, part, "seed %d", seed)
			for _, i := range part {
				name := samples[i].Labels.String()
				if before, ok := in[name]; ok {
					require.Equal(t, before, p, "seed %d: %s", seed, name)
				}
				in[name] = p
			}
		}
	}
}

func TestSame(t *testing.T) {
	a, b := of("a", 1), of("a", 2)
	assert.True(t, byseries.Same(&a, &b))
	b.Family = &sample.Family{}
	assert.False(t, byseries.Same(&a, &b), "another family: its metadata is looked at")
	b = of("b", 1)
	b.Hash = a.Hash
	assert.False(t, byseries.Same(&a, &b), "two series that have one hash")
}

func BenchmarkOf(b *testing.B) {
	var order byseries.Order
	samples := make([]sample.Sample, 40_000)
	for i := range samples {
		samples[i] = of(fmt.Sprint(i%2000), int64(i))
	}
	b.ReportAllocs()
	for b.Loop() {
		order.Of(samples)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(samples)), "ns/sample")
}

func Example() {
	samples := []sample.Sample{of("up", 1), of("load", 1), of("up", 2), of("load", 2)}
	var order byseries.Order
	positions := order.Of(samples)
	fmt.Println(byseries.Same(&samples[positions[0]], &samples[positions[1]]), byseries.Same(&samples[positions[1]], &samples[positions[2]]))
	// Output: true false
}
