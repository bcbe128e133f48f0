package simulation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/delivery/simulation"
)

// mistake is a way to write a component that loses or repeats data.
type mistake string

const (
	none                 mistake = ""
	emitBeforeCheckpoint mistake = "emit before checkpoint"
	wallClock            mistake = "wall-clock time"
	expiryInTick         mistake = "expiry in a tick"
	latenessByRecord     mistake = "lateness by record"
	layoutAtOnce         mistake = "a new layout for a recorded range"
	generationUnnamed    mistake = "files named by offsets alone"
)

const (
	paneSize   = time.Minute
	windowSize = 2 * time.Minute
	lateness   = 20 * time.Second
	idleAfter  = 3 * time.Minute
)

// point is an outgoing sample.
type point struct {
	Name  string
	Label string
	At    time.Time
	Value int64
}

// modelled is guard or rollup as a model: the adapter around a state.
type modelled struct {
	id   string
	make func(c *modelled, s *delivery.Session) modelState
	next consumer.Metrics
}

type modelState interface {
	delivery.Stateful
	// take consumes one point and returns what passes at once.
	take(m pmetric.Metric, p pmetric.NumberDataPoint) (point, bool)
}

func (c *modelled) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (c *modelled) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	session, _ := delivery.From(ctx)
	state, err := delivery.Join(session, c.id, func() modelState { return c.make(c, session) })
	if err != nil {
		return err
	}
	var pass []point
	defer func() { delivery.Of(ctx).Outcome.Fold(c.id, int64(md.DataPointCount()-len(pass))) }()
	simulation.EachPoint(md, func(m pmetric.Metric, p pmetric.NumberDataPoint) {
		if out, ok := state.take(m, p); ok {
			pass = append(pass, out)
		}
	})
	return send(ctx, c.next, pass)
}

func send(ctx context.Context, next consumer.Metrics, points []point) error {
	md := pmetric.NewMetrics()
	for _, p := range points {
		simulation.NewPoint(md, p.Name, p.At, p.Value).Attributes().PutStr("label", p.Label)
	}
	return next.ConsumeMetrics(ctx, md)
}

// fold is a guard: it admits so many series, and folds the rest into panes.
type fold struct {
	c       *modelled
	session *delivery.Session
	wrong   mistake
	limit   int // configured
	Limit   int // in force
	Active  map[string]time.Time
	Panes   map[int64]int64 // by end, Unix seconds
	Closed  time.Time       // what ends at or before is closed
	Latest  time.Time       // event time
	Outbox  []point
	elapsed time.Time // of the wrong component
}

func (f *fold) take(_ pmetric.Metric, p pmetric.NumberDataPoint) (point, bool) {
	at := p.Timestamp().AsTime()
	if at.After(f.Latest) {
		f.Latest = at
	}
	series := fmt.Sprint(p.Attributes().AsRaw())
	if f.wrong != expiryInTick {
		now := f.Latest
		if f.wrong == wallClock {
			now = f.elapsed
		}
		f.expire(now)
	}
	_, active := f.Active[series]
	if active || len(f.Active) < f.Limit {
		f.Active[series] = at
		if f.wrong == wallClock {
			f.Active[series] = f.elapsed
		}
		return point{"requests", series, at, p.IntValue()}, true
	}
	end := at.Truncate(paneSize).Add(paneSize)
	if !end.After(f.Closed) {
		end = f.Closed.Add(paneSize) // late: into the first open pane
	}
	f.Panes[end.Unix()] += p.IntValue()
	return point{}, false
}

func (f *fold) expire(now time.Time) {
	for s, seen := range f.Active {
		if now.Sub(seen) > idleAfter {
			delete(f.Active, s)
		}
	}
}

