package ending_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/ending"
	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/sample"
)

// minute is in milliseconds; series end after five.
const minute = 60_000

func at(minutes int64, names ...string) (samples []sample.Sample) {
	for _, name := range names {
		ls := labels.FromStrings("__name__", name)
		samples = append(samples, sample.Sample{Labels: ls, Hash: ls.Hash(), Time: minutes * minute, Value: 1})
	}
	return samples
}

// push sends samples and returns which series ended with them.
func push(t *testing.T, tr *ending.Tracker, from string, samples []sample.Sample) (ended []string) {
	t.Helper()
	markers := tr.Ended(from, samples, 0)
	assert.Len(t, tr.Ended(from, samples, 0), len(markers), "the same, until it is sent")
	for _, m := range markers {
		assert.True(t, ending.IsStale(&m))
		assert.EqualValues(t, 1, m.Time%minute, "right behind the last sample")
		ended = append(ended, m.Labels.Get("__name__"))
	}
	tr.Sent(from, samples, markers, 0)
	slices.Sort(ended)
	return ended
}

func TestASeriesEndsOnce(t *testing.T) {
	tr := ending.New(5*minute, 100)
	assert.Empty(t, push(t, tr, "", at(1, "a", "b", "c")))
	assert.Empty(t, push(t, tr, "", at(4, "a", "b")))
	assert.Empty(t, push(t, tr, "", at(6, "a")), "c is silent for five minutes, not for more")
	assert.Equal(t, []string{"c"}, push(t, tr, "", at(8, "a")))
	assert.Equal(t, []string{"b"}, push(t, tr, "", at(10, "a")))
	assert.Empty(t, push(t, tr, "", at(12, "a", "c")), "c begins again")
	assert.Equal(t, []string{"c"}, push(t, tr, "", at(19, "a")), "a itself comes back in time")
}

func TestWhatTheSenderToldIsNotToldAgain(t *testing.T) {
	tr := ending.New(5*minute, 100)
	push(t, tr, "", at(1, "a", "b"))
	gone := at(2, "b")
	gone[0].Value = math.Float64frombits(value.StaleNaN)
	push(t, tr, "", gone)
	assert.Empty(t, push(t, tr, "", at(9, "a")))
}

func TestASourceThatLagsEndsNothing(t *testing.T) {
	tr := ending.New(5*minute, 100)
	push(t, tr, "partition 0", at(1, "a"))
	push(t, tr, "partition 1", at(100, "b"))
	assert.Empty(t, push(t, tr, "partition 1", at(120, "b")))
	assert.Empty(t, push(t, tr, "partition 0", at(2, "a")))
}

func TestNativeHistogramsAndTheBound(t *testing.T) {
	tr := ending.New(5*minute, 1)
	h := at(1, "h", "one too many")
	h[0].Histogram = &histogram.Histogram{Count: 1}
	push(t, tr, "", h)
	next := at(10, "x")
	markers := tr.Ended("", next, 0)
	assert.Len(t, markers, 1)
	assert.True(t, value.IsStaleNaN(markers[0].Histogram.Sum))
}

// A client names its tenant, so it could create sources without end. Those that were silent for longest are removed.
func TestSourcesAreBounded(t *testing.T) {
	tr := ending.New(5*minute, 1<<20)
	push(t, tr, "kept", at(1, "a", "kept"))
	most := 0
	for i := range 40_000 {
		tr.Sent(fmt.Sprint("tenant ", i), at(1, "x"), nil, uint64(i+1))
		if i%1000 == 0 {
			tr.Sent("kept", at(1, "kept"), nil, 0)
		}
		most = max(most, tr.Sources())
	}
	assert.LessOrEqual(t, most, 1<<14)
	assert.Equal(t, []string{"a"}, push(t, tr, "kept", at(9, "kept")), "what is used stays")
}
