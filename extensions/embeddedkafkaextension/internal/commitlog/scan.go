package commitlog

import (
	"errors"
	"io"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/disk"
)

// gap is a place in a segment whose records can't be read.
type gap struct {
	first, next   int64 // offsets
	after, before int64 // times around it; 0: unknown
	bytes         int64
	missing       bool // the file ends before it
}

// scanned is the result of reading a whole segment.
type scanned struct {
	index   []entry
	next    int64 // offset after the last batch that was ever acknowledged, readable or not
	sound   int64 // bytes up to the end of the last valid batch
	flushed int64 // bytes up to the end of the last batch in the index on disk: they were flushed
	torn    int64 // bytes after them
	gaps    []gap
	rewrite []entry // control batches that were cut off the end, directly after the readable data: they can be restored
	cut     bool    // data is missing at the end of the file
	state   state
	aborted []Aborted
	maxTime int64
}

// over reports whether the segment must not grow: its end is missing or can't be read.
func (s *scanned) over() bool {
	return s.cut || len(s.gaps) > 0 && s.gaps[len(s.gaps)-1].next == s.next
}

// scan reads a segment that begins at offset base. known are its entries in the index on disk, in order. Each has a checksum and was written after
// its batch was on disk and before the batch was acknowledged. So where file and entries differ, the file is damaged, and the entries say what it
// held; bytes at the end without an entry were never acknowledged.
//
// A batch's checksum does not cover its offset. Batches of a segment follow each other without a gap, so the offset comes from known or from the
// previous batch.
func scan(f disk.File, base int64, known []entry, from state) (*scanned, error) {
	s := &scanned{next: base, state: from.clone()}
	w := &window{file: f}
	var err error
	if w.size, err = f.Size(); err != nil {
		return nil, err
	}
	resynced := false
	for s.sound < w.size {
		for len(known) > 0 && (known[0].pos < s.sound || known[0].next <= s.next) {
			known = known[1:]
		}
		here := len(known) > 0 && known[0].pos == s.sound && (known[0].first == s.next || resynced)
		b, err := w.batch(s.sound)
		switch {
		case err != nil && !errors.Is(err, ErrBatch):
			return nil, err
		case err == nil:
			e := entryOf(b, s.sound)
			length := b.Next - b.First
			switch {
			case here:
				e.first = known[0].first
				s.flushed = e.pos + int64(e.size)
			case !resynced || e.first < s.next:
				e.first = s.next
			}
			e.next = e.first + length
			b.First, b.Next = e.first, e.next
			s.add(e, b)
		case here && known[0].pos+int64(known[0].size) <= w.size:
			s.addUnreadable(known[0])
		case here: // The batch ends after the end of the file.
			return s.end(known), nil
		default:
			at, found, err := w.resync(s.sound+1, s.next, known)
			if err != nil {
				return nil, err
			}
			if !found {
				s.torn = w.size - s.sound
				return s.end(known), nil
			}
			s.sound, resynced = at, true
			continue
		}
		resynced = false
	}
	return s.end(known), nil
}

// add adds a valid batch.
func (s *scanned) add(e entry, b Batch) {
	if e.first > s.next {
		s.gap(gap{first: s.next, next: e.first, after: s.maxTime, before: b.FirstTime, bytes: e.pos - s.endOfIndex()})
	}
	if b.Producer >= 0 && !(b.Control()) || b.Control() && s.state.producers[b.Producer] != nil {
		s.state.producerOf(b.Producer).add(b)
	}
	if n := len(s.gaps); n > 0 && s.gaps[n-1].next == e.first && s.gaps[n-1].before == 0 {
		s.gaps[n-1].before = b.FirstTime
	}
	s.take(e)
}

// addUnreadable adds a damaged batch whose position is in the index. For a control batch, the index has its whole content.
func (s *scanned) addUnreadable(e entry) {
	if e.first > s.next {
		s.gap(gap{first: s.next, next: e.first, after: s.maxTime, bytes: e.pos - s.endOfIndex()})
	}
	if _, ok := e.marker(0); !ok {
		e.flags |= flagDamaged
		delete(s.state.producers, e.producer)
		s.gap(gap{first: s.next, next: e.next, after: s.maxTime, bytes: int64(e.size)})
	}
	s.take(e)
}

