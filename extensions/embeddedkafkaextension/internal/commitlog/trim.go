package commitlog

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"sort"
	"time"
)

// Segment is a file of the log, for checks of size and age.
type Segment struct {
	End     int64 // first offset after it; 0: it is the active one
	Bytes   int64
	Written time.Time
}

// Segments lists the files, in order.
func (p *Partition) Segments() []Segment {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Segment, len(p.segments))
	for i, s := range p.segments {
		out[i] = Segment{End: s.next, Bytes: s.size, Written: time.UnixMilli(s.written)}
		if i+1 < len(p.segments) {
			out[i].End = p.segments[i+1].base
		}
	}
	out[len(out)-1].End = 0
	return out
}

// Trim makes offset the first readable one and removes the files that lie completely before it, but not the last. It returns the first offset.
// [ErrOutOfRange]: offset is past the log's end.
func (p *Partition) Trim(offset int64) (start int64, err error) {
	p.commit.Lock()
	defer p.commit.Unlock()
	p.mu.Lock()
	start, end := p.start, p.endLocked()
	p.mu.Unlock()
	if offset > end {
		return start, fmt.Errorf("%w: %d is past the end, %d", ErrOutOfRange, offset, end)
	}
	if offset > start {
		// Record the new start before the files are removed: files that are missing without a record count as lost.
		if err := p.changeCommit(func(m *meta) { m.Start = offset }); err != nil {
			return start, err
		}
		p.mu.Lock()
		p.start = offset
		p.mu.Unlock()
	}
	return max(start, offset), p.remove(max(start, offset))
}

// remove removes the files before start.
func (p *Partition) remove(start int64) error {
	p.files.Lock()
	defer p.files.Unlock()
	p.mu.Lock()
	n := 0
	for ; n+1 < len(p.segments) && p.segments[n+1].base <= start; n++ {
	}
	gone := p.segments[:n:n]
	p.segments = p.segments[n:]
	i := sort.Search(len(p.aborted), func(i int) bool { return p.aborted[i].Last >= start })
	p.aborted = slices.Clone(p.aborted[i:])
	if n > 0 && len(p.seen) > 0 {
		p.seen = map[int64]bool{}
	}
	p.mu.Unlock()
	for _, s := range gone {
		for _, name := range []string{segmentName(s.base), sealName(s.base)} {
			if err := p.set.FS.Remove(filepath.Join(p.set.Directory, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%w: %w", ErrStorage, err)
			}
		}
	}
	if n == 0 {
		return nil
	}
	if err := p.set.FS.SyncDirectory(p.set.Directory); err != nil {
		return fmt.Errorf("%w: %w", ErrStorage, err)
	}
	return nil
}

// Since returns an offset such that all earlier records are older than millis: the offset of the first batch with a record that is not older. ok is
// false if there is none.
func (p *Partition) Since(millis int64) (offset int64, ok bool, err error) {
	p.files.RLock()
	defer p.files.RUnlock()
	start, _, end := p.Range()
	for next := start; next < end; {
		p.mu.Lock()
		i := sort.Search(len(p.segments), func(i int) bool { return p.segments[i].next > next })
		for i < len(p.segments) && p.segments[i].maxTime < millis {
			i++
		}
		if i == len(p.segments) {
			p.mu.Unlock()
			return 0, false, nil
		}
		next = max(next, p.segments[i].base)
		behindIt := p.segments[i].next
		p.mu.Unlock()
		_, index, _, err := p.segmentAt(next)
		if err != nil {
			return 0, false, err
		}
		for _, e := range index[entryIndex(index, next):] {
			if e.maxTime >= millis && e.flags&flagDamaged == 0 {
				return max(e.first, start), true, nil
			}
		}
		next = max(behindIt, next+1)
	}
	return 0, false, nil
}

// Latest returns the largest time of a record and the first offset of its batch; ok is false for a log without records.
func (p *Partition) Latest() (millis, offset int64, ok bool, err error) {
	p.mu.Lock()
	millis = math.MinInt64
	for _, s := range p.segments {
		if s.next > s.base {
			millis = max(millis, s.maxTime)
		}
	}
	p.mu.Unlock()
	if millis == math.MinInt64 {
		return 0, 0, false, nil
	}
	offset, ok, err = p.Since(millis)
	return millis, offset, ok, err
}
