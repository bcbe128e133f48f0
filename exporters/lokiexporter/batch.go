package lokiexporter

import (
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/pushrequest"
	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/streamlimit"
)

// batch is the part of a push for one tenant.
type batch struct {
	tenant  string
	limit   *streamlimit.Tenant
	streams []*stream
	byText  map[string]*stream
	spare   *[][]entry // reusable slices for streams
	// open: some entries of an earlier part have to be sent again, so later ones must not overtake them.
	open bool
}

// stream is the entries of one stream in a batch.
type stream struct {
	*streamlimit.Stream
	entries []entry
	// failed: a request with some of the entries has to be sent again, so later ones must not overtake it.
	failed bool
}

// entry is one entry; its line and metadata are arena[start:end] of the translator.
type entry struct {
	nanos      int64
	start, end int
	// record is the position of its record in the push.
	record int32
	nudged bool
}

// all is all entries.
func (b *batch) all() (r request) {
	for _, st := range b.streams {
		if len(st.entries) > 0 {
			r = append(r, span{st, 0, len(st.entries)})
		}
	}
	return r
}

func (b *batch) stream(s *streamlimit.Stream) *stream {
	known, ok := b.byText[s.Labels]
	if !ok {
		known = &stream{Stream: s}
		if last := len(*b.spare) - 1; last >= 0 {
			known.entries = (*b.spare)[last]
			*b.spare = (*b.spare)[:last]
		}
		b.byText[s.Labels] = known
		b.streams = append(b.streams, known)
	}
	return known
}

// sort puts entries into time order; equal times keep the order of the records.
func (s *stream) sort() {
	byTime := func(a, b entry) int {
		switch {
		case a.nanos < b.nanos:
			return -1
		case a.nanos > b.nanos:
			return 1
		}
		return 0
	}
	if !slices.IsSortedFunc(s.entries, byTime) {
		slices.SortStableFunc(s.entries, byTime)
	}
}

// nudge makes entries that equal an earlier one in everything 1 ns later, because Loki treats the second as a repetition and drops it. It
// returns their number. The entries are sorted before and after. Bodies are compared by a 64-bit hash: a collision moves an entry by 1 ns
// needlessly.
func (s *stream) nudge(arena []byte) (nudged int) {
	var latest map[uint64]int64 // the time of the last entry with this body
	var horizon int64           // no entry was moved to a later time
	for i := range s.entries {
		e := &s.entries[i]
		if e.nanos > horizon || i == 0 {
			clear(latest)
			horizon = e.nanos
			if i+1 == len(s.entries) || s.entries[i+1].nanos != e.nanos {
				continue
			}
		}
		if latest == nil {
			latest = make(map[uint64]int64)
		}
		body := xxhash.Sum64(arena[e.start:e.end])
		if last, ok := latest[body]; ok && e.nanos <= last {
			e.nanos, e.nudged = last+1, true
			horizon = max(horizon, e.nanos)
			nudged++
		}
		latest[body] = e.nanos
	}
	if nudged > 0 {
		s.sort()
	}
	return nudged
}

// span is a range of a stream's entries.
type span struct {
	stream   *stream
	from, to int
}

func (s span) entries() []entry { return s.stream.entries[s.from:s.to] }

// request is the content of one request to Loki.
type request []span

// entries returns the number of entries.
func (r request) entries() (n int) {
	for _, s := range r {
		n += s.to - s.from
	}
	return n
}

// holdBack removes the streams that have already failed in this push: their later entries wait for the earlier ones.
func (r request) holdBack() (rest, held request) {
	for i, part := range r {
		if part.stream.failed {
			held = append(held, part)
			if rest == nil {
				rest = append(request{}, r[:i]...)
			}
		} else if rest != nil {
			rest = append(rest, part)
		}
	}
	if held == nil {
		return r, nil
	}
	return rest, held
}

// split returns the request as two, or false if it has only one entry.
func (r request) split() (first, second request, ok bool) {
	if len(r) > 1 {
		return r[:len(r)/2], r[len(r)/2:], true
	}
	s := r[0]
	if s.to-s.from < 2 {
		return nil, nil, false
	}
	middle := s.from + (s.to-s.from)/2
	return request{{s.stream, s.from, middle}}, request{{s.stream, middle, s.to}}, true
}

// byStream returns one request for each span.
func (r request) byStream() []request {
	out := make([]request, len(r))
	for i := range r {
		out[i] = r[i : i+1]
	}
	return out
}

// packer fills requests up to a size before compression.
type packer struct {
	limit    int
	requests []request
	open     request
	bytes    int
}

func (p *packer) close() {
	if len(p.open) > 0 {
		p.requests = append(p.requests, p.open)
		p.open, p.bytes = nil, 0
	}
}

// add packs a stream. alone keeps it out of requests with other streams.
func (p *packer) add(s *stream, alone bool) {
	if alone {
		p.close()
	}
	from := 0
	overhead := pushrequest.StreamOverhead(s.Labels)
	p.bytes += overhead
	for i := range s.entries {
		size := s.entries[i].size()
		if p.bytes+size > p.limit && (i > from || len(p.open) > 0) {
			if i > from {
				p.open = append(p.open, span{s, from, i})
			}
			p.close()
			from, p.bytes = i, overhead
		}
		p.bytes += size
	}
	if from < len(s.entries) {
		p.open = append(p.open, span{s, from, len(s.entries)})
	}
	if alone {
		p.close()
	}
}

// size is the most bytes that the entry needs in a request.
func (e *entry) size() int {
	const timeAndFraming = 24
	return e.end - e.start + timeAndFraming
}
