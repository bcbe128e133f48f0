package delivery

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// Whatever the producers' clocks show, records are not delivered under a time that none of them has reached: BeganFor would take the streams of
// a new tenant for older than its first record, and no point would be of the future any more.
func TestRecordsAreNotDeliveredUnderATimeThatNoClockShows(t *testing.T) {
	const day = 24 * 3600
	for name, c := range map[string]struct {
		ahead func(second int) []time.Duration // of the clocks whose records come in that second
		most  time.Duration
	}{
		"a steady producer, and three whose clocks are ahead and that write every two minutes": {func(s int) []time.Duration {
			all := []time.Duration{0}
			for k := range 3 {
				if s%120 == 40*k+5 {
					all = append(all, time.Duration(k+1)*10*time.Minute)
				}
			}
			return all
		}, 30 * time.Minute},
		"more producers in turn than clocks are remembered": {func(s int) []time.Duration {
			return []time.Duration{time.Duration(s%12) * 2 * time.Minute}
		}, 22 * time.Minute},
	} {
		s := newSteady(testWindow, time.Unix(0, 0), nil)
		for second := range day {
			now := noon.Add(time.Duration(second) * time.Second)
			for _, ahead := range c.ahead(second) {
				s.at(now.Add(ahead))
				under := s.notBefore(now.Add(ahead))
				if !assert.LessOrEqual(t, under.Sub(now), c.most+testWindow, "%s, second %d", name, second) {
					return
				}
			}
		}
	}
}

// A checkpoint of an earlier release has the latest time that any clock ever showed.
func TestAClockThatWasWrongOnceDoesNotCountForEver(t *testing.T) {
	s := newSteady(testWindow, noon.Add(365*24*time.Hour), nil)
	s.at(noon)
	assert.Equal(t, noon, s.notBefore(noon))
}

// A clock is set back an hour: for the whole hour, points of the time before are not of the future.
func TestTheTimeGoesOnAfterAClockWasSetBack(t *testing.T) {
	s := newSteady(testWindow, time.Unix(0, 0), nil)
	s.at(noon)
	for second := range 3600 {
		at := noon.Add(time.Duration(second)*time.Second - time.Hour)
		s.at(at)
		assert.Equal(t, at.Add(time.Hour), s.notBefore(at))
	}
}

// Records that are exempt from de-duplication show the time too: many senders' points have whole seconds.
func TestRecordsWithoutAnIDMoveTheSteadyTime(t *testing.T) {
	p := newProducers()
	for second := range 300 {
		at := noon.Add(time.Duration(second) * time.Second)
		assert.False(t, p.seen.repeats(SeenRecord{Offset: int64(second), Time: at}))
	}
	back := noon.Add(300*time.Second - time.Hour)
	assert.False(t, p.seen.repeats(SeenRecord{Offset: 300, Time: back}))
	assert.Equal(t, noon.Add(299*time.Second), p.seen.clock.notBefore(back), "the clock was set back an hour")
	assert.Empty(t, p.seen.queue)
}
