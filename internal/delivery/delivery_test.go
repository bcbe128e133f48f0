package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/delivery"
)

func sessionOf(t *testing.T, source delivery.Source) *delivery.Session {
	t.Helper()
	s, err := delivery.NewSession(delivery.Settings{Label: "p-0", Source: source, SpreadBy: []string{"service.name"}})
	require.NoError(t, err)
	return s
}

func TestWithoutAJournalADeliveryIsEmptyAndSafe(t *testing.T) {
	d := delivery.Of(t.Context())
	assert.Equal(t, delivery.Delivery{}, d)
	assert.Equal(t, delivery.Direct, d.Source())
	assert.Empty(t, d.SpreadBy())
	assert.False(t, d.Attempted("loki", nil))
	d.Outcome.Refuse("loki", "too_old", 3, delivery.UnitItem)
	assert.Zero(t, d.Outcome.Refused(delivery.UnitItem))
	assert.Empty(t, d.Outcome.Refusals())
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		delivery.Of(context.Background()).Outcome.Refuse("loki", "too_old", 1, delivery.UnitItem)
	}))
}

func TestADeliveryTravelsInTheContext(t *testing.T) {
	made := time.Date(2026, 11, 29, 6, 0, 0, 5, time.UTC)
	var told []error
	job := sessionOf(t, delivery.JobSource("a@b", made))
	ctx := delivery.With(delivery.Delivery{Attempts: func(_ string, err error) { told = append(told, err) }}.In(t.Context()), job)
	d := delivery.Of(ctx)
	assert.Same(t, job, d.Session)
	assert.Equal(t, []string{"service.name"}, d.SpreadBy())
	id, ok := d.Source().Job()
	assert.True(t, ok)
	assert.Equal(t, "a@b", id)
	down := errors.New("down")
	assert.True(t, d.Attempted("loki", down))
	assert.Equal(t, []error{down}, told)
	_, ok = sessionOf(t, "").Source().Job()
	assert.False(t, ok, "live")
	assert.NotEqual(t, delivery.JobSource("a", made), delivery.JobSource("a", made.Add(1)), "made again under one id")
}

func TestAnOutcomeAddsUpByKind(t *testing.T) {
	var o, all delivery.Outcome
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			o.Refuse("loki", "too_old", 2, delivery.UnitItem)
			o.Refuse("loki", "tenant", 1, delivery.UnitItem)
			o.Refuse("tsdb", "too_old", 1, delivery.UnitRecord)
			o.Refuse("tsdb", "nothing", 0, delivery.UnitItem)
		})
	}
	writers.Wait()
	all.Add(&o)
	all.Add(&o)
	assert.Equal(t, []delivery.Refusal{
		{By: "loki", Reason: "tenant", Unit: delivery.UnitItem, Count: 16},
		{By: "loki", Reason: "too_old", Unit: delivery.UnitItem, Count: 32},
		{By: "tsdb", Reason: "too_old", Unit: delivery.UnitRecord, Count: 16},
	}, all.Refusals())
	assert.EqualValues(t, 48, all.Refused(delivery.UnitItem))
	assert.EqualValues(t, 16, all.Refused(delivery.UnitRecord))
}

func TestAnOutcomeIsBoundedAndLosesNoCount(t *testing.T) {
	var o delivery.Outcome
	for i := range 10_000 {
		o.Refuse("c", fmt.Sprint("reason ", i), 1, delivery.UnitItem)
	}
	assert.LessOrEqual(t, len(o.Refusals()), 258)
	assert.EqualValues(t, 10_000, o.Refused(delivery.UnitItem))
}

func TestWhatIsRememberedBelongsToOneSource(t *testing.T) {
	made := 0
	p := delivery.NewPerSource(func() *int { made++; n := made; return &n })
	in := func(s *delivery.Session) int { return *p.Of(delivery.With(t.Context(), s)) }
	one, two, job := sessionOf(t, ""), sessionOf(t, ""), sessionOf(t, delivery.JobSource("j", time.Now()))
	assert.Equal(t, []int{1, 1, 2, 3, 1, 3}, []int{in(one), in(two), in(job), *p.Of(t.Context()), in(one), *p.Of(t.Context())})

	one.Close()
	assert.Equal(t, 1, in(two), "another partition of the source is delivered")
	two.Close()
	again := sessionOf(t, "")
	assert.Equal(t, 4, in(again), "nothing is left of ended sessions")

	job.Close()
	assert.Equal(t, 5, in(job), "a batch that outlives its session")
	left := map[delivery.Source]int{}
	p.Each(func(s delivery.Source, n *int) { left[s] = *n })
	assert.Equal(t, map[delivery.Source]int{delivery.Direct: 3, delivery.Live: 4}, left, "and leaves nothing")
}
