package outage_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/internal/outage"
)

func TestOneLineAfterAMinuteOneAMinuteAndOneWhenItIsOver(t *testing.T) {
	w := outage.New(time.Minute, time.Minute)
	began := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	var lines []string
	for second := range 200 {
		now := began.Add(time.Duration(second) * time.Second)
		w.Failed(now, fmt.Errorf("refused at %d", second))
		if o, due := w.Due(now); due {
			lines = append(lines, fmt.Sprintf("%s: %v, first %t", o.Lasted, o.Cause, o.First))
			assert.Equal(t, began, o.Since)
		}
	}
	assert.Equal(t, []string{"1m0s: refused at 60, first true", "2m0s: refused at 120, first false", "3m0s: refused at 180, first false"}, lines)
	over, told := w.Worked(began.Add(4 * time.Minute))
	assert.True(t, told)
	assert.Equal(t, 4*time.Minute, over.Lasted)
	_, told = w.Worked(began.Add(5 * time.Minute))
	assert.False(t, told, "it is over once")
}

func TestAnAttemptThatWorksEndsAnOutageThatNobodyHasReadOf(t *testing.T) {
	w := outage.New(time.Minute, time.Minute)
	began := time.Unix(1000, 0)
	w.Failed(began, errors.New("x"))
	_, told := w.Worked(began.Add(59 * time.Second))
	assert.False(t, told)
	w.Failed(began.Add(time.Minute), errors.New("x"))
	_, due := w.Due(began.Add(90 * time.Second))
	assert.False(t, due, "the second outage is half a minute old")
}

func TestTheStatusOfAnOutageComesBeforeItsFirstLine(t *testing.T) {
	w := outage.New(time.Minute, time.Minute)
	began := time.Unix(1000, 0)
	w.FailedSince(began, errors.New("no answer"))
	_, bad := w.Now(began.Add(outage.Grace-1), outage.Grace)
	assert.False(t, bad)
	o, bad := w.Now(began.Add(outage.Grace), outage.Grace)
	assert.True(t, bad)
	assert.EqualError(t, o.Cause, "no answer")
}

func TestAnOutageThatMattersAtOnceIsReportedAtOnce(t *testing.T) {
	w := outage.New(0, time.Minute)
	began := time.Unix(1000, 0)
	w.Failed(began, errors.New("full"))
	o, due := w.Due(began)
	assert.True(t, due && o.First)
	_, due = w.Due(began.Add(59 * time.Second))
	assert.False(t, due)
	o, due = w.Due(began.Add(time.Minute))
	assert.True(t, due && !o.First)
}

func Example() {
	w := outage.New(time.Minute, time.Minute)
	noon := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	w.Failed(noon, errors.New("connection refused"))
	if o, due := w.Due(noon.Add(time.Minute)); due {
		fmt.Println("away for", o.Lasted, "because of", o.Cause)
	}
	// Output: away for 1m0s because of connection refused
}

func TestComponentsThatMeetOneOutageShareItsLine(t *testing.T) {
	var l outage.Lines
	began := time.Unix(1000, 0)
	assert.True(t, l.Allow("kafka:9092", began, time.Minute))
	assert.False(t, l.Allow("kafka:9092", began.Add(59*time.Second), time.Minute))
	assert.True(t, l.Allow("other:9092", began.Add(59*time.Second), time.Minute))
	assert.True(t, l.Allow("kafka:9092", began.Add(time.Minute), time.Minute))
}
