package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Cut says that the log lacks records that a checkpoint has: it was cut, replaced or recreated, and may have grown again.
type Cut struct {
	// Bounds are the offsets whose former records are gone from the log. All or most of these were delivered.
	Bounds
	// Generation is the log's generation from now on: see [Session.Generation].
	Generation uint32
	// Was and Is are the topic's id in the checkpoint and now.
	Was, Is TopicID
}

// begun is the position at which a worker starts.
type begun struct {
	*Checkpoint
	restored Restored
	fresh    bool  // there was no checkpoint
	missing  error // there must have been one, or a newer one
	cut      *Cut
}

// load reads the last checkpoint and compares it with the log, which has the offsets from begin to end.
func (w *Worker) load(ctx context.Context, begin, end int64) (b begun, err error) {
	found := newRestorer()
	empty, err := w.set.Store.Load(ctx, found.add)
	if err != nil {
		return b, fmt.Errorf("load checkpoint: %w", err)
	}
	b.restored, err = found.result(empty)
	if err != nil {
		// If a second reading under a new fence finds the same, the finding is final. If it is wrong, that does no harm: then another
		// owner has fenced this one, whose first save fails before anything is sent.
		if w.incomplete++; w.incomplete < 2 {
			return b, err
		}
		b.missing = err
	} else {
		w.incomplete = 0
	}
	topic, err := w.set.Log.Topic(ctx)
	if err != nil {
		return b, fmt.Errorf("id of the journal: %w", err)
	}
	b.Checkpoint = b.restored.Checkpoint
	if b.Checkpoint == nil {
		b.fresh = true
		next := begin
		committed, ok, err := w.set.Store.Committed(ctx)
		if err != nil {
			return b, fmt.Errorf("offset of the group: %w", err)
		}
		if ok && committed > begin { // The group's offset follows the checkpoints.
			if b.missing == nil {
				b.missing = errors.New("the state topic is empty")
			}
			next = min(committed, end)
		}
		b.Checkpoint = &Checkpoint{Next: next, SeenUntil: time.Unix(0, 0), Topic: topic}
		return b, nil
	}
	return b, w.compare(ctx, &b, topic, begin, end)
}

// compare looks for the checkpoint's anchors in the log. If the newest is gone, the worker resumes after the highest that the log holds,
// else at the beginning of the log. The state is kept: it contains records that were delivered and are gone.
func (w *Worker) compare(ctx context.Context, b *begun, topic TopicID, begin, end int64) error {
	c := *b.Checkpoint
	b.Checkpoint = &c
	was, bottom := c.Topic, c.Next
	if n := len(c.Ranges); n > 0 {
		bottom = c.Ranges[n-1].Next
	}
	top := -1 // the highest anchor that the log holds
	seen := false
	for i := len(c.Anchors) - 1; i >= 0 && top < 0; i-- {
		a := c.Anchors[i]
		if a.Offset < begin {
			break // retention has deleted it
		}
		seen = true
		if a.Offset >= end {
			continue
		}
		is, ok, err := w.set.Log.Look(ctx, a.Offset)
		if err != nil {
			return fmt.Errorf("find offset %d of the journal: %w", a.Offset, err)
		}
		if ok && is.Sum == a.Sum {
			top = i
		}
	}
	c.Topic = topic
	if top == len(c.Anchors)-1 && top >= 0 {
		if bottom > end { // The offsets missing after the newest record held no records.
			c.Next = min(c.Next, end)
			c.Ranges = within(c.Ranges, end)
		}
		return nil
	}
	same := was == topic || was == (TopicID{}) || topic == (TopicID{}) // as far as known
	if !seen && bottom <= end && same {
		return nil // nothing to compare: an old checkpoint, or retention has deleted all its anchors
	}
	resume := begin
	if top >= 0 {
		resume = c.Anchors[top].Offset + 1
	}
	if len(c.Anchors) == 0 && bottom <= resume {
		c.Next = resume // nothing was delivered of the former log
		return nil
	}
	c.LogGeneration++
	gone := Bounds{First: resume, Next: max(resume, bottom)}
	if resume > c.Next { // some of the recorded ranges exist
		last := slices.IndexFunc(c.Ranges, func(r Bounds) bool { return r.First > c.Anchors[top].Offset })
		if last >= 0 {
			c.Ranges = c.Ranges[:last:last]
		}
		c.Ranges = within(c.Ranges, end)
		if n := len(c.Ranges); n > 0 {
			gone.First = c.Ranges[n-1].Next
		} else {
			gone.First = c.Next
		}
	} else {
		if top >= 0 && top+1 < len(c.Anchors) && c.Anchors[top+1].Offset >= c.Next && c.Next <= end {
			resume = c.Next // The last record below exists: only recorded ranges are missing.
			gone.First = resume
		}
		c.Next, c.Ranges = resume, nil
	}
	c.Anchors = c.Anchors[:top+1]
	for i := range c.Seen { // They also recognize repetitions among records that are read again.
		c.Seen[i].Offset = min(c.Seen[i].Offset, c.Next-1)
	}
	b.cut = &Cut{Bounds: gone, Generation: c.LogGeneration, Was: was, Is: topic}
	return nil
}