func (s *scanned) take(e entry) {
	if a, ok := s.state.transact(e); ok {
		s.aborted = append(s.aborted, a)
	}
	s.index = append(s.index, e)
	s.next, s.sound = e.next, e.pos+int64(e.size)
	if e.flags&flagDamaged == 0 {
		s.maxTime = max(s.maxTime, e.maxTime)
	}
}

// gap records a gap, merged with the previous one if they touch.
func (s *scanned) gap(g gap) {
	if n := len(s.gaps); n > 0 && s.gaps[n-1].next == g.first && s.gaps[n-1].missing == g.missing {
		s.gaps[n-1].next, s.gaps[n-1].before = g.next, g.before
		s.gaps[n-1].bytes += g.bytes
		return
	}
	s.gaps = append(s.gaps, g)
}

func (s *scanned) endOfIndex() int64 {
	if len(s.index) == 0 {
		return 0
	}
	last := s.index[len(s.index)-1]
	return last.pos + int64(last.size)
}

// end records the entries after the end of the file. Control batches stay in the index, and a reader gets their content from there.
func (s *scanned) end(known []entry) *scanned {
	for _, e := range known {
		if e.first < s.next {
			continue
		}
		_, control := e.marker(0)
		switch {
		case !control:
			s.gap(gap{first: s.next, next: e.next, after: s.maxTime, bytes: int64(e.size), missing: true})
			s.next, s.cut = e.next, true
			delete(s.state.producers, e.producer)
			_, _ = s.state.transact(e)
		case s.cut || e.pos != s.sound:
			sound := s.sound
			s.take(e)
			s.sound, s.cut = sound, true
		default:
			s.rewrite = append(s.rewrite, e)
			s.take(e)
		}
	}
	s.state.bound()
	return s
}

// windowBytes is how much of a segment is read at once.
const windowBytes = 1 << 20

// window is a part of a file, in memory.
type window struct {
	file disk.File
	size int64 // of the file
	at   int64
	buf  []byte
}

// bytes returns the n bytes at pos, or as many as there are. They are valid until the next call.
func (w *window) bytes(pos int64, n int) ([]byte, error) {
	n = int(min(int64(n), w.size-pos))
	if pos < w.at || pos+int64(n) > w.at+int64(len(w.buf)) {
		want := int(min(int64(max(n, windowBytes)), w.size-pos))
		if cap(w.buf) < want {
			w.buf = make([]byte, want)
		}
		w.buf = w.buf[:want]
		w.at = pos
		got, err := w.file.ReadAt(w.buf, pos)
		if err != nil && !errors.Is(err, io.EOF) {
			w.buf = w.buf[:0]
			return nil, err
		}
		w.buf = w.buf[:got]
		n = min(n, got)
	}
	return w.buf[pos-w.at:][:n], nil
}

// batch reads the batch at pos; an error other than ErrBatch means that the disk failed.
func (w *window) batch(pos int64) (Batch, error) {
	head, err := w.bytes(pos, batchHeader)
	if err != nil {
		return Batch{}, err
	}
	size, err := batchSize(head)
	if err != nil || pos+int64(size) > w.size {
		return Batch{}, ErrBatch
	}
	raw, err := w.bytes(pos, size)
	if err != nil {
		return Batch{}, err
	}
	return Parse(raw)
}

// resync returns the first position from pos on at which a batch at or after offset next begins, found in the file or known from the index. It
// tries every byte, so it takes time proportional to the segment.
func (w *window) resync(pos, next int64, known []entry) (at int64, found bool, err error) {
	end := w.size
	for _, e := range known {
		if e.pos >= pos && e.first >= next {
			end, found = min(end, e.pos), e.pos < w.size
			break
		}
	}
	for ; pos+batchHeader <= end; pos++ {
		head, err := w.bytes(pos, batchHeader)
		if err != nil {
			return 0, false, err
		}
		if head[atMagic] != magic {
			continue
		}
		b, err := w.batch(pos)
		if err != nil && !errors.Is(err, ErrBatch) {
			return 0, false, err
		}
		if err == nil && b.First >= next {
			return pos, true, nil
		}
	}
	return end, found, nil
}
