package collision_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/collision"
)

// minute is in milliseconds.
const minute = 60_000

// sample is one of a series: stream, start (0: unknown) and time in minutes, and what it must be.
type sample struct {
	stream      uint64
	start, time int64
	want        collision.Verdict
}

func TestCheck(t *testing.T) {
	const a, b, c = 1, 2, 3
	for name, samples := range map[string][]sample{
		"one stream": {{a, 5, 10, collision.Alone}, {a, 5, 11, collision.Alone}, {a, 5, 11, collision.Alone}, {a, 5, 9, collision.Alone}},
		"a process is started again, and again": {
			{a, 5, 10, collision.Alone}, {b, 10, 11, collision.Alone}, {b, 10, 12, collision.Alone}, {c, 12, 13, collision.Alone},
		},
		"two counters alternate": {
			{a, 5, 10, collision.Alone}, {b, 6, 11, collision.Alone}, {a, 5, 12, collision.Mixed}, {b, 6, 13, collision.Mixed},
		},
		"a resource gets an attribute": {{a, 5, 10, collision.Alone}, {b, 5, 11, collision.Alone}, {b, 5, 12, collision.Alone}},
		"two at one time":              {{a, 5, 10, collision.Alone}, {b, 6, 10, collision.SameTime}, {a, 5, 11, collision.Alone}, {b, 6, 11, collision.SameTime}},
		"a gauge changes its process":  {{a, 0, 10, collision.Alone}, {b, 0, 11, collision.Alone}, {b, 0, 12, collision.Alone}, {c, 0, 30, collision.Alone}},
		"two gauges alternate":         {{a, 0, 10, collision.Alone}, {b, 0, 11, collision.Alone}, {a, 0, 12, collision.Mixed}, {b, 0, 13, collision.Mixed}},
		"what is older tells nothing":  {{a, 5, 10, collision.Alone}, {b, 6, 9, collision.Alone}, {a, 5, 11, collision.Alone}},
		"a batch that comes again tells the same": {
			{a, 5, 10, collision.Alone}, {b, 6, 10, collision.SameTime}, {b, 10, 11, collision.Alone},
			{a, 5, 10, collision.Alone}, {b, 10, 11, collision.Alone}, {b, 10, 12, collision.Alone},
		},
	} {
		t.Run(name, func(t *testing.T) {
			table := collision.New(10)
			for i, s := range samples {
				assert.Equal(t, s.want, table.Check(7, s.stream, s.start*minute, s.time*minute), i)
			}
		})
	}
}

func TestSeriesAreApart(t *testing.T) {
	table := collision.New(1 << 16)
	for round := range int64(3) {
		for series := range uint64(10_000) {
			h := (series + 1) * 0x9E3779B97F4A7C15
			assert.Equal(t, collision.Alone, table.Check(h, 1+series%7, 1, round+1), "the table grows under them")
		}
	}
	missed := 0
	for series := range uint64(10_000) {
		h := (series + 1) * 0x9E3779B97F4A7C15
		table.Check(h, 100, 1, 10)
		if table.Check(h, 101, 1, 11) != collision.Mixed {
			missed++
		}
	}
	assert.Less(t, missed, 100, "forgotten, although there was room")
}

// However many series there are, memory stays constant, and active series are remembered.
func TestSilentSeriesAreForgotten(t *testing.T) {
	const kept = 1 << 12
	table := collision.New(kept)
	for series := range uint64(100 * kept) {
		table.Check((series+1)*0x9E3779B97F4A7C15, 1, 1, int64(series)+1)
		table.Check(1, 5, 1, int64(series)+1)
	}
	newest, ok := table.Newest(1)
	assert.True(t, ok)
	assert.EqualValues(t, 100*kept, newest)
	_, ok = table.Newest(0x9E3779B97F4A7C15)
	assert.False(t, ok, "forgotten long ago")
}

func BenchmarkCheck(b *testing.B) {
	for _, series := range []uint64{10_000, 1_000_000} {
		b.Run(fmt.Sprint(series), func(b *testing.B) {
			table := collision.New(1 << 20)
			i, at := uint64(0), int64(1)
			for b.Loop() {
				if i++; i == series {
					i, at = 0, at+1
				}
				table.Check(i*0x9E3779B97F4A7C15, 1, 1, at)
			}
		})
	}
}
