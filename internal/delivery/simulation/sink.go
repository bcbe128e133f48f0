package simulation

import (
	"context"
	"fmt"
	"maps"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/delivery"
)

// sample is the key under which a store keeps one value.
type sample struct {
	series string
	time   pcommon.Timestamp
}

// sink is a store: it accepts a sample again, and notices a sample with another value.
type sink struct {
	values    map[sample]int64
	conflicts []string
	// fail is the fault of the next request.
	fail sinkFault

	// For a sink that answers before its data is durable:
	forgets bool
	durable map[sample]int64 // made durable by the last sync
	cuts    int              // how often it lost data that was not durable
	// failSync: the next sync fails, and so does the sink: it loses data that is not durable.
	failSync bool
}

// cut loses the data that is not durable: after a power cut, or in a store that does not know what it wrote when a sync failed.
func (s *sink) cut() {
	s.values = maps.Clone(s.durable)
	s.cuts++
}

// join adds the sink's barrier to the session with which a batch came.
func (p *process) join(ctx context.Context) error {
	session, ok := delivery.From(ctx)
	if !p.w.sink.forgets || !ok || p.w.variant == NoBarrier {
		return nil
	}
	_, err := delivery.Join(session, "sink", func() *delivery.Barrier {
		cuts := p.w.sink.cuts
		return delivery.NewBarrier(session, func(context.Context) (string, error) { return p.sync(cuts) })
	})
	return err
}

// sync makes durable what was in the sink when it began. cuts is the number of cuts at the time when the session joined.
func (p *process) sync(cuts int) (string, error) {
	s := &p.w.sink
	taken := maps.Clone(s.values)
	p.effect("sink: sync")
	if s.failSync {
		s.failSync = false
		s.cut()
	}
	if s.cuts != cuts && p.w.variant != BarrierForgetsCuts {
		return "", errFault
	}
	if s.cuts == cuts { // else accepted data is gone
		maps.Copy(s.durable, taken)
	}
	p.effect("sink: synced")
	return fmt.Sprint(len(s.durable)), nil
}

type sinkFault int

const (
	sinkWell       sinkFault = iota
	sinkRefuses              // nothing is accepted
	sinkTakesHalf            // some samples are accepted, then an error
	sinkLosesReply           // everything is accepted, and an error returned
)

// input is p's view of the sink, for the end of its pipeline.
func (p *process) input() consumer.Metrics {
	c, err := consumer.NewMetrics(func(ctx context.Context, md pmetric.Metrics) error {
		if err := p.join(ctx); err != nil {
			return err
		}
		points := md.DataPointCount()
		p.takes(ctx, 0)
		if points == 0 {
			return nil
		}
		p.effect("sink: request")
		fault := p.w.sink.fail
		p.w.sink.fail = sinkWell
		if fault == sinkRefuses {
			return errFault
		}
		left := md.DataPointCount()
		if fault == sinkTakesHalf {
			left = p.w.rng.IntN(left)
		}
		if p.w.tracing {
			EachPoint(md, func(m pmetric.Metric, dp pmetric.NumberDataPoint) {
				p.w.logf("%s sink takes %s%v %s %d", p.name, m.Name(), dp.Attributes().AsRaw(), dp.Timestamp().AsTime().Format("15:04:05.000000000"), dp.IntValue())
			})
		}
		p.w.sink.take(md, left)
		p.effect("sink: answer")
		if fault != sinkWell {
			return errFault
		}
		p.takes(ctx, points)
		return nil
	})
	if err != nil {
		panic(err) // no function was given: a bug in the simulation
	}
	return c
}

func (s *sink) take(md pmetric.Metrics, left int) {
	EachPoint(md, func(m pmetric.Metric, p pmetric.NumberDataPoint) {
		if left == 0 {
			return
		}
		left--
		at := sample{fmt.Sprint(m.Name(), p.Attributes().AsRaw()), p.Timestamp()}
		value := p.IntValue() + int64(p.DoubleValue()) // one of them is 0; sums of whole numbers this small are exact
		if have, ok := s.values[at]; ok && have != value {
			s.conflicts = append(s.conflicts, fmt.Sprintf("%s at %s was %d, now %d", at.series, at.time.AsTime().Format("15:04:05.000000000"), have, value))
		}
		s.values[at] = value
	})
}

// total is the sum of all samples or, if they are running totals, of the last one of each series.
func (s *sink) total(running bool) (sum int64) {
	last := map[string]pcommon.Timestamp{}
	for at := range s.values {
		last[at.series] = max(last[at.series], at.time)
	}
	for at, v := range s.values {
		if !running || at.time == last[at.series] {
			sum += v
		}
	}
	return sum
}

// EachPoint calls each for every data point of the sums and gauges in md.
func EachPoint(md pmetric.Metrics, each func(pmetric.Metric, pmetric.NumberDataPoint)) {
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				switch m.Type() {
				case pmetric.MetricTypeSum:
					for _, p := range m.Sum().DataPoints().All() {
						each(m, p)
					}
				case pmetric.MetricTypeGauge:
					for _, p := range m.Gauge().DataPoints().All() {
						each(m, p)
					}
				}
			}
		}
	}
}
