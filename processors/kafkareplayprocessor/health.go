package kafkareplayprocessor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/condition"
	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/journal/cluster"
	"github.com/penstockhq/penstock/internal/outage"
)

const (
	// lookEvery is the interval at which the health checks whether the journal is full.
	lookEvery = 200 * time.Millisecond
	// retryAfterFull is the delay sent to clients that a full journal refuses: a sink has to catch up first, which takes longer.
	retryAfterFull = 10 * time.Second

	keyFull  = "full"
	keyKafka = "kafka"
)

// errFull is the cause with which a write is cancelled when the journal is full.
var errFull = errors.New("the journal is full")

// health reports problems of the journal: in the log, in the component's status, and to requests.
type health struct {
	topic   string
	signal  journal.Signal
	brokers string
	log     *zap.Logger
	limited cluster.Limited // nil with a real Kafka
	status  *condition.Set

	kafka *outage.Watch
	full  *outage.Watch
	// hasRoom ends when the journal is full; it is replaced when the journal has room again.
	hasRoom atomic.Pointer[roomContext]
}

type roomContext struct {
	context.Context
	end context.CancelFunc
}

func newHealth(a *appender, host component.Host) *health {
	h := &health{
		topic: a.signal.Topic(a.cfg.Kafka.TopicPrefix), signal: a.signal, brokers: strings.Join(a.cfg.Kafka.Brokers, ", "), log: a.set.Logger,
		status: condition.New(host), kafka: outage.New(a.cfg.OutageAfter, a.cfg.OutageAfter), full: outage.New(0, a.cfg.OutageAfter),
	}
	h.limited, _ = cluster.FindLimited(host)
	h.openRoom()
	return h
}

func (h *health) openRoom() {
	ctx, cancel := context.WithCancel(context.Background())
	h.hasRoom.Store(&roomContext{ctx, cancel})
}

// run checks the journal until ctx ends.
func (h *health) run(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	defer func() { h.hasRoom.Load().end() }()
	for {
		h.look(time.Now())
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// look reports changes.
func (h *health) look(now time.Time) {
	if o, due := h.kafka.Due(now); due {
		h.log.Error("Kafka can't be reached: requests are refused (503, UNAVAILABLE) and clients send them again. Look at the brokers, the network and the "+
			"key brokers", zap.String("brokers", h.brokers), zap.Duration("away", o.Lasted.Round(time.Second)), zap.Error(o.Cause))
	}
	if o, bad := h.kafka.Now(now, outage.Grace); bad {
		h.status.Bad(keyKafka, fmt.Sprintf("Kafka (%s) can't be reached, %s are refused: %v", h.brokers, h.signal, o.Cause))
	}
	if h.limited == nil {
		return
	}
	room := h.limited.JournalRoom(h.topic)
	if !room.Full {
		h.notFull(now)
		return
	}
	why := room.Describe(h.topic)
	h.full.Failed(now, errors.New(why))
	h.hasRoom.Load().end()
	h.status.Bad(keyFull, fmt.Sprintf("%s are refused: %s", h.signal, why))
	if o, due := h.full.Due(now); due {
		h.log.Error(why+": "+string(h.signal)+" are refused (503, UNAVAILABLE) until the sink catches up; other signals are not affected. "+
			"Repair the sink, give the journal more room, or let the sink lose its oldest records (follow::on_full: best_effort)",
			zap.String("topic", h.topic), zap.String("group", room.Holder), zap.Int64("used_bytes", room.UsedBytes), zap.Int64("limit_bytes", room.LimitBytes),
			zap.Duration("full", o.Lasted.Round(time.Second)))
	}
}

func (h *health) notFull(now time.Time) {
	o, reported := h.full.Worked(now)
	if o.Since.IsZero() {
		return
	}
	h.status.Good(keyFull)
	h.openRoom()
	if reported { // An error like the first line, so that a log filtered by level shows both.
		h.log.Error("The journal has room again: "+string(h.signal)+" are accepted", zap.String("topic", h.topic), zap.Duration("full", o.Lasted.Round(time.Second)))
	}
}

// refusal returns why the journal accepts nothing now; ok: it does.
func (h *health) refusal() (why string, ok bool) {
	if h.limited == nil {
		return "", true
	}
	room := h.limited.JournalRoom(h.topic)
	if !room.Full {
		return "", true
	}
	return room.Describe(h.topic), false
}

// bound returns a context that ends, with errFull as its cause, when the journal is full, because a broker delays a write for which it has
// no room.
func (h *health) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if h.limited == nil {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(h.hasRoom.Load(), func() { cancel(errFull) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// failed notes an error that means that Kafka can't be reached.
func (h *health) failed(err error) { h.kafka.Failed(time.Now(), err) }

// worked notes that Kafka answers.
func (h *health) worked() {
	o, reported := h.kafka.Worked(time.Now())
	if o.Since.IsZero() {
		return
	}
	h.status.Good(keyKafka)
	if reported {
		h.log.Error("Kafka answers again: requests are accepted", zap.String("brokers", h.brokers), zap.Duration("away", o.Lasted.Round(time.Second)))
	}
}

// unconfirmed returns the error of a write that was not confirmed in time, and says where to look.
func (h *health) unconfirmed(records int, timeout time.Duration) error {
	return fmt.Errorf("Kafka (%s) has not confirmed %d records of %s within %s: a broker is down or slow, or fewer replicas are in sync than "+
		"min.insync.replicas: look at the brokers' logs and at under-replicated partitions", h.brokers, records, h.topic, timeout)
}