// within returns the ranges that end at end or before.
func within(ranges []Bounds, end int64) []Bounds {
	for i, r := range ranges {
		if r.Next > end {
			return ranges[:i:i]
		}
	}
	return ranges
}

// restore fences, reads the last checkpoint and sends its outbox. It returns the context that contains the session.
func (w *Worker) restore(ctx context.Context) (context.Context, error) {
	if err := w.set.Store.Fence(ctx); err != nil {
		return ctx, fmt.Errorf("fence: %w", err)
	}
	begin, began, err := w.set.Log.Start(ctx)
	if err != nil {
		return ctx, fmt.Errorf("start of the journal: %w", err)
	}
	end, err := w.set.Log.End(ctx)
	if err != nil {
		return ctx, fmt.Errorf("end of the journal: %w", err)
	}
	c, err := w.load(ctx, begin, end)
	if err != nil {
		return ctx, err
	}
	w.session, err = NewSession(Settings{Label: w.set.Label, Source: w.set.Source, SpreadBy: w.set.SpreadBy, Began: began, State: c.State, Generation: c.LogGeneration, Topic: c.Topic,
		Next: c.Next, Ranges: c.Ranges})
	if err != nil {
		return ctx, err
	}
	w.resume(c, end)
	if w.books, err = w.openBooks(); err != nil {
		return ctx, err
	}
	w.session.Deliver(time.Time{}, !c.fresh || w.set.InFlight > 1) // the outbox may have been sent
	if c.fresh || c.missing != nil || c.cut != nil {
		if err := w.save(ctx); err != nil { // From here on nothing treats it as a fresh start.
			return ctx, err
		}
		w.incomplete = 0
	}
	if c.missing != nil {
		w.set.Observer.Missing(w.next, c.missing)
	}
	if c.cut != nil {
		w.set.Observer.Cut(*c.cut)
	}
	w.set.Observer.Restored(w.next, c.fresh)
	of := Delivery{Session: w.session, Attempts: w.set.Attempts, Aside: w.set.Aside}
	ctx = of.In(ctx)
	of.Outcome = &Outcome{}
	if err := w.set.Deliver(of.In(ctx), Bounds{w.next, w.next}, nil); err != nil {
		return ctx, fmt.Errorf("join: %w", err)
	}
	w.books.joined(of.Outcome)
	if ids := w.session.Unclaimed(); len(ids) > 0 {
		w.set.Observer.Unclaimed(ids)
	}
	return ctx, w.flush(ctx)
}

// resume sets the worker's fields outside the session.
func (w *Worker) resume(c begun, end int64) {
	w.gen = Generation{Number: c.restored.Highest, Nonce: w.set.Nonce}
	w.first, w.previous = c.restored.First, c.restored.First
	w.read, w.next, w.ranges, w.flights = c.Next, c.Next, c.Ranges, nil
	w.topic, w.logGeneration = c.Topic, c.LogGeneration
	w.anchors.split(c.Anchors, c.Next)
	w.seen = newSeen(w.set.DedupWindow, w.set.DedupMax, c.Seen, newSteady(w.set.DedupWindow, c.SeenUntil, c.clocks))
	w.saved, w.savedSize, w.dirty = w.set.Clock.Now(), len(c.State), false
	w.stateUntil, w.rangesUntil = end, c.Next
	if n := len(c.Ranges); n > 0 {
		w.rangesUntil = c.Ranges[n-1].Next
	}
	w.maybeRedeliveredUntil = end
	if c.fresh && c.missing == nil {
		w.maybeRedeliveredUntil = c.Next
	}
}
