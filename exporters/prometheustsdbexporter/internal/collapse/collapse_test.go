package collapse_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/collapse"
	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/sample"
)

func of(name string, stream uint64, record int32, time int64, v float64) sample.Sample {
	ls := labels.FromStrings("__name__", name)
	return sample.Sample{Labels: ls, Hash: ls.Hash(), Stream: stream, Record: record, Time: time, Value: v}
}

func values(samples []sample.Sample) (list []string) {
	for _, x := range samples {
		list = append(list, fmt.Sprintf("%s@%d=%v", x.Labels.Get("__name__"), x.Time, x.Value))
	}
	return list
}

func TestSamples(t *testing.T) {
	var table collapse.Table
	for name, c := range map[string]struct {
		samples, want []sample.Sample
	}{
		"none": {nil, nil},
		"within a record the last wins": {
			[]sample.Sample{of("dup", 1, 1, 5, 1), of("a", 1, 1, 5, 7), of("dup", 1, 1, 5, 2), of("dup", 1, 1, 6, 3)},
			[]sample.Sample{of("dup", 1, 1, 5, 2), of("a", 1, 1, 5, 7), of("dup", 1, 1, 6, 3)},
		},
		"between records the first stays": {
			[]sample.Sample{of("dup", 1, 1, 5, 1), of("dup", 1, 2, 5, 2), of("dup", 1, 2, 5, 3)},
			[]sample.Sample{of("dup", 1, 1, 5, 1)},
		},
		"the last of the first record": {
			[]sample.Sample{of("dup", 1, 1, 5, 1), of("dup", 1, 1, 5, 2), of("dup", 1, 2, 5, 3)},
			[]sample.Sample{of("dup", 1, 1, 5, 2)},
		},
		"two streams are a collision": {
			[]sample.Sample{of("dup", 1, 1, 5, 1), of("dup", 2, 1, 5, 2)},
			[]sample.Sample{of("dup", 1, 1, 5, 1), of("dup", 2, 1, 5, 2)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := len(c.samples)
			kept, dropped, _ := table.Samples(c.samples)
			assert.Equal(t, values(c.want), values(kept))
			assert.Equal(t, n-len(c.want), dropped)
		})
	}
}

// Series whose hashes are equal are not confused.
func TestHashesThatMeet(t *testing.T) {
	a, b := of("a", 1, 1, 5, 1), of("b", 1, 1, 5, 2)
	b.Hash = a.Hash
	kept, _, _ := new(collapse.Table).Samples([]sample.Sample{a, b})
	assert.Len(t, kept, 2)
}

// However many there are, against a map.
func TestAgainstAMap(t *testing.T) {
	var table collapse.Table
	for seed := range uint64(100) {
		rnd := rand.New(rand.NewPCG(seed, 5))
		var samples []sample.Sample
		want, first := map[string]float64{}, map[string]int32{}
		record := int32(1)
		for i := range rnd.IntN(2000) {
			record += int32(rnd.IntN(3) / 2)
			x := of(fmt.Sprint(rnd.IntN(30)), 1, record, int64(rnd.IntN(30)), float64(i))
			key := fmt.Sprint(x.Labels, x.Time)
			if r, ok := first[key]; !ok || r == record {
				first[key], want[key] = record, x.Value
			}
			samples = append(samples, x)
		}
		kept, dropped, _ := table.Samples(samples)
		require.Equal(t, len(samples)-len(want), dropped)
		got := map[string]float64{}
		for _, x := range kept {
			got[fmt.Sprint(x.Labels, x.Time)] = x.Value
		}
		require.Equal(t, want, got, "seed %d", seed)
	}
}

func BenchmarkSamples(b *testing.B) {
	samples := make([]sample.Sample, 8192)
	for i := range samples {
		samples[i] = of(fmt.Sprint(i), 1, 1, 5, 1)
	}
	var table collapse.Table
	b.ReportAllocs()
	for b.Loop() {
		table.Samples(samples)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(samples)), "ns/sample")
}

func Example() {
	kept, dropped, _ := new(collapse.Table).Samples([]sample.Sample{of("x", 1, 1, 5, 1), of("x", 1, 1, 5, 2)})
	fmt.Println(values(kept), dropped)
	// Output: [x@5=2] 1
}
