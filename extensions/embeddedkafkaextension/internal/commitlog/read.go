package commitlog

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sort"
)

// Read is the result of a read.
type Read struct {
	// Batches are complete batches. The first may begin before the requested offset.
	Batches []byte
	// Aborted are the transactions among Batches that were aborted.
	Aborted []Aborted
	// Start, Stable and End are as Range returns them.
	Start, Stable, End int64
}

// Read returns batches from offset from on: at most maxBytes of them, but at least one if there is one. With committed it stops at the last stable
// offset. It leaves out damaged batches, so the first batch can begin after from. [ErrOutOfRange] is returned with the range.
func (p *Partition) Read(from int64, maxBytes int, committed bool) (Read, error) {
	p.files.RLock()
	defer p.files.RUnlock()
	r := Read{}
	r.Start, r.Stable, r.End = p.Range()
	if from < r.Start || from > r.End {
		return r, fmt.Errorf("%w: %d is not in %d to %d", ErrOutOfRange, from, r.Start, r.End)
	}
	limit := r.End
	if committed {
		limit = r.Stable
	}
	for next := from; next < limit && len(r.Batches) == 0; {
		s, index, size, err := p.segmentAt(next)
		if err != nil {
			return r, err
		}
		if s == nil {
			break
		}
		i := entryIndex(index, next)
		if i == len(index) {
			next = max(s.next, next+1)
			continue
		}
		n, bytes := i, 0
		for ; n < len(index) && index[n].first < limit && (n == i || bytes+int(index[n].size) <= maxBytes); n++ {
			bytes += int(index[n].size)
		}
		if n == i {
			break
		}
		if r.Batches, err = p.readEntries(s, index[i:n], size); err != nil {
			return r, err
		}
		next = index[n-1].next
	}
	if committed && len(r.Batches) > 0 {
		r.Aborted = p.abortedSince(from)
	}
	return r, nil
}

// abortedSince returns the transactions that ended at or after from. A reader ignores those whose batches it does not read.
func (p *Partition) abortedSince(from int64) (out []Aborted) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := sort.Search(len(p.aborted), func(i int) bool { return p.aborted[i].Last >= from })
	return slices.Clone(p.aborted[i:])
}

// segmentAt returns the segment that holds offset, or the next one, with its index; nil after the last.
func (p *Partition) segmentAt(offset int64) (s *segment, index []entry, size int64, err error) {
	p.mu.Lock()
	i := sort.Search(len(p.segments), func(i int) bool { return p.segments[i].next > offset })
	if i == len(p.segments) {
		p.mu.Unlock()
		return nil, nil, 0, nil
	}
	s = p.segments[i]
	p.uses++
	s.used = p.uses
	index, loaded, size := s.index, s.loaded, s.size
	p.mu.Unlock()
	if loaded {
		return s, index, size, nil
	}
	index, err = p.load(s)
	return s, index, size, err
}

// load reads the index of a full segment, and drops the least recently used one.
func (p *Partition) load(s *segment) ([]entry, error) {
	index, err := readIndex(p.set.FS, p.set.Directory, s.base)
	if err != nil || !whole(index, s) {
		file, err := p.set.FS.Open(filepath.Join(p.set.Directory, segmentName(s.base)), false)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrStorage, err)
		}
		scanned, err := scan(file, s.base, index, newState())
		if err = errors.Join(err, file.Close()); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrStorage, err)
		}
		index = scanned.index
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.index, s.loaded = index, true
	loaded, oldest := 0, s
	for _, other := range p.segments[:len(p.segments)-1] {
		if other.loaded {
			loaded++
			if other.used < oldest.used {
				oldest = other
			}
		}
	}
	if loaded > keptIndexes && oldest != s {
		oldest.index, oldest.loaded = nil, false
	}
	return index, nil
}

// whole reports whether index has all batches of s.
func whole(index []entry, s *segment) bool {
	next := s.base
	for _, e := range index {
		if e.first != next {
			return false
		}
		next = e.next
	}
	return next == s.next
}

