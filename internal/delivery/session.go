package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"
)

// ErrState is wrapped by every error about a state that can't be restored: damaged, of an unknown version, or of
// another type.
var ErrState = errors.New("state can't be restored")

// ErrEnded is wrapped by the error of Join after Close. The batch comes again, in the session that follows.
var ErrEnded = errors.New("the session has ended")

// Unbounded is the low watermark that the first component of a pipeline gets: no component stands before it, so it
// closes by its own rules alone. It is the latest time that fits int64 nanoseconds (year 2262).
func Unbounded() time.Time { return time.Unix(0, math.MaxInt64).UTC() }

// Stateful is a component's state for one partition. The session's driver calls it from one goroutine, components in
// pipeline order, and never while a batch is between [Session.Enter] and its end. Flush alone may run beside batches,
// and only in a local session.
//
// What an implementation passes on at once, what it admits, expires or accumulates, depends on the records and their
// order alone: never on batch bounds, the wall clock or a tick. Only Advance fills the outbox.
//
// An implementation that also has a method Sync(ctx context.Context) error gets that call before each Snapshot: see [Barrier].
// One that also has a method Close() gets that call, once, when its session ends: the state is void then
// and nothing more may be emitted from it.
type Stateful interface {
	// Restore reads what Snapshot wrote, and goes on under the rules that are in it. It is called at most once, before
	// anything else. An error leaves the value unusable. r ends where the state ends.
	Restore(r io.Reader) error

	// Advance closes what is due into the outbox. Nothing at or after low closes: the component before can still send
	// it. out is this component's promise to the next one: nothing older than out will come from here any more, the
	// outbox included (so while the outbox holds a value stamped t, out is at most t). now counts only when atEnd: the
	// driver has read all there is. due tells whether the outbox holds anything; false: the state is as it was.
	Advance(now time.Time, atEnd bool, low time.Time) (due bool, out time.Time)

	// Snapshot writes everything, rules and outbox included. The writer is buffered by the session.
	Snapshot(w io.Writer) error

	// Flush sends the outbox downstream, in time order, then forgets it. On an error the outbox is kept as it is. ctx
	// carries the session, as the batches do (in a local session it carries none).
	Flush(ctx context.Context) error

	// Adopt switches to the configured rules, for windows that start after the latest event time in the state. It is
	// called at least once after each Restore, also where the component has joined late.
	Adopt()
}

// Settings describe a partition to [NewSession]; the zero value is a session of its own, begun now, with no state.
type Settings struct {
	// Label names the partition, the same in every run and on every host that may own it: "penstock.metrics-3" for a
	// journal's, the instance id for a local one. Streams that components make up carry it, so that two partitions never
	// write one series.
	Label string

	// Source says who delivers; empty means [Live].
	Source Source

	// SpreadBy are the resource attributes, beside the tenant, by which streams are spread over partitions; "*" stands for
	// every attribute, of points too. Empty where there is one partition. A component that merges streams which differ in
	// one of these would write one series from several partitions.
	SpreadBy []string

	// Began is when the partition's state began: a cumulative stream that started later counts from zero with its
	// first point. It travels with the checkpoint. Ignored when State holds one; the zero time means now.
	Began time.Time

	// Generation is how often the journal's log was found cut: see [Session.Generation].
	Generation uint32

	// Topic is the topic's id, for [Session.Log].
	Topic TopicID

	// Next and Ranges are where the checkpoint resumes, and the ranges that were begun there: see [Session.Resumed].
	Next   int64
	Ranges []Bounds

	// State is the checkpoint to restore from, as [Session.Snapshot] wrote it; nil for a fresh start. Its bytes must
	// not change while the session lives.
	State []byte

	// Concurrent: batches come from several goroutines, so a checkpoint has to wait for those between Enter and leave: see [Session.Hold].
	Concurrent bool

	// Refused decides what becomes of a state that can't be restored: nil lets that component start afresh, an error
	// is returned from Join. A nil function returns the error. id is empty where the whole of State is damaged.
	Refused func(id string, err error) error
}

// Session is what the components of a pipeline see of the partition that their records come from. Its lifetime is one
// ownership of the partition: after a failure, or when the partition comes back, there is a new one with restored
// states. Join, Enter and the accessors are safe for concurrent use; the driver's methods (Advance, Snapshot, Flush,
// Adopt, Close) are for one goroutine.
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

	// gate is nil where the driver is the only source of batches.
	gate *sync.RWMutex

	// Of the batch that is under way. Written by the driver between batches.
	again bool
	now   time.Time

	mu       sync.RWMutex
	members  []member          // guarded by mu; only grows until closed
	restored map[string][]byte // guarded by mu; states that nobody has claimed yet
	pending  bool              // guarded by mu; a member was restored since Adopt
	leaving  []func()          // guarded by mu; called by Close
	closed   bool              // guarded by mu
}

type member struct {
	id    string
	state Stateful
}

// NewSession returns a session whose batches all come from the goroutine that drives it. An error means that State is
// damaged and Refused did not forgive it.
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

// Source says who delivers: see [Settings].
func (s *Session) Source() Source { return s.source }

// SpreadBy returns what streams are spread over partitions by: see [Settings].
func (s *Session) SpreadBy() []string { return s.spread }

