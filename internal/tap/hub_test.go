package tap_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/cputime"
	"github.com/penstockhq/penstock/internal/tap"
)

func point(side, kind, component, signal, pipeline string) *tap.Point {
	return tap.NewPoint(tap.Place{Side: side, Kind: kind, Component: component, Signal: signal, Pipeline: pipeline})
}

func TestFilters(t *testing.T) {
	p := tap.Place{Side: tap.Before, Kind: "processor", Component: "kafka_replay/lake", Signal: "logs", Pipeline: "logs/lake"}
	for f, want := range map[tap.Filter]bool{
		{}:                               true,
		{Component: "kafka_replay"}:      true,
		{Component: "kafka_replay/lake"}: true,
		{Component: "kafka"}:             false,
		{Component: "lake"}:              false,
		{Pipeline: "logs"}:               true,
		{Pipeline: "logs/lake"}:          true,
		{Pipeline: "logs/la"}:            false,
		{Signal: "traces"}:               false,
		{Side: tap.After}:                false,
		{Kind: "processor", Side: tap.Before, Signal: "logs"}: true,
		{Kind: "exporter"}: false,
	} {
		assert.Equal(t, want, f.Selects(&p), f)
	}
	receiver := tap.Place{Kind: "receiver", Component: "otlp", Signal: "logs"}
	assert.False(t, (&tap.Filter{Pipeline: "logs"}).Selects(&receiver), "a receiver belongs to no single pipeline")
}

func TestTapsSeeThePointsThatTheySelect(t *testing.T) {
	h := tap.NewHub(2)
	scrubber, sink := point(tap.Before, "processor", "pii_scrubber", "logs", "logs"), point(tap.Before, "exporter", "loki", "logs", "")
	h.Add(scrubber)
	assert.False(t, scrubber.Open())
	one, err := h.Open(tap.Filter{Component: "pii_scrubber"}, 5)
	require.NoError(t, err)
	all, err := h.Open(tap.Filter{}, 5)
	require.NoError(t, err)
	h.Add(sink)
	assert.Len(t, scrubber.Taps(), 2)
	assert.Equal(t, []*tap.Tap{all}, sink.Taps())

	_, err = h.Open(tap.Filter{}, 5)
	require.ErrorIs(t, err, tap.ErrTooMany)
	for _, rate := range []int{0, tap.MaxRate + 1} {
		_, err = h.Open(tap.Filter{}, rate)
		require.ErrorContains(t, err, "rate: ")
	}

	h.Close(all)
	h.Close(all)
	assert.False(t, sink.Open())
	assert.Equal(t, []*tap.Tap{one}, scrubber.Taps())
	assert.Equal(t, []tap.Place{scrubber.Place, sink.Place}, h.Places())
	h.Remove(scrubber)
	h.Remove(scrubber)
	assert.False(t, scrubber.Open())
	assert.Equal(t, []tap.Place{sink.Place}, h.Places())
}

func TestPlacesAreInTheOrderInWhichDataPassesThem(t *testing.T) {
	h := tap.NewHub(1)
	for _, p := range []*tap.Point{point(tap.Before, "exporter", "a", "logs", ""), point(tap.After, "processor", "a", "logs", "logs"), point(tap.Before, "processor", "a", "logs", "logs"),
		point(tap.After, "receiver", "z", "logs", ""), point(tap.After, "receiver", "z", "logs", "")} {
		h.Add(p)
	}
	var got []string
	for _, p := range h.Places() {
		got = append(got, p.Side+" "+p.Kind)
	}
	assert.Equal(t, []string{"after receiver", "before processor", "after processor", "before exporter"}, got)
}

func TestARateIsKeptAndASlowViewerLosesOnly(t *testing.T) {
	h := tap.NewHub(1)
	one, err := h.Open(tap.Filter{}, 10)
	require.NoError(t, err)
	now := time.Unix(1000, 0)
	assert.Equal(t, 3, one.Take(now, 3, 100))
	assert.Equal(t, 5, one.Take(now, 100, 5), "at most so many of one batch")
	assert.Equal(t, 2, one.Take(now, 100, 100), "a second's worth at once")
	assert.Equal(t, 0, one.Take(now, 100, 100))
	assert.Equal(t, 1, one.Take(now.Add(100*time.Millisecond), 100, 100))
	assert.Equal(t, 0, one.Take(now.Add(-time.Hour), 100, 100), "a clock that is set back gives nothing")
	assert.Equal(t, 10, one.Take(now.Add(time.Hour), 100, 100), "silence is not saved up")

	for i := range tap.Waiting + 7 {
		one.See(1)
		one.Show(fmt.Append(nil, i))
	}
	one.TooLong()
	one.Unscrubbed()
	assert.Equal(t, tap.Counts{Seen: tap.Waiting + 7, Shown: tap.Waiting, Slow: 7, Long: 1, Unscrubbed: 1}, one.Counts())
	assert.Equal(t, []byte("0"), <-one.Lines())
}

func TestTapsComeAndGoWhileBatchesPass(t *testing.T) {
	h := tap.NewHub(4)
	p := point(tap.Before, "exporter", "a", "logs", "")
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			for _, one := range p.Taps() {
				one.See(1)
				one.Show(nil)
			}
		}
	})
	for range 200 {
		h.Add(p)
		one, err := h.Open(tap.Filter{}, 1)
		require.NoError(t, err)
		h.Close(one)
		h.Remove(p)
	}
	close(stop)
	wg.Wait()
	assert.False(t, p.Open())
}

// BenchmarkClosed is the cost of a batch without an open tap.
func BenchmarkClosed(b *testing.B) {
	h := tap.NewHub(1)
	p := point(tap.Before, "exporter", "a", "logs", "")
	h.Add(p)
	b.ReportAllocs()
	defer cputime.Each(b)()
	for b.Loop() {
		if p.Open() {
			b.Fatal("nobody looks")
		}
	}
}
