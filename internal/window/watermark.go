package window

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Watermark follows the event time of several sources, and answers up to which
// time all of them are complete: the smallest of the sources' newest times.
//
// A source that falls behind the newest one by more than the idle time is idle and no
// longer holds the watermark back:
//
//	source a  -----------------------------o        newest time
//	source b  ------------------o          :        holds back
//	source c  ----o             :          :        idle
//	                   |<------------------|        idle time
//	watermark ------------------^
//
// So the watermark depends only on the points, and on the position in their sequence
// at which it is read.
//
// It never moves back. When an idle source sends again, its points for closed panes
// are late, like all others.
//
// Times must not be negative.
//
// Memory: about 50 bytes per source that is not idle, at most maxSources of them;
// further ones share one entry, so they can hold the watermark back only
// together.
type Watermark struct {
	idle       int64
	maxSources int

	newest  int64
	mark    int64
	sources map[uint64]int64
}

// overflowSource is the source under which further ones count.
const overflowSource = 0

// ErrCorrupt is wrapped by Decode's errors.
var ErrCorrupt = errors.New("corrupt watermark")

// NewWatermark returns a watermark that has seen nothing. idle must be above zero,
// and maxSources at least 1.
func NewWatermark(idle time.Duration, maxSources int) *Watermark {
	return &Watermark{
		idle: int64(idle), maxSources: maxSources,
		newest: Never, mark: Never, sources: make(map[uint64]int64),
	}
}

// Observe records that a point with event time t came from source. The caller bounds t to the present, because one clock that is ahead would make
// all other sources late.
func (w *Watermark) Observe(source uint64, t int64) {
	last, ok := w.sources[source]
	if ok && last >= t {
		return
	}
	if !ok && len(w.sources) >= w.maxSources {
		w.forget()
		if len(w.sources) >= w.maxSources {
			source = overflowSource
			if w.sources[source] >= t {
				return
			}
		}
	}
	w.sources[source] = t
	w.newest = max(w.newest, t)
}

// Newest returns the newest time observed, [Never] before the first.
func (w *Watermark) Newest() int64 { return w.newest }

// Mark returns the watermark, [Never] before the first point. It takes O(sources).
func (w *Watermark) Mark() int64 {
	if w.newest == Never {
		return w.mark
	}
	w.forget()
	least := w.newest
	for _, t := range w.sources {
		least = min(least, t)
	}
	w.mark = max(w.mark, least)
	return w.mark
}

// Sources returns the number of sources that are not idle.
func (w *Watermark) Sources() int { return len(w.sources) }

// forget drops idle sources.
func (w *Watermark) forget() {
	for source, t := range w.sources {
		if w.newest-t > w.idle {
			delete(w.sources, source)
		}
	}
}

// Append writes the watermark to b; equal watermarks give equal bytes.
func (w *Watermark) Append(b []byte) []byte {
	type entry struct {
		source uint64
		t      int64
	}
	entries := make([]entry, 0, len(w.sources))
	for source, t := range w.sources {
		entries = append(entries, entry{source, t})
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.source, b.source) })
	b = binary.AppendVarint(b, w.newest)
	b = binary.AppendVarint(b, w.mark)
	b = binary.AppendUvarint(b, uint64(len(entries)))
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint64(b, e.source)
		b = binary.AppendVarint(b, e.t)
	}
	return b
}

// Decode reads the output of Append from the front of b, and returns the rest of b. Idle time and limit stay unchanged.
func (w *Watermark) Decode(b []byte) (rest []byte, err error) {
	varint := func() int64 {
		v, n := binary.Varint(b)
		if n <= 0 {
			err, b = fmt.Errorf("%w: %d bytes left", ErrCorrupt, len(b)), nil
			return 0
		}
		b = b[n:]
		return v
	}
	newest, mark := varint(), varint()
	count, n := binary.Uvarint(b)
	if n <= 0 || count > uint64(len(b)) {
		return nil, fmt.Errorf("%w: number of sources", ErrCorrupt)
	}
	b = b[n:]
	sources := make(map[uint64]int64, count)
	for range count {
		if len(b) < 8 {
			return nil, fmt.Errorf("%w: source", ErrCorrupt)
		}
		source := binary.LittleEndian.Uint64(b)
		b = b[8:]
		sources[source] = varint()
	}
	if err == nil {
		w.newest, w.mark, w.sources = newest, mark, sources
	}
	return b, err
}