// Began returns when the partition's state began. A cumulative stream whose start time lies after it, and which the
// state does not know, is new: its first point counts from zero. Any other first point is a baseline. See [Session.BeganFor].
func (s *Session) Began() time.Time { return s.began }

// Generation counts how often the partition's log was found cut, replaced or made anew. An offset means one record within a generation
// only: what is named by offsets must be named by it too, where it is above 0.
func (s *Session) Generation() uint32 { return s.logs }

// Log names the log that offsets count in: partition, topic's id and generation. An offset means one record within a log only.
func (s *Session) Log() string { return fmt.Sprintf("%s/%x/%d", s.label, s.topic[:], s.logs) }

// ByRecord reports whether a component needs each record as a batch of its own, with [Delivery].At: its state has a method ByRecord().
func (s *Session) ByRecord() bool {
	for _, m := range s.list() {
		if _, ok := m.state.(interface{ ByRecord() }); ok {
			return true
		}
	}
	return false
}

// SyncEvery returns how long a checkpoint should wait for others because [Session.Sync] is dear: the longest time that a state with a method
// SyncEvery() names. 0: not at all.
func (s *Session) SyncEvery() time.Duration {
	longest := time.Duration(0)
	for _, m := range s.list() {
		if sink, ok := m.state.(interface{ SyncEvery() time.Duration }); ok {
			longest = max(longest, sink.SyncEvery())
		}
	}
	return longest
}

// Resumed returns the offset below which the checkpoint has everything, and the ranges from there on whose delivery was begun. Nothing
// else at or behind next was delivered, as far as the checkpoint tells. Zero without a journal.
func (s *Session) Resumed() (next int64, begun []Bounds) { return s.next, s.ranges }

// Again reports whether what is delivered now may have been delivered before, by another owner of the partition or by this
// one: what a sink refuses of it as older than what it has, it has. Where several ranges are in flight it says so of all.
func (s *Session) Again() bool { return s.again }

// Now returns when the newest record of the batch that is delivered now was written to the journal. It is the clock for what
// has to come out the same when the record is read again. It is the wall clock's time where there is no journal.
func (s *Session) Now() time.Time {
	if s.now.IsZero() {
		return time.Now()
	}
	return s.now
}

// Deliver tells what the next batch is, for [Session.Again] and [Session.Now]. It is for the driver.
func (s *Session) Deliver(now time.Time, again bool) { s.now, s.again = now, again }

// Enter brackets work on the state of a component; leave ends it. A checkpoint waits until all have left, so a batch
// enters once (not once a point) and never holds it while it is handed downstream. Enter does not nest.
func (s *Session) Enter() (leave func()) {
	if s.gate == nil {
		return func() {}
	}
	s.gate.RLock()
	return s.gate.RUnlock
}

// Hold waits until no batch is between Enter and leave, and keeps others from entering until release: a snapshot is of one moment then. It is for the
// driver of a session that is [Settings].Concurrent.
func (s *Session) Hold() (release func()) {
	if s.gate == nil {
		return func() {}
	}
	s.gate.Lock()
	return s.gate.Unlock
}

// list returns the members as they are now. The driver works on the copy, so that a component may join meanwhile.
func (s *Session) list() []member {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.members[:len(s.members):len(s.members)]
}

// Stateful reports whether a component keeps a state of the records in s, and not [Rules] alone. Without one the order of
// batches of different senders means nothing.
func (s *Session) Stateful() bool {
	for _, m := range s.list() {
		if _, ok := m.state.(interface{ stateless() }); !ok {
			return true
		}
	}
	return false
}

// Unclaimed returns the ids of restored states whose component has not joined: after the first (empty) batch, those of
// components that left the configuration. Snapshot keeps them, so that they are not lost before their component joins.
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

// Advance lets the components close what is due, in pipeline order, each under the low watermark of the one before.
// due: at least one outbox holds something, so a checkpoint and Flush are next, and then Advance again until nothing
// is due.
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

// Sync returns when the sinks have made durable what they took: those whose state has a method Sync(context.Context) error, as
// [Barrier] has. After an error no checkpoint may be saved.
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

// Snapshot writes the states of all components, in the form that [Settings].State takes.
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

// Flush sends the outboxes, in pipeline order, and stops at the first error. Call it only after the snapshot that holds
// them is safe.
func (s *Session) Flush(ctx context.Context) error {
	for _, m := range s.list() {
		if err := m.state.Flush(ctx); err != nil {
			return fmt.Errorf("flush of component %q: %w", m.id, err)
		}
	}
	return nil
}

// Pending reports whether a component goes on under restored rules: it was restored, and Adopt was not called since.
func (s *Session) Pending() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.pending
}

// Adopt lets the components switch to the configured rules: after a restore, when the records of the old rules have been
// read (at once where there is no journal).
func (s *Session) Adopt() {
	s.mu.Lock()
	s.pending = false
	s.mu.Unlock()
	for _, m := range s.list() {
		m.state.Adopt()
	}
}

// Close ends the session: states that have a method Close() are told, and later calls of Join fail. It emits and saves
// nothing, and is safe to repeat.
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

// onClose lets Close call f; false: the session has ended.
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
