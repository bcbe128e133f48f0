package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// ErrState is wrapped by every error about a state that can't be restored because it is damaged, has an unknown version or another type.
var ErrState = errors.New("state can't be restored")

// ErrEnded is wrapped by the error of Join after Close. The batch is delivered again, in the next session.
var ErrEnded = errors.New("the session has ended")

// Settings describe a partition to [NewSession]; the zero value is a separate session that starts now, with no state.
type Settings struct {
	// Label names the partition, equally in every run and on every host that may own it: "penstock.metrics-3" for a journal's partition,
	// the instance id for a local one. Streams that components create carry it, so that two partitions never write one series.
	Label string

	// Source identifies who delivers; empty means [Live].
	Source Source

	// SpreadBy are the resource attributes, in addition to the tenant, by which streams are spread over partitions; "*" means every
	// attribute, including those of points. It is empty if there is only one partition. A component that merges streams which differ in
	// one of these would write one series from several partitions.
	SpreadBy []string

	// Began is when the partition's state began: a cumulative stream that started later counts from zero with its first point. It is part
	// of the checkpoint. Ignored if State holds one; the zero time means now.
	Began time.Time

	// Generation counts how often the journal's log was cut: see [Session.Generation].
	Generation uint32

	// Topic is the topic's id, for [Session.Log].
	Topic TopicID

	// Next and Ranges are the offset at which the checkpoint resumes, and the ranges whose delivery had begun there: see
	// [Session.Resumed].
	Next   int64
	Ranges []Bounds

	// State is the checkpoint to restore from, as [Session.Snapshot] wrote it; nil for a fresh start. Its bytes must
	// not change while the session lives.
	State []byte

	// Concurrent: batches come from several goroutines, so a checkpoint has to wait for those between Enter and leave: see [Session.Hold].
	Concurrent bool

	// Refused decides about a state that can't be restored: if it returns nil, that component starts with an empty state; Join returns an
	// error. If Refused is nil, Join returns the original error. id is empty if the whole of State is damaged.
	Refused func(id string, err error) error
}

// Session is the components' view of the partition from which their records come. Its lifetime is one ownership of the partition: after a
// failure, or when the partition returns, there is a new session with restored states. Join, Enter and the accessors are safe for
// concurrent use; the driver's methods (Advance, Snapshot, Flush, Adopt, Close) are for one goroutine.
type Session struct {
	label   string
	source  Source
	spread  []string
	began   time.Time
	logs    uint32
	topic   TopicID
	next    int64
	ranges  []Bounds
	refused func(id string, err error) error
	resumed bool // from a checkpoint
	tenants tenants

	// gate is nil if the driver is the only source of batches.
	gate *sync.RWMutex

	// Fields of the current batch. The driver writes them between batches.
	maybeRedelivered bool
	now              time.Time
	// newest is the journal time of the newest record whose delivery has ended; zero before the first.
	newest time.Time

	mu       sync.RWMutex
	members  []member          // guarded by mu; only grows until closed
	restored map[string][]byte // guarded by mu; states that no component has claimed yet
	pending  bool              // guarded by mu; a member was restored since Adopt
	leaving  []func()          // guarded by mu; called by Close
	closed   bool              // guarded by mu
}

type member struct {
	id    string
	state Stateful
}

// NewSession returns a session whose batches all come from the driver's goroutine. An error means that State is damaged and Refused did
// not tolerate it.
func NewSession(set Settings) (*Session, error) {
	s := &Session{label: set.Label, source: cmp.Or(set.Source, Live), spread: set.SpreadBy, began: set.Began, logs: set.Generation, topic: set.Topic, next: set.Next, ranges: set.Ranges, refused: set.Refused}
	if set.Concurrent {
		s.gate = &sync.RWMutex{}
	}
	if s.refused == nil {
		s.refused = func(_ string, err error) error { return err }
	}
	if len(set.State) > 0 {
		began, states, err := decode(set.State)
		switch {
		case err == nil:
			s.began, s.restored, s.resumed = began, states, true
			if err := s.restoreTenants(); err != nil {
				return nil, err
			}
		default:
			if err := s.refused("", err); err != nil {
				return nil, err
			}
		}
	}
	if s.began.IsZero() {
		s.began = time.Now()
	}
	return s, nil
}