func (f *fold) Advance(now time.Time, atEnd bool, low time.Time) (bool, time.Time) {
	f.elapsed = now
	if f.wrong == expiryInTick && atEnd {
		f.expire(now)
	}
	until := f.Latest.Add(-lateness)
	if atEnd && now.Add(-lateness).After(until) {
		until = now.Add(-lateness)
	}
	if low.Before(until) {
		until = low
	}
	until = until.Truncate(paneSize)
	for _, end := range slices.Sorted(keys(f.Panes)) {
		if e := time.Unix(end, 0); !e.After(until) {
			f.Outbox = append(f.Outbox, point{"requests", "overflow", e.Add(-1), f.Panes[end]})
			delete(f.Panes, end)
		}
	}
	if until.After(f.Closed) {
		f.Closed = until
	}
	out := f.Closed.Add(paneSize - 1)
	if len(f.Outbox) > 0 {
		out = f.Outbox[0].At
	}
	due := len(f.Outbox) > 0
	if f.wrong == emitBeforeCheckpoint && due {
		ctx := delivery.With(context.Background(), f.session)
		if send(ctx, f.c.next, f.Outbox) == nil {
			f.Outbox = nil
		}
	}
	return due, out
}

func keys(m map[int64]int64) func(func(int64) bool) {
	return func(yield func(int64) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func (f *fold) Snapshot(w io.Writer) error { return json.NewEncoder(w).Encode(f) }
func (f *fold) Restore(r io.Reader) error  { return json.NewDecoder(r).Decode(f) }
func (f *fold) Adopt()                     { f.Limit = f.limit }
func (f *fold) Flush(ctx context.Context) error {
	if len(f.Outbox) == 0 {
		return nil
	}
	if err := send(ctx, f.c.next, f.Outbox); err != nil {
		return err
	}
	f.Outbox = nil
	return nil
}

// window is a rollup: sums in windows; late points pass separately.
type window struct {
	c      *modelled
	wrong  mistake
	Open   map[int64]int64 // by end, Unix seconds
	Closed time.Time
	Latest time.Time
	Outbox []point
}

func (x *window) take(_ pmetric.Metric, p pmetric.NumberDataPoint) (point, bool) {
	at := p.Timestamp().AsTime()
	if at.After(x.Latest) {
		x.Latest = at
	}
	end := at.Truncate(windowSize).Add(windowSize)
	late := !end.After(x.Closed)
	if x.wrong == latenessByRecord {
		late = at.Before(x.Latest.Add(-lateness))
	}
	label, _ := p.Attributes().Get("label")
	if late && label.Str() == "overflow" {
		return point{"a pane was late, and with on_late: drop it is lost", "", at, -1 << 40}, true
	}
	if late {
		return point{"late", label.Str(), at, p.IntValue()}, true
	}
	x.Open[end.Unix()] += p.IntValue()
	return point{}, false
}

func (x *window) Advance(now time.Time, atEnd bool, low time.Time) (bool, time.Time) {
	until := x.Latest.Add(-lateness)
	if wall := now.Add(-lateness); (atEnd || x.wrong == wallClock) && wall.After(until) {
		until = wall
	}
	if low.Before(until) {
		until = low
	}
	until = until.Truncate(windowSize)
	for _, end := range slices.Sorted(keys(x.Open)) {
		if e := time.Unix(end, 0); !e.After(until) {
			x.Outbox = append(x.Outbox, point{"requests.sum", "", e, x.Open[end]})
			delete(x.Open, end)
			x.Closed = e // Lateness follows from it, so it moves only together with a reason for a checkpoint.
		}
	}
	return len(x.Outbox) > 0, x.Closed.Add(windowSize)
}

func (x *window) Snapshot(w io.Writer) error { return json.NewEncoder(w).Encode(x) }
func (x *window) Restore(r io.Reader) error  { return json.NewDecoder(r).Decode(x) }
func (x *window) Adopt()                     {}
func (x *window) Flush(ctx context.Context) error {
	if len(x.Outbox) == 0 {
		return nil
	}
	if err := send(ctx, x.c.next, x.Outbox); err != nil {
		return err
	}
	x.Outbox = nil
	return nil
}

func newFold(next consumer.Metrics, limit int, wrong mistake) consumer.Metrics {
	return &modelled{id: "fold", next: next, make: func(c *modelled, s *delivery.Session) modelState {
		return &fold{c: c, session: s, wrong: wrong, limit: limit, Limit: limit, Active: map[string]time.Time{}, Panes: map[int64]int64{}}
	}}
}

func newWindow(next consumer.Metrics, wrong mistake) consumer.Metrics {
	return &modelled{id: "window", next: next, make: func(c *modelled, _ *delivery.Session) modelState {
		return &window{c: c, wrong: wrong, Open: map[int64]int64{}}
	}}
}
