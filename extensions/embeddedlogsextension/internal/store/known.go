package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// Known are rows that a log has in the store, by offset and index. The zero value has none. It is safe for concurrent use once it is made.
type Known struct {
	next int64
	all  map[int64][]uint64 // the indexes of each offset, as bits
	n    int
}

// Len returns how many rows there are.
func (k *Known) Len() int { return k.n }

// Next returns the offset above all that the log has from the begin of the range on, also behind its end; 0 if there are none.
func (k *Known) Next() int64 { return k.next }

// At returns which rows of the record at offset there are; nil: none.
func (k *Known) At(offset int64) func(index int) bool {
	bits, ok := k.all[offset]
	if !ok {
		return nil
	}
	return func(index int) bool { return index>>6 < len(bits) && bits[index>>6]>>(index&63)&1 == 1 }
}

func (k *Known) add(offset int64, index int) {
	if k.all == nil {
		k.all = map[int64][]uint64{}
	}
	bits := k.all[offset]
	for len(bits) <= index>>6 {
		bits = append(bits, 0)
	}
	if bit := uint64(1) << (index & 63); bits[index>>6]&bit == 0 {
		bits[index>>6] |= bit
		k.n++
	}
	k.all[offset] = bits
}

// maxIndex bounds the memory that one row can take in Known: an OTLP request of 64 MiB has fewer records.
const maxIndex = 1 << 26

// ofLog is the filter for a log; for all whose names begin so if the name ends with a slash.
func ofLog(log string) string {
	filter := LogField + ":=" + Quote(log)
	if strings.HasSuffix(log, "/") {
		filter += "*"
	}
	return filter
}

// Known returns the rows of a log of signal at from or above and below to, those that are not durable yet among them. A name that ends with a
// slash is that of all logs that begin so: the generations of one. It takes a bit for each row
// and about 100 bytes for each record, and reads the headers of all blocks; values only of those that may have such rows.
//
// Rows whose stream got lost are deleted and not returned: a crash can come after the rows are durable and before the stream is, and no query
// sees them then.
func (s *Store) Known(ctx context.Context, signal Signal, log string, from, to int64) (*Known, error) {
	ctx, done, err := s.use(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	s.settleBuffers()
	s.engine.DebugFlush()
	last, any, err := s.lastOffset(ctx, signal, log, from)
	if err != nil || !any {
		return &Known{}, err
	}
	filter := fmt.Sprintf("%s %s:>=%d %s:<%d", ofLog(log), OffsetField, from, OffsetField, to)
	fields := " | fields " + OffsetField + ", " + IndexField + ", "
	there, all, on := &Known{}, &Known{}, map[int64]bool{}
	if err := s.positions(ctx, signal, filter+fields+Time, there, on); err != nil {
		return nil, err
	}
	for n := range on { // Within one query the engine remembers streams across days, each of which has an index of its own.
		if err := s.positions(ctx, signal, filter+" "+onDay(n)+fields+Stream, all, nil); err != nil {
			return nil, err
		}
	}
	if all.n < there.n {
		if err := s.deleteLost(ctx, signal, filter); err != nil {
			return nil, err
		}
	}
	all.next = last + 1
	return all, nil
}

// lastOffset is the highest that a log has at from or above.
func (s *Store) lastOffset(ctx context.Context, signal Signal, log string, from int64) (last int64, any bool, err error) {
	q, err := s.prepare(Query{Text: fmt.Sprintf("%s %s:>=%d | stats max(%s) last", ofLog(log), OffsetField, from, OffsetField), View: View{All: true}, Signal: signal})
	if err != nil {
		return 0, false, err
	}
	err = s.run(ctx, q, func(b *Block) error {
		for _, v := range b.Column("last") {
			if v == "" {
				continue
			}
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				return fmt.Errorf("%s: %w", OffsetField, err)
			}
			last, any = max(last, n), true
		}
		return nil
	})
	return last, any, err
}

// positions adds the offset and index of a query's rows to k, and their days to on, unless that is nil.
func (s *Store) positions(ctx context.Context, signal Signal, text string, k *Known, on map[int64]bool) error {
	var mu sync.Mutex
	q, err := s.prepare(Query{Text: text, View: View{All: true}, Signal: signal})
	if err != nil {
		return err
	}
	return s.run(ctx, q, func(b *Block) error {
		mu.Lock()
		defer mu.Unlock()
		if on != nil {
			times, _ := b.Times()
			for _, t := range times {
				on[dayOf(t)] = true
			}
		}
		offsets, indexes := b.Column(OffsetField), b.Column(IndexField)
		for i := range b.Len() {
			offset, err := strconv.ParseInt(offsets[i], 10, 64)
			if err != nil {
				return fmt.Errorf("%s: %w", OffsetField, err)
			}
			index, err := strconv.Atoi(indexes[i])
			if err != nil || index < 0 || index > maxIndex {
				return fmt.Errorf("%s: %q is none", IndexField, indexes[i])
			}
			k.add(offset, index)
		}
		return nil
	})
}
