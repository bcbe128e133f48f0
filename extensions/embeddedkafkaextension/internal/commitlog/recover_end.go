package commitlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/disk"
)

// finish decides where the log continues, and prepares its files.
func (o *opening) finish(existing bool) error {
	p := o.p
	end := o.end(existing)
	if o.set.Label != nil && p.meta.Label == nil {
		label, err := json.Marshal(o.set.Label)
		if err != nil {
			return err
		}
		p.meta.Label = label
	}
	p.meta.Closed = -1
	p.meta.Reserved = max(p.meta.Reserved, end+reserveAhead)
	p.state = o.state
	if len(p.segments) == 0 {
		if p.meta.Start < 0 {
			p.meta.Start = end
		}
		if err := o.empty(end); err != nil {
			return err
		}
	} else if err := o.settle(end); err != nil {
		return err
	}
	p.reading = p.active
	p.start = min(max(p.meta.Start, p.segments[0].base), end)
	p.meta.Start = p.start
	if o.jump {
		m := &p.meta
		m.Epochs = append(m.Epochs, epochStart{Epoch: m.Epochs[len(m.Epochs)-1].Epoch + 1, Start: end})
	}
	if o.set.Reserve != nil && p.meta.Reserved > o.set.Floor {
		if err := o.set.Reserve(p.meta.Reserved); err != nil {
			return err
		}
	}
	if err := p.change(func(*meta) {}); err != nil {
		return err
	}
	if o.stuck() {
		return o.bridge()
	}
	return nil
}

// stuck reports whether the last offsets can't be read, so that a reader would wait for them for ever.
func (o *opening) stuck() bool {
	p := o.p
	n := len(p.segments)
	last := p.segments[n-1]
	if len(last.index) > 0 {
		return false
	}
	if n == 1 {
		return last.base > p.start || o.jump && last.base > 0
	}
	front := p.segments[n-2]
	return front.next < last.base || front.loaded && len(front.index) > 0 && front.index[len(front.index)-1].flags&flagDamaged != 0
}

// end returns the offset at which the log continues: after everything that may have been acknowledged.
func (o *opening) end(existing bool) int64 {
	p, end, after := o.p, int64(0), int64(0)
	if n := len(p.segments); n > 0 {
		end, after = p.segments[n-1].next, p.segments[n-1].maxTime
	} else if p.meta.Start > 0 {
		end = p.meta.Start
	}
	answered := p.meta.Closed
	seen := false // the index knows the last segment, or a later one
	for base, known := range o.known {
		answered = max(answered, known[len(known)-1].next)
		seen = seen || len(p.segments) == 0 || base >= p.segments[len(p.segments)-1].base
		for _, e := range known {
			if _, ok := e.marker(0); ok && e.first >= end {
				o.lost = append(o.lost, e)
			}
		}
	}
	f := Finding{Kind: Missing, File: o.set.Directory, First: end, After: after, Done: "the log continues after them"}
	switch {
	case answered > end:
		f.Next = answered
	case p.meta.Closed >= 0 || seen:
		return end
	case len(p.segments) == 0 && (existing || o.trusted || o.set.Floor > 0), len(p.segments) > 0 && o.sealedLast():
		// The index drops a segment only after the next one exists: so there was a later segment.
		f.Next, f.AtMost = max(p.meta.Reserved, o.set.Floor), true
	}
	if f.Next <= end {
		return end
	}
	o.missing(f)
	o.jump = true
	return f.Next
}

// sealedLast reports whether the last segment is full: then there was a later one.
func (o *opening) sealedLast() bool {
	last := o.p.segments[len(o.p.segments)-1]
	f, err := readFacts(o.set.FS, o.set.Directory, last.base)
	return err == nil && f.Next == last.next && len(last.index) > 0
}

// empty starts a log without segments at end.
func (o *opening) empty(end int64) error {
	p := o.p
	active, err := o.set.FS.Open(o.name(segmentName(end)), true)
	if err != nil {
		return err
	}
	p.active = active
	p.segments = []*segment{{base: end, next: end, written: o.set.Now().UnixMilli(), loaded: true}}
	if err := active.Truncate(0); err != nil {
		return err
	}
	if err := active.Sync(); err != nil {
		return err
	}
	if err := p.tail.Truncate(0); err != nil {
		return err
	}
	return o.set.FS.SyncDirectory(o.set.Directory)
}

// settle cuts the last segment after its last batch and corrects its index. If the end can't be read or is missing, a new segment begins at end.
func (o *opening) settle(end int64) error {
	p := o.p
	last := p.segments[len(p.segments)-1]
	if size, err := p.active.Size(); err != nil {
		return err
	} else if size > last.size {
		if err := p.active.Truncate(last.size); err != nil {
			return err
		}
	}
	if err := o.flush(last); err != nil {
		return err
	}
	if o.jump {
		last.next = o.readable(last)
		if err := writeSeal(o.set.FS, o.set.Directory, factsOf(last, p.state, p.aborted), last.index); err != nil {
			return err
		}
		return p.begin(end)
	}
	raw := make([]byte, 0, entryBytes*len(last.index))
	for _, e := range last.index {
		raw = e.appendTo(raw, last.base)
	}
	have, err := disk.ReadFile(o.set.FS, o.name(tailName), maxSealBytes)
	if err != nil {
		return err
	}
	if !bytes.Equal(raw, have) { // A correct file stays untouched on disk.
		if _, err := p.tail.WriteAt(raw, 0); err != nil {
			return err
		}
		if err := p.tail.Truncate(int64(len(raw))); err != nil {
			return err
		}
	}
	return p.tail.Sync()
}

// flush writes data that was read, and may not be on disk, again: after a failed flush the operating system keeps returning data that it will never
// write.
func (o *opening) flush(last *segment) error {
	raw := make([]byte, windowBytes)
	for pos := min(o.flushed, last.size); pos < last.size; {
		part := raw[:min(int64(len(raw)), last.size-pos)]
		if _, err := o.p.active.ReadAt(part, pos); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if _, err := o.p.active.WriteAt(part, pos); err != nil {
			return err
		}
		pos += int64(len(part))
	}
	return o.p.active.Sync()
}

// readable returns the offset after the last batch in the index of s.
func (o *opening) readable(s *segment) int64 {
	if len(s.index) == 0 {
		return s.base
	}
	return s.index[len(s.index)-1].next
}

// bridge writes control batches after missing records at the end: the lost ones, or one that ends no transaction. They let a waiting reader reach
// the end of the log.
func (o *opening) bridge() error {
	p := o.p
	var tickets []*Ticket
	write := func(producer int64, epoch int16, commit bool) error {
		raw := Marker(producer, epoch, commit, p.set.Now().UnixMilli())
		b, err := Parse(raw)
		if err != nil {
			return err
		}
		tickets = append(tickets, p.Enqueue(raw, b))
		return nil
	}
	written := map[int64]bool{}
	for _, e := range o.lost {
		if _, open := p.state.open[e.producer]; open && !written[e.producer] {
			written[e.producer] = true
			if err := write(e.producer, e.epoch, e.flags&flagCommit != 0); err != nil {
				return err
			}
		}
	}
	if err := write(noProducer, 0, false); err != nil {
		return err
	}
	for p.Commit() {
	}
	for _, t := range tickets {
		if t.Err != nil {
			return fmt.Errorf("write after the missing records: %w", t.Err)
		}
	}
	return nil
}
