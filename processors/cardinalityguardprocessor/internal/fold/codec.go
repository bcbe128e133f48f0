package fold

import (
	"encoding/binary"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/cursor"
	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/internal/streamkey"
	"github.com/penstockhq/penstock/internal/window"
)

const (
	flagMonotonic = 1 << iota
	flagOwned
	flagFromClient
	flagSent
)

// Append writes the whole state to b. The caller stores a version with it.
func (f *Fold) Append(b []byte) ([]byte, error) {
	for i := range f.shards {
		var err error
		if b, err = f.shards[i].append(b); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (sh *Shard) append(b []byte) ([]byte, error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	b = binary.AppendVarint(b, sh.closed)
	b = binary.AppendVarint(b, sh.contributors.horizon)

	// Streams that expired are written too while contributors refer to them: as expired.
	numbers := map[*Stream]uint64{}
	var streams []*Stream
	number := func(s *Stream) uint64 {
		n, ok := numbers[s]
		if !ok {
			n = uint64(len(streams))
			numbers[s] = n
			streams = append(streams, s)
		}
		return n
	}
	for _, s := range sh.streams {
		number(s)
	}
	live := len(streams)

	var rest []byte
	rest = binary.AppendUvarint(rest, uint64(sh.contributors.len()))
	for i := sh.contributors.oldest; i != 0; i = sh.contributors.slots[i].newer {
		c := &sh.contributors.slots[i]
		rest = c.key.Append(rest)
		rest = binary.AppendVarint(rest, c.start)
		rest = binary.AppendVarint(rest, c.time-c.start)
		rest = binary.AppendUvarint(rest, number(c.stream))
		rest = c.value.Append(rest)
	}
	all := append(sh.retiring[:len(sh.retiring):len(sh.retiring)], sh.panes)
	rest = binary.AppendUvarint(rest, uint64(len(all)))
	for _, panes := range all {
		rest = binary.AppendVarint(rest, int64(panes.Width()))
		rest = binary.AppendUvarint(rest, uint64(panes.Len()))
		for start, members := range panes.All() {
			rest = binary.AppendVarint(rest, start)
			rest = binary.AppendUvarint(rest, uint64(len(*members)))
			for s, p := range *members {
				rest = binary.AppendUvarint(rest, number(s))
				rest = binary.AppendUvarint(rest, p.count)
				rest = binary.AppendVarint(rest, p.time)
				rest = p.value.Append(rest)
				rest = datapoint.AppendExemplars(rest, p.exemplars)
			}
		}
	}

	b = binary.AppendUvarint(b, uint64(live))
	b = binary.AppendUvarint(b, uint64(len(streams)))
	for _, s := range streams {
		var err error
		if b, err = s.append(b); err != nil {
			return nil, err
		}
	}
	return append(b, rest...), nil
}

func (s *Stream) append(b []byte) ([]byte, error) {
	b = s.Key.Append(b)
	b = s.Resource.Append(b)
	b = s.Scope.Append(b)
	b = s.Metric.Append(b)
	b = binary.AppendUvarint(b, uint64(s.Node))
	var flags byte
	for flag, on := range map[byte]bool{flagMonotonic: s.Monotonic, flagOwned: s.Owned, flagFromClient: s.FromClient, flagSent: s.sent} {
		if on {
			flags |= flag
		}
	}
	b = append(b, byte(s.Aggregation), flags)
	b = cursor.AppendBlock(b, s.Tenant)
	b = binary.AppendVarint(b, s.start)
	b = binary.AppendVarint(b, s.seen)
	b = s.total.Append(b)
	template, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(s.Template)
	if err != nil {
		return nil, fmt.Errorf("overflow stream: %w", err)
	}
	return cursor.AppendBlock(b, template), nil
}

// Decode reads the output of Append into an empty fold, and returns the data after it. After an error the fold is unusable. Panes keep the
// width with which they were opened.
func (f *Fold) Decode(b []byte) (rest []byte, err error) {
	r := reader{cursor.New(b)}
	for i := range f.shards {
		f.shards[i].decode(r)
		if r.Err() != nil {
			return nil, fmt.Errorf("fold: %w", r.Err())
		}
	}
	return r.Rest(), nil
}

func (sh *Shard) decode(r reader) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.closed, sh.contributors.horizon = r.Varint(), r.Varint()
	live, n := r.Uvarint(), r.Uvarint()
	var streams []*Stream
	for i := uint64(0); i < n && r.Err() == nil; i++ {
		s := r.stream()
		streams = append(streams, s)
		if s.gone = i >= live; s.gone {
			continue
		}
		sh.streams[s.Key] = s
		if !s.Owned {
			sh.perMetric[s.Node]++
			sh.f.streams.Add(1)
		}
	}
	stream := func() *Stream {
		i := r.Uvarint()
		if i >= uint64(len(streams)) {
			r.Fail("stream number")
			return &Stream{}
		}
		return streams[i]
	}
	for n := r.Uvarint(); n > 0 && r.Err() == nil; n-- {
		key := r.key()
		start := r.Varint()
		c := contributor{start: start, time: start + r.Varint(), stream: stream(), value: r.value()}
		if r.Err() == nil && c.value.Kind != c.stream.Kind {
			r.Fail("contributor's kind")
		}
		if _, twice := sh.contributors.index[key]; twice || r.Err() != nil {
			r.Fail("contributor")
			return
		}
		to := sh.contributors.add(key)
		to.start, to.time, to.value, to.stream = c.start, c.time, c.value, c.stream
		sh.f.contributors.Add(1)
	}
	for n := r.Uvarint(); n > 0 && r.Err() == nil; n-- {
		width := r.Varint()
		if width <= 0 {
			r.Fail("pane width")
			return
		}
		panes := window.NewPanes[map[*Stream]*pane](time.Duration(width))
		for m := r.Uvarint(); m > 0 && r.Err() == nil; m-- {
			start := r.Varint()
			at, _ := panes.At(start)
			*at = map[*Stream]*pane{}
			for k := r.Uvarint(); k > 0 && r.Err() == nil; k-- {
				s := stream()
				p := &pane{count: r.Uvarint(), time: r.Varint(), value: r.value(), exemplars: r.exemplars()}
				if r.Err() == nil && p.value.Kind != s.Kind {
					r.Fail("pane's kind")
				}
				(*at)[s] = p
				s.open++
				if n == 1 && start+width <= sh.closed {
					sh.late++
				}
			}
		}
		if n == 1 {
			sh.panes = panes
		} else {
			sh.retiring = append(sh.retiring, panes)
		}
	}
}

// reader reads the parts of a fold.
type reader struct{ *cursor.Reader }

func (r reader) key() (k streamkey.Key) {
	if p := r.Bytes(16); p != nil {
		k = streamkey.Decode(p)
	}
	return k
}

func (r reader) value() (v Value) {
	v, rest, err := decodeValue(r.Rest())
	if err != nil {
		r.Fail("value")
		return Value{}
	}
	r.Skip(rest)
	return v
}

func (r reader) exemplars() pmetric.ExemplarSlice {
	s := pmetric.NewExemplarSlice()
	rest, err := datapoint.DecodeExemplars(r.Rest(), s)
	if err != nil {
		r.Fail("exemplars")
		return s
	}
	r.Skip(rest)
	return s
}

func (r reader) stream() *Stream {
	s := &Stream{}
	s.Key, s.Resource, s.Scope, s.Metric = r.key(), r.key(), r.key(), r.key()
	s.Node = uint32(r.Uvarint())
	p := r.Bytes(2)
	if p == nil {
		return s
	}
	s.Aggregation = Aggregation(p[0])
	s.Monotonic, s.Owned = p[1]&flagMonotonic != 0, p[1]&flagOwned != 0
	s.FromClient, s.sent = p[1]&flagFromClient != 0, p[1]&flagSent != 0
	s.Tenant = r.String()
	s.start, s.seen = r.Varint(), r.Varint()
	s.total = r.value()
	s.Kind = s.total.Kind
	template, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(r.Block())
	if r.Err() == nil && (err != nil || !isTemplate(template, s.Kind)) {
		r.Fail("overflow stream")
	}
	s.Template = template
	return s
}

// isTemplate reports whether m has one resource, scope, metric and point, of a type with values of that kind.
func isTemplate(m pmetric.Metrics, kind Kind) bool {
	if m.ResourceMetrics().Len() != 1 || m.ResourceMetrics().At(0).ScopeMetrics().Len() != 1 || m.MetricCount() != 1 || m.DataPointCount() != 1 {
		return false
	}
	switch m.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Type() {
	case pmetric.MetricTypeGauge, pmetric.MetricTypeSum:
		return kind == Number
	case pmetric.MetricTypeHistogram:
		return kind == Histogram
	case pmetric.MetricTypeExponentialHistogram:
		return kind == Exponential
	default:
		return kind == Summary
	}
}
