package commitlog

import (
	"fmt"
	"path/filepath"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/disk"
)

// Commit writes waiting batches, as many as one flush should cover, and reports whether more are waiting. A batch's ticket is done when the batch
// is on disk, or has failed.
func (p *Partition) Commit() (more bool) {
	p.commit.Lock()
	defer p.commit.Unlock()
	group := p.takeGroup()
	if len(group) == 0 {
		return false
	}
	if err := p.heal(); err != nil {
		failAll(group, err)
	} else {
		for len(group) > 0 {
			group = group[p.write(group):]
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queue) > 0
}

func failAll(group []*Ticket, err error) {
	for _, t := range group {
		t.fail(err)
	}
}

// takeGroup takes the first batches of the queue.
func (p *Partition) takeGroup() []*Ticket {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, size := 0, 0
	for ; n < len(p.queue) && (n == 0 || size+len(p.queue[n].raw) <= groupBytes); n++ {
		size += len(p.queue[n].raw)
	}
	group := p.queue[:n:n]
	if p.queue = p.queue[n:]; len(p.queue) == 0 {
		p.queue = nil
	}
	return group
}

// heal brings the files back to the state of the log: after an error the content beyond that is unknown.
func (p *Partition) heal() error {
	p.mu.Lock()
	last := p.segments[len(p.segments)-1]
	p.mu.Unlock()
	if p.broken != nil {
		// The index comes first: it must never contain a batch that is not in the segment.
		err := cut(p.tail, int64(len(last.index))*entryBytes)
		if err == nil {
			err = cut(p.active, last.size)
		}
		if err != nil {
			return fmt.Errorf("%w: %w; cut back to what is on disk: %w", ErrStorage, p.broken, err)
		}
		p.broken = nil
	}
	if p.roll {
		return p.begin(last.next)
	}
	return nil
}

func cut(f disk.File, size int64) error {
	if err := f.Truncate(size); err != nil {
		return err
	}
	return f.Sync()
}

// pending is a batch of a group to write.
type pending struct {
	ticket *Ticket
	entry  entry
}

// write writes the first batches of a group, those that go into one segment, and returns how many it has handled.
func (p *Partition) write(group []*Ticket) (n int) {
	p.mu.Lock()
	last := p.segments[len(p.segments)-1]
	pos, next := last.size, last.next
	epoch := p.meta.Epochs[len(p.meta.Epochs)-1].Epoch
	tentative := map[int64]*producer{}
	p.mu.Unlock()

	p.buf = p.buf[:0]
	var out []pending
	var repeated []*Ticket // of batches in this group
	for ; n < len(group); n++ {
		t := group[n]
		if pos > 0 && pos+int64(len(t.raw)) > p.set.SegmentBytes {
			break
		}
		b := t.batch
		if b.Producer >= 0 {
			offset, duplicate, err := p.producerOf(tentative, b.Producer).check(b)
			if err != nil {
				t.fail(err)
				continue
			}
			if duplicate {
				t.Offset, t.Duplicate = offset, true
				if offset >= last.next {
					repeated = append(repeated, t)
				} else {
					close(t.done)
				}
				continue
			}
		}
		b.Next, b.First = next+b.Next-b.First, next
		if b.Producer >= 0 {
			tentative[b.Producer].add(b)
		}
		place(t.raw, next, epoch)
		t.batch, t.Offset = b, next
		out = append(out, pending{t, entryOf(b, pos)})
		p.buf = append(p.buf, t.raw...)
		pos, next = pos+int64(len(t.raw)), b.Next
	}
	if len(out) > 0 {
		if err := p.persist(out, last, next); err != nil {
			for _, o := range out {
				o.ticket.fail(err)
			}
			failAll(repeated, err)
			failAll(group[n:], err)
			return len(group)
		}
		p.publish(out, last, tentative)
		for _, t := range repeated {
			close(t.done)
		}
	}
	if cap(p.buf) > 2*windowBytes {
		p.buf = nil
	}
	if n < len(group) {
		if err := p.rotate(); err != nil {
			failAll(group[n:], err)
			return len(group)
		}
	}
	return n
}

// producerOf returns a copy of the state of a producer; it replaces the original when the group is on disk.
func (p *Partition) producerOf(tentative map[int64]*producer, id int64) *producer {
	if have := tentative[id]; have != nil {
		return have
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if have := p.state.producers[id]; have != nil {
		tentative[id] = have.clone()
	} else {
		tentative[id] = &producer{Epoch: -1}
	}
	return tentative[id]
}

// persist writes p.buf after the last segment's data, flushes it, and enters it in the index.
func (p *Partition) persist(out []pending, last *segment, next int64) error {
	p.mu.Lock()
	reserved := p.meta.Reserved
	p.mu.Unlock()
	if next > reserved {
		if err := p.reserve(next + reserveAhead); err != nil {
			return err
		}
	}
	pos := out[0].entry.pos
	if _, err := p.active.WriteAt(p.buf, pos); err != nil {
		p.broken = fmt.Errorf("write segment %d: %w", last.base, err)
		return fmt.Errorf("%w: %w", ErrStorage, p.broken)
	}
	if err := p.active.Sync(); err != nil {
		p.broken = fmt.Errorf("flush segment %d: %w", last.base, err)
		return fmt.Errorf("%w: %w", ErrStorage, p.broken)
	}
	p.buf = p.buf[:0]
	for _, o := range out {
		p.buf = o.entry.appendTo(p.buf, last.base)
	}
	if _, err := p.tail.WriteAt(p.buf, int64(len(last.index))*entryBytes); err != nil {
		p.broken = fmt.Errorf("write the index of segment %d: %w", last.base, err)
		return fmt.Errorf("%w: %w", ErrStorage, p.broken)
	}
	return nil
}

// reserve records that offsets below floor may be used from now on.
func (p *Partition) reserve(floor int64) error {
	if p.set.Reserve != nil {
		if err := p.set.Reserve(floor); err != nil {
			return fmt.Errorf("%w: reserve offsets: %w", ErrStorage, err)
		}
	}
	return p.changeCommit(func(m *meta) { m.Reserved = floor })
}

// publish makes a group visible and completes its tickets.
func (p *Partition) publish(out []pending, last *segment, tentative map[int64]*producer) {
	p.mu.Lock()
	for id, have := range tentative {
		if p.state.producers[id] != nil || len(have.Batches) > 0 {
			p.state.producers[id] = have
		}
	}
	p.state.bound()
	for _, o := range out {
		if a, ok := p.state.transact(o.entry); ok {
			p.aborted = append(p.aborted, a)
		}
		last.index = append(last.index, o.entry)
		last.next, last.size = o.entry.next, o.entry.pos+int64(o.entry.size)
		last.maxTime = max(last.maxTime, o.entry.maxTime)
	}
	last.written = p.set.Now().UnixMilli()
	p.notifyLocked()
	p.mu.Unlock()
	for _, o := range out {
		close(o.ticket.done)
	}
}

// rotate seals the last segment and begins the next.
func (p *Partition) rotate() error {
	if err := p.seal(); err != nil {
		return err
	}
	p.mu.Lock()
	end := p.endLocked()
	p.mu.Unlock()
	return p.begin(end)
}

// seal writes the last segment's seal. After that a new segment must begin.
func (p *Partition) seal() error {
	p.mu.Lock()
	last := p.segments[len(p.segments)-1]
	index := last.index
	f := factsOf(last, p.state, p.aborted)
	p.mu.Unlock()
	// Write it again: a failed flush may have dropped a part of it.
	p.buf = p.buf[:0]
	for _, e := range index {
		p.buf = e.appendTo(p.buf, last.base)
	}
	_, err := p.tail.WriteAt(p.buf, 0)
	if err == nil {
		err = p.tail.Sync()
	}
	if err != nil {
		return fmt.Errorf("%w: flush the index: %w", ErrStorage, err)
	}
	if err := writeSeal(p.set.FS, p.set.Directory, f, index); err != nil {
		return fmt.Errorf("%w: %w", ErrStorage, err)
	}
	p.roll = true
	return nil
}

// factsOf returns what a start must know of segment s, which ends with state st.
func factsOf(s *segment, st state, aborted []Aborted) facts {
	st = st.clone()
	f := facts{Base: s.base, Next: s.next, Size: s.size, MaxTime: s.maxTime, Written: s.written, Producers: st.producers}
	for _, a := range aborted {
		if a.Last >= s.base && a.Last < s.next {
			f.Aborted = append(f.Aborted, a)
		}
	}
	for _, o := range st.open {
		f.Open = append(f.Open, o)
	}
	return f
}

// begin creates the segment that starts at base and makes it the active one.
func (p *Partition) begin(base int64) error {
	name := filepath.Join(p.set.Directory, segmentName(base))
	next, err := p.set.FS.Open(name, true)
	if err == nil {
		var size int64
		if size, err = next.Size(); err == nil && size > 0 { // left over from a failed attempt
			err = cut(next, 0)
		}
		if err == nil { // This also syncs the name of the previous segment's seal.
			err = p.set.FS.SyncDirectory(p.set.Directory)
		}
		if err == nil { // Entries of the previous segment are in its seal.
			err = p.tail.Truncate(0)
		}
		if err != nil {
			_ = next.Close()
		}
	}
	if err != nil {
		return fmt.Errorf("%w: begin segment %d: %w", ErrStorage, base, err)
	}
	old := p.active
	p.active, p.roll = next, false
	p.files.Lock() // No reader uses the file any more.
	defer p.files.Unlock()
	_ = old.Close() // Its data is flushed.
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reading = next
	p.segments = append(p.segments, &segment{base: base, next: base, written: p.set.Now().UnixMilli(), loaded: true})
	return nil
}
