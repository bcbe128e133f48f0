package follow

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/worker"
)

// emptyFetch is the size up to which a fetch's answer contains no records: its time measures only how long the broker waited.
const emptyFetch = 256

// with returns the follower's attributes and further ones.
func (f *follower) with(further ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributes(append(f.labels[:len(f.labels):len(f.labels)], further...)...)
}

// register registers the callbacks of the gauges.
func (f *follower) register() error {
	return errors.Join(
		f.telemetry.RegisterReceiverKafkaReplayLagCallback(func(_ context.Context, o metric.Int64Observer) error {
			f.eachLag(func(p int32, records int64, _ time.Duration) {
				o.Observe(records, f.with(attribute.Int("partition", int(p))))
			})
			return nil
		}),
		f.telemetry.RegisterReceiverKafkaReplayLagDurationCallback(func(_ context.Context, o metric.Float64Observer) error {
			f.eachLag(func(p int32, _ int64, age time.Duration) {
				o.Observe(age.Seconds(), f.with(attribute.Int("partition", int(p))))
			})
			return nil
		}),
		f.telemetry.RegisterReceiverKafkaReplayInFlightCallback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(f.inFlight.Load(), f.with())
			return nil
		}))
}

// eachLag calls each for every partition whose worker has started.
func (f *follower) eachLag(each func(partition int32, records int64, age time.Duration)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for p, a := range f.assigned {
		next := a.next.Load()
		end, ok := f.ends.Lookup(f.topic, p)
		if next < 0 || !ok {
			continue
		}
		records, age := max(0, end.Offset-next), time.Duration(0)
		if records > 0 {
			age = a.age(time.Now())
		}
		each(p, records, age)
	}
}

// age returns the age of the oldest undelivered record. If that record was not read yet, only an earliest time is known: when everything
// in the journal was delivered, or when the newest delivered record was written.
func (a *assignment) age(now time.Time) time.Duration {
	if _, oldest := a.sends.first(); !oldest.IsZero() {
		return max(0, now.Sub(oldest))
	}
	return max(0, now.Sub(time.Unix(0, max(a.newest.Load(), a.caughtUp.Load()))))
}

// refreshEnds requests the ends of the assigned partitions.
func (f *follower) refreshEnds(ctx context.Context) error {
	f.mu.Lock()
	idle := len(f.assigned) == 0
	f.mu.Unlock()
	if idle {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, worker.AskTimeout)
	defer cancel()
	asked := time.Now()
	ends, err := kadm.NewClient(f.admin).ListCommittedOffsets(ctx, f.topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ends, f.asked = ends, asked
	for _, a := range f.assigned {
		f.noteCaughtUpLocked(a)
	}
	return nil
}

// noteCaughtUp notes that everything was delivered that was in the journal when its end was requested, if it was. A gauge without lag says so, too.
func (f *follower) noteCaughtUp(a *assignment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.noteCaughtUpLocked(a)
}

func (f *follower) noteCaughtUpLocked(a *assignment) {
	if end, ok := f.ends.Lookup(f.topic, a.partition); ok && a.next.Load() >= end.Offset {
		a.caughtUp.Store(f.asked.UnixNano())
	}
}

// end returns the end of partition p, if it was requested after since.
func (f *follower) end(p int32, since time.Time) (int64, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	end, ok := f.ends.Lookup(f.topic, p)
	return end.Offset, ok && f.asked.After(since)
}

var _ kgo.HookBrokerE2E = (*fetchTimer)(nil)

// fetchTimer measures how long brokers take to send records.
type fetchTimer struct{ f *follower }

func (t fetchTimer) OnBrokerE2E(_ kgo.BrokerMetadata, key int16, e2e kgo.BrokerE2E) {
	if key == int16(kmsg.Fetch) && e2e.Err() == nil && e2e.BytesRead > emptyFetch {
		t.f.telemetry.ReceiverKafkaReplayFetchDuration.Record(context.Background(), e2e.DurationE2E().Seconds(), t.f.with())
	}
}