// Label returns the partition's name: see [Settings].
func (s *Session) Label() string { return s.label }

// Source identifies who delivers: see [Settings].
func (s *Session) Source() Source { return s.source }

// SpreadBy returns the attributes by which streams are spread over partitions: see [Settings].
func (s *Session) SpreadBy() []string { return s.spread }

// Began returns when the partition's state began. A cumulative stream that started after it and that the state does not contain is new:
// its first point counts from zero. Any other first point is a baseline. See [Session.BeganFor].
func (s *Session) Began() time.Time { return s.began }

// Generation counts how often the partition's log was cut, replaced or recreated. An offset identifies a record only within one
// generation: a name made from offsets must also contain the generation if it is above 0.
func (s *Session) Generation() uint32 { return s.logs }

// Log identifies the log in which offsets count: partition, topic id and generation. An offset identifies a record only within one log.
// A job reads the same log as live delivery: its label ends with "@" and its id, which is no part of it.
func (s *Session) Log() string {
	partition, _, _ := strings.Cut(s.label, "@") // the name of a topic has none
	return fmt.Sprintf("%s/%x/%d", partition, s.topic[:], s.logs)
}

// ByRecord reports whether a component needs each record as a batch of its own, with [Delivery].At: its state has a method ByRecord().
func (s *Session) ByRecord() bool {
	for _, m := range s.list() {
		if _, ok := m.state.(interface{ ByRecord() }); ok {
			return true
		}
	}
	return false
}

// SyncEvery returns how long a checkpoint should wait for others because [Session.Sync] is expensive: the longest time returned by a
// state's method SyncEvery(). 0: not at all.
func (s *Session) SyncEvery() time.Duration {
	longest := time.Duration(0)
	for _, m := range s.list() {
		if sink, ok := m.state.(interface{ SyncEvery() time.Duration }); ok {
			longest = max(longest, sink.SyncEvery())
		}
	}
	return longest
}

// Resumed returns the offset below which the checkpoint has everything, and the ranges from there on whose delivery had begun. As far as
// the checkpoint shows, nothing else at or after next was delivered. Zero without a journal.
func (s *Session) Resumed() (next int64, begun []Bounds) { return s.next, s.ranges }

// MaybeRedelivered reports whether the current batch may have been delivered before, by another owner of the partition or by this one. If so, and a
// sink refuses a sample as older than its newest, the sink already has it. If several ranges are in flight, the answer applies to all of
// them.
func (s *Session) MaybeRedelivered() bool { return s.maybeRedelivered }

// Now returns when the newest record of the current batch was written to the journal. Use it as the clock for everything that must be
// equal when the record is read again. Without a journal it is the wall clock's time.
func (s *Session) Now() time.Time {
	if s.now.IsZero() {
		return time.Now()
	}
	return s.now
}

// Deliver announces the next batch, for [Session.MaybeRedelivered] and [Session.Now]. It is for the driver.
func (s *Session) Deliver(now time.Time, maybeRedelivered bool) {
	s.now, s.maybeRedelivered = now, maybeRedelivered
}

// Delivered notes the journal time of the newest record that was delivered. It is for the driver.
func (s *Session) Delivered(newest time.Time) {
	if !newest.IsZero() {
		s.newest = newest
	}
}

// Enter begins work on a component's state; leave ends it. A checkpoint waits until all have left. So a batch enters once (not once per
// point), and leaves before it is passed downstream. Enter does not nest.
func (s *Session) Enter() (leave func()) {
	if s.gate == nil {
		return func() {}
	}
	s.gate.RLock()
	return s.gate.RUnlock
}

// Hold waits until no batch is between Enter and leave, and keeps others from entering until release, so that a snapshot shows one moment.
// It is for the driver of a session with [Settings].Concurrent.
func (s *Session) Hold() (release func()) {
	if s.gate == nil {
		return func() {}
	}
	s.gate.Lock()
	return s.gate.Unlock
}

// list returns the present members. The driver works on the copy, so that a component may join meanwhile.
func (s *Session) list() []member {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.members[:len(s.members):len(s.members)]
}

