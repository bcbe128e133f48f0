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

// sink is what is known of the sink behind a follower. It is safe for concurrent use.
type sink struct {
	group, topic string
	signal       journal.Signal
	every        time.Duration
	log          *zap.Logger
	limited      cluster.Limited // nil with a real Kafka
	status       *condition.Set

	away     *outage.Watch
	exporter atomic.Pointer[string] // the one that told last; nil: none does
}

// attempted notes what an exporter says of an attempt to send.
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

// name is how the log calls the sink.
func (s *sink) name() string {
	if id := s.exporter.Load(); id != nil && *id != s.group {
		return fmt.Sprintf("%s (exporter %s)", s.group, *id)
	}
	return s.group
}

// look tells when the sink is away. oldest is when the oldest delivery under way began, zero where there is none: an exporter
// may say nothing of its attempts.
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

// worked notes that the sink has taken something.
func (s *sink) worked() {
	o, told := s.away.Worked(time.Now())
	if o.Since.IsZero() {
		return
	}
	s.status.Good(keySink)
	if told { // At the level of the beginning: a log filtered by level shows both ends.
		s.log.Error(fmt.Sprintf("%s accepts %s again", s.name(), s.signal), zap.String("group", s.group), zap.Duration("away", o.Lasted.Round(time.Second)))
	}
}

// forget is for a member without partitions: it has nothing to send.
func (s *sink) forget(now time.Time) {
	if o, _ := s.away.Worked(now); !o.Since.IsZero() {
		s.status.Good(keySink)
	}
}

// sends are the deliveries of a partition that are under way.
type sends struct {
	mu  sync.Mutex
	all map[*send]struct{} // guarded by mu
}

type send struct {
	began  time.Time
	offset int64     // of its first record
	oldest time.Time // journal time of that
	cancel context.CancelCauseFunc
}

// begin notes a delivery. done must be called when it is over.
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

// first returns when the delivery that is under way for longest began, and the journal time of the oldest record that is under
// way; zero where there is none.
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

// giveUp ends all deliveries that are under way, with cause.
func (s *sends) giveUp(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for one := range s.all {
		one.cancel(cause)
	}
}