// readEntries returns the valid batches of consecutive entries.
func (p *Partition) readEntries(s *segment, entries []entry, size int64) ([]byte, error) {
	from, to := entries[0].pos, entries[0].pos
	for _, e := range entries {
		to = max(to, e.pos+int64(e.size))
	}
	raw := make([]byte, max(0, min(to, size)-from))
	if err := p.readAt(s, raw, from); err != nil {
		return nil, err
	}
	sound := true
	for _, e := range entries {
		sound = sound && check(raw, e, from)
	}
	last := entries[len(entries)-1]
	if sound && int64(len(raw)) == last.pos+int64(last.size)-from {
		return raw, nil
	}
	var out []byte
	for _, e := range entries {
		if check(raw, e, from) {
			out = append(out, raw[e.pos-from:][:e.size]...)
		} else if marker, ok := e.marker(p.Epoch()); ok {
			out = append(out, marker...)
		} else {
			p.foundDamage(s, e)
		}
	}
	return out, nil
}

// check reports whether raw, which begins at position from of the file, holds the batch that e describes, and sets its offset to e's.
func check(raw []byte, e entry, from int64) bool {
	at, end := e.pos-from, e.pos-from+int64(e.size)
	if end > int64(len(raw)) {
		return false
	}
	b, err := Parse(raw[at:end])
	if err != nil || b.Size != int(e.size) || b.Next-b.First != e.next-e.first {
		return false
	}
	place(raw[at:end], e.first, b.Epoch)
	return true
}

// readAt fills raw from position from of a segment, up to the end of the file. The caller holds p.files for reading.
func (p *Partition) readAt(s *segment, raw []byte, from int64) error {
	if len(raw) == 0 {
		return nil
	}
	p.mu.Lock()
	file := p.reading
	last := p.segments[len(p.segments)-1] == s
	p.mu.Unlock()
	if !last {
		var err error
		if file, err = p.set.FS.Open(filepath.Join(p.set.Directory, segmentName(s.base)), false); err != nil {
			return fmt.Errorf("%w: %w", ErrStorage, err)
		}
		defer file.Close()
	}
	n, err := file.ReadAt(raw, from)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: read segment %d: %w", ErrStorage, s.base, err)
	}
	clear(raw[n:])
	return nil
}

// foundDamage records that a batch can't be read.
func (p *Partition) foundDamage(s *segment, e entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen[e.first] || len(p.damage) >= maxGaps {
		return
	}
	p.seen[e.first] = true
	for _, g := range p.meta.Gaps {
		if g.First <= e.first && e.next <= g.Next {
			return
		}
	}
	p.damage = append(p.damage, Finding{Kind: Damaged, File: filepath.Join(p.set.Directory, segmentName(s.base)), First: e.first, Next: e.next,
		Bytes: int64(e.size), After: e.maxTime, Before: e.maxTime, Done: "readers continue after them"})
}

// Maintain records the damage that readers have found since the last call, and returns it. If it includes the log's end, Maintain appends a control
// batch, so that no reader waits at the damage.
func (p *Partition) Maintain() ([]Finding, error) {
	p.mu.Lock()
	found := p.damage
	p.damage = nil
	end := p.endLocked()
	p.mu.Unlock()
	if len(found) == 0 {
		return nil, nil
	}
	err := p.change(func(m *meta) {
		m.Gaps = append(slices.Clone(m.Gaps), found...)
		if n := len(m.Gaps) - maxGaps; n > 0 {
			m.Gaps = slices.Delete(m.Gaps, 0, n)
		}
	})
	for _, f := range found {
		if f.Next == end {
			raw := Marker(noProducer, 0, false, p.set.Now().UnixMilli())
			if b, parseErr := Parse(raw); parseErr == nil {
				p.Enqueue(raw, b)
			}
		}
	}
	return found, err
}