// Stateful reports whether a component of s has a state of records, and not only [Rules]. Without one the order of batches of different
// senders does not matter.
func (s *Session) Stateful() bool {
	for _, m := range s.list() {
		if _, ok := m.state.(interface{ stateless() }); !ok {
			return true
		}
	}
	return false
}

// Unclaimed returns the ids of restored states whose component has not joined: after the first (empty) batch, these are components that
// were removed from the configuration. Snapshot keeps their states, so that they are not lost before the component joins.
func (s *Session) Unclaimed() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	ids := make([]string, 0, len(s.restored))
	for id := range s.restored {
		ids = append(ids, id)
	}
	return ids
}

// Forget drops the unclaimed state of id.
func (s *Session) Forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.restored, id)
}

// Advance makes the components close everything that is due, in pipeline order, each with the low watermark of the one before. due: at
// least one outbox holds something, so a checkpoint and Flush must follow, and then Advance again until nothing is due.
func (s *Session) Advance(now time.Time, atEnd bool) (due bool) {
	low := Unbounded()
	for _, m := range s.list() {
		d, out := m.state.Advance(now, atEnd, low)
		due = due || d
		if out.Before(low) {
			low = out
		}
	}
	return due
}

// Sync returns when the sinks whose state has a method Sync(context.Context) error, as [Barrier] has, have made durable everything that
// they accepted. After an error no checkpoint may be saved.
func (s *Session) Sync(ctx context.Context) error {
	for _, m := range s.list() {
		sink, ok := m.state.(interface{ Sync(context.Context) error })
		if !ok {
			continue
		}
		if err := sink.Sync(ctx); err != nil {
			return fmt.Errorf("sync of component %q: %w", m.id, err)
		}
	}
	return nil
}

// Snapshot writes the states of all components, in the format that [Settings].State expects.
func (s *Session) Snapshot(w io.Writer) error {
	e := newEncoder(w, s.began)
	if began := s.tenants.append(nil); len(began) > 0 {
		if err := e.state(tenantsID, func(w io.Writer) error { _, err := w.Write(began); return err }); err != nil {
			return fmt.Errorf("snapshot of the beginnings of tenants: %w", err)
		}
	}
	for _, m := range s.list() {
		if err := e.state(m.id, m.state.Snapshot); err != nil {
			return fmt.Errorf("snapshot of component %q: %w", m.id, err)
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for id, data := range s.restored {
		err := e.state(id, func(w io.Writer) error { _, err := w.Write(data); return err })
		if err != nil {
			return fmt.Errorf("snapshot of component %q: %w", id, err)
		}
	}
	return e.close()
}

// Flush sends the outboxes, in pipeline order, and stops at the first error. Call it only after the snapshot that contains them is
// durable.
func (s *Session) Flush(ctx context.Context) error {
	for _, m := range s.list() {
		if err := m.state.Flush(ctx); err != nil {
			return fmt.Errorf("flush of component %q: %w", m.id, err)
		}
	}
	return nil
}

// Pending reports whether a component still uses restored rules: it was restored, and Adopt was not called since.
func (s *Session) Pending() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.pending
}

// Adopt makes the components switch to the configured rules: after a restore, when the records of the old rules have been read (at once
// without a journal).
func (s *Session) Adopt() {
	s.mu.Lock()
	s.pending = false
	s.mu.Unlock()
	for _, m := range s.list() {
		m.state.Adopt()
	}
}

// Close ends the session: it calls Close() of the states that have it, and later calls of Join fail. It sends and saves nothing, and may
// be repeated.
func (s *Session) Close() {
	s.mu.Lock()
	members, leaving := s.members, s.leaving
	s.members, s.restored, s.leaving, s.closed = nil, nil, nil, true
	s.mu.Unlock()
	for _, f := range leaving {
		f()
	}
	for _, m := range members {
		closeState(m.state)
	}
}

// onClose makes Close call f; false: the session has ended.
func (s *Session) onClose(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.leaving = append(s.leaving, f)
	}
	return !s.closed
}

func closeState(state Stateful) {
	if c, ok := state.(interface{ Close() }); ok {
		c.Close()
	}
}
