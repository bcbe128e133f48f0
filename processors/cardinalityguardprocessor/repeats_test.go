package cardinalityguardprocessor

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/origin"
)

// folded are the overflow streams of a guard that admits five series of a metric, after its input.
func folded(t *testing.T, give func(g *rig)) (streams []string, repeated int64) {
	t.Helper()
	g := newRig(t, testConfig(func(c *Config) { c.Limits.SeriesPerMetric = 5 }))
	sink := &consumertest.MetricsSink{}
	g.guard.(*guard).next = sink
	g.consume(requests(epoch.Add(time.Second), users(0, 5)...))
	sink.Reset()
	give(g)
	g.guard.(*guard).next = sink
	g.advance(epoch, true)
	g.advance(epoch.Add(time.Minute), true)
	for _, s := range seriesOf(sink.AllMetrics()) {
		streams = append(streams, s[len(s)-2:])
	}
	return streams, g.count("dropped_points")
}

// A folded delta point that is in two requests, because the sender got no answer, counts once, as admitted ones do in the exporter; points
// of one request never repeat each other, nor do others that differ in time.
func TestARepeatedRequestIsFoldedOnce(t *testing.T) {
	at := epoch.Add(2 * time.Second)
	streams, repeated := folded(t, func(g *rig) {
		for range 3 {
			g.consume(requests(at, "x", "y", "y"))
		}
		g.consume(requests(at.Add(time.Second), "x"))
	})
	assert.Equal(t, []string{"=4"}, streams)
	assert.EqualValues(t, 6, repeated)
}

// Two equal records of the journal are two requests, if the journal drops repetitions.
func TestDeduplicatedRecordsAddUp(t *testing.T) {
	for deduplicated, want := range map[bool]string{true: "=2", false: "=1"} {
		streams, _ := folded(t, func(g *rig) {
			for range 2 {
				md := requests(epoch.Add(2*time.Second), "x")
				ctx := origin.With(t.Context(), md, []origin.Part{{Resources: 1, Deduplicated: deduplicated}})
				require.NoError(t, g.guard.ConsumeMetrics(delivery.With(ctx, g.session), md))
			}
		})
		assert.Equal(t, []string{want}, streams, "de-duplicated: %v", deduplicated)
	}
}

// What is known of repetitions survives a restart with the state.
func TestRepetitionsAreKnownAfterARestart(t *testing.T) {
	streams, repeated := folded(t, func(g *rig) {
		g.consume(requests(epoch.Add(2*time.Second), "x"))
		g.restart()
		g.guard.(*guard).next = consumertest.NewNop()
		g.consume(requests(epoch.Add(2*time.Second), "x"))
	})
	assert.Equal(t, []string{"=1"}, streams)
	assert.EqualValues(t, 1, repeated)
}

// A request that was refused downstream was not counted, so it comes for the first time.
func TestARefusedRequestIsNoRepetition(t *testing.T) {
	streams, repeated := folded(t, func(g *rig) {
		whole := append(users(0, 1), "x")
		g.guard.(*guard).next = consumertest.NewErr(errors.New("full"))
		require.Error(t, g.guard.ConsumeMetrics(g.ctx, requests(epoch.Add(2*time.Second), whole...)))
		g.guard.(*guard).next = consumertest.NewNop()
		g.consume(requests(epoch.Add(2*time.Second), whole...))
	})
	assert.Equal(t, []string{"=1"}, streams)
	assert.Zero(t, repeated)
}
