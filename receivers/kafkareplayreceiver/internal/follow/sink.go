package follow

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/condition"
	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/journal/cluster"
	"github.com/penstockhq/penstock/internal/outage"
)

// Keys of the reasons for a bad status.
const (
	keyGap        = "gap"
	keyCheckpoint = "checkpoint"
	keyKafka      = "kafka"
	keySink       = "sink"
	keyBestEffort = "best_effort"
)

var errNoAnswer = errors.New("its exporter has not returned")

// sink is the state of the sink downstream of a follower. It is safe for concurrent use.
type sink struct {
	group, topic string
	signal       journal.Signal
	every        time.Duration
	log          *zap.Logger
	limited      cluster.Limited // nil with a real Kafka
	status       *condition.Set

	away     *outage.Watch
	exporter atomic.Pointer[string] // the last exporter that reported; nil: none
}

// attempted notes an exporter's report of an attempt to send.
func (s *sink) attempted(exporter string, err error) {
	if exporter != "" {
		s.exporter.Store(&exporter)
	}
	if err == nil {
		s.worked()
		return
	}
	s.away.Failed(time.Now(), err)
}

// name is the sink's name in the log.
func (s *sink) name() string {
	if id := s.exporter.Load(); id != nil && *id != s.group {
		return fmt.Sprintf("%s (exporter %s)", s.group, *id)
	}
	return s.group
}

// look reports when the sink is unavailable. oldest is the start of the oldest current delivery, zero if there is none; it is needed for
// exporters that do not report their attempts.
func (s *sink) look(now, oldest time.Time) {
	if _, known := s.away.Now(now, 0); !known && !oldest.IsZero() && now.Sub(oldest) >= s.every {
		s.away.FailedSince(oldest, errNoAnswer)
	}
	if o, bad := s.away.Now(now, outage.Grace); bad {
		s.status.Bad(keySink, fmt.Sprintf("%s does not accept %s: %v", s.name(), s.signal, o.Cause))
	}
	if o, due := s.away.Due(now); due {
		fields := []zap.Field{zap.String("group", s.group), zap.Duration("away", o.Lasted.Round(time.Second)), zap.Error(o.Cause)}
		if id := s.exporter.Load(); id != nil {
			fields = append(fields, zap.String("exporter", *id))
		}
		s.log.Error(fmt.Sprintf("%s has accepted no %s for %s. %s. Repair the sink: waiting records are delivered then",
			s.name(), s.signal, journal.Ago(o.Lasted), s.waits()), fields...)
	}
}

// waits says where the records wait, and for how long they can.
func (s *sink) waits() string {
	if s.limited == nil {
		return fmt.Sprintf("Its records wait in Kafka, for as long as retention.ms of topic %s allows", s.topic)
	}
	room := s.limited.JournalRoom(s.topic)
	if room.Full {
		return "Its records wait: " + room.Describe(s.topic)
	}
	return "Its records wait: " + room.Describe(s.topic) + ", then clients are refused"
}

// worked notes that the sink has accepted something.
func (s *sink) worked() {
	o, reported := s.away.Worked(time.Now())
	if o.Since.IsZero() {
		return
	}
	s.status.Good(keySink)
	if reported { // An error like the first line, so that a log filtered by level shows both.
		s.log.Error(fmt.Sprintf("%s accepts %s again", s.name(), s.signal), zap.String("group", s.group), zap.Duration("away", o.Lasted.Round(time.Second)))
	}
}

// forget resets the state of a member without partitions, because it sends nothing.
func (s *sink) forget(now time.Time) {
	if o, _ := s.away.Worked(now); !o.Since.IsZero() {
		s.status.Good(keySink)
	}
}

// sends are the current deliveries of a partition.
type sends struct {
	mu  sync.Mutex
	all map[*send]struct{} // guarded by mu
}

type send struct {
	began  time.Time
	offset int64     // time of the first record's delivery
	oldest time.Time // journal time of the first record
	cancel context.CancelCauseFunc
}

// begin notes a delivery. The caller must call done at its end.
func (s *sends) begin(ctx context.Context, offset int64, oldest time.Time) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	one := &send{began: time.Now(), offset: offset, oldest: oldest, cancel: cancel}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[*send]struct{}{}
	}
	s.all[one] = struct{}{}
	return ctx, func() {
		cancel(nil)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, one)
	}
}

// first returns the start of the longest current delivery and the journal time of the oldest record in delivery; zero if there is none.
func (s *sends) first() (began, oldest time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lowest := int64(-1)
	for one := range s.all {
		if began.IsZero() || one.began.Before(began) {
			began = one.began
		}
		if lowest < 0 || one.offset < lowest {
			lowest, oldest = one.offset, one.oldest
		}
	}
	return began, oldest
}

// cancel cancels all current deliveries with cause.
func (s *sends) cancel(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for one := range s.all {
		one.cancel(cause)
	}
}
