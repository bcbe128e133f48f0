package delivery_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/delivery"
)

var errNever = errors.New("never")

// log is a partition of n records, its state topic, and a clock that counts pauses.
type log struct {
	n       int64
	state   []delivery.StateRecord
	waits   int
	buried  []int64
	refused func(offset int64) bool
	taken   map[int64]int
	end     func() // called when everything is delivered
}

func (l *log) Start(context.Context) (int64, time.Time, error) { return 0, time.Unix(0, 0), nil }
func (l *log) End(context.Context) (int64, error)              { return l.n, nil }

func (l *log) Read(_ context.Context, from int64) (delivery.Range, error) {
	r := delivery.Range{Bounds: delivery.Bounds{First: from, Next: min(from+50, l.n)}, AtEnd: from+50 >= l.n}
	for o := r.First; o < r.Next; o++ {
		r.Records = append(r.Records, delivery.Record{Offset: o, Time: time.Unix(o, 0), ID: delivery.RecordID{byte(o), byte(o >> 8), 1}})
	}
	return r, nil
}

func (l *log) ReadExactly(context.Context, delivery.Bounds) (delivery.Range, error) {
	return delivery.Range{}, errors.New("nothing was recorded")
}

func (l *log) Fence(context.Context) error { return nil }

func (l *log) Load(_ context.Context, each func(delivery.StateRecord) error) (bool, error) {
	for _, r := range l.state {
		if err := each(r); err != nil {
			return false, err
		}
	}
	return len(l.state) == 0, nil
}

func (l *log) Save(_ context.Context, records []delivery.StateRecord) (int64, error) {
	first := int64(len(l.state))
	for i, r := range records {
		r.Offset = first + int64(i)
		l.state = append(l.state, r)
	}
	return first, nil
}

func (l *log) Topic(context.Context) (delivery.TopicID, error) { return delivery.TopicID{1}, nil }

func (l *log) Look(context.Context, int64) (delivery.Anchor, bool, error) {
	return delivery.Anchor{}, false, nil
}

func (l *log) Committed(context.Context) (int64, bool, error) { return 0, false, nil }

func (l *log) Trim(context.Context, int64) error { return nil }

func (l *log) Now() time.Time { return time.Unix(0, 0) }

func (l *log) Wait(context.Context, time.Duration) error {
	l.waits++
	return nil
}

func (l *log) Restored(int64, bool) {}
func (l *log) Delivered(b delivery.Bounds, _ time.Time, _, _ int) {
	if b.Next == l.n {
		l.end()
	}
}
func (l *log) Lost(delivery.Bounds)                   {}
func (l *log) Cut(delivery.Cut)                       {}
func (l *log) Missing(int64, error)                   {}
func (l *log) Checkpointed(int64, int, time.Duration) {}
func (l *log) Unclaimed([]string)                     {}
func (l *log) DeadLettered(offset int64, _ error)     { l.buried = append(l.buried, offset) }
func (l *log) Failed(error)                           {}

func (l *log) deliver(_ context.Context, _ delivery.Bounds, records []delivery.Record) error {
	for _, r := range records {
		if l.refused(r.Offset) {
			return errNever
		}
	}
	for _, r := range records {
		l.taken[r.Offset]++
	}
	return nil
}

// However many records are refused permanently, the worker does not pause for the others, and does not repeat them for each refused one.
func TestRefusedRecordsDelayNoOther(t *testing.T) {
	l := &log{n: 300, refused: func(o int64) bool { return o%3 == 0 || (o >= 100 && o < 160) }, taken: map[int64]int{}}
	w := delivery.NewWorker(delivery.WorkerSettings{
		Label: "l", Log: l, Store: l, Clock: l, Observer: l, Deliver: l.deliver, Interval: time.Minute, DedupWindow: time.Hour, DedupMax: 1000,
		Permanent:  func(err error) bool { return errors.Is(err, errNever) },
		DeadLetter: func(context.Context, delivery.Record, error) error { return nil },
	})
	l.end = w.Stop
	require.NoError(t, w.Run(t.Context()))
	assert.Zero(t, l.waits)
	next := 0
	for o := range l.n {
		if l.refused(o) {
			require.Greater(t, len(l.buried), next)
			assert.Equal(t, o, l.buried[next])
			assert.Zero(t, l.taken[o])
			next++
		} else {
			// The same if the range after it is refused, and if the first record in that is.
			assert.LessOrEqual(t, l.taken[o], 3, "%d", o)
			assert.Positive(t, l.taken[o])
		}
	}
	assert.Len(t, l.buried, next)
}
