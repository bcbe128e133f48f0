package accumulate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/cursor"
	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/internal/streamkey"
)

// version is the first byte of a snapshot. After it: latest, swept, 1 if it is strict else 0; for numbers, histograms and exponential
// histograms their series, streams and former streams (each preceded by their number); the outbox. Integers are varints, marks eight
// bytes. Version 1 has no recent times, and is always strict; versions 1 and 2 have a table of streams for each type, see decodeFormer.
const version = 3

var errCorrupt = errors.New("not a snapshot of running totals")

type encoder struct {
	w   io.Writer
	buf []byte
	err error
}

func (e *encoder) write() {
	if e.err == nil {
		_, e.err = e.w.Write(e.buf)
	}
	e.buf = e.buf[:0]
}

func (e *encoder) varints(all ...int64) {
	for _, v := range all {
		e.buf = binary.AppendVarint(e.buf, v)
	}
}

func (e *encoder) metrics(md pmetric.Metrics) {
	data, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(md)
	e.err = errors.Join(e.err, err)
	e.buf = cursor.AppendBlock(e.buf, data)
}

// Snapshot writes the whole state.
func (s *State) Snapshot(w io.Writer) error {
	e := &encoder{w: w, buf: []byte{version}}
	strict := int64(0)
	if s.strict {
		strict = 1
	}
	e.varints(s.latest, s.swept, strict)
	encodeFamily(e, &s.numbers)
	encodeFamily(e, &s.histograms)
	encodeFamily(e, &s.exponentials)
	e.varints(int64(len(s.outbox)))
	for _, r := range s.outbox {
		e.buf = cursor.AppendBlock(e.buf, r.Tenant)
		e.metrics(r.Metrics)
	}
	e.write()
	return e.err
}

func encodeFamily[V any](e *encoder, f *family[V]) {
	e.varints(int64(len(f.series)))
	numbers := make(map[*series[V]]int64, len(f.series))
	for key, s := range f.series {
		numbers[s] = int64(len(numbers))
		e.buf = key.Append(e.buf)
		e.varints(s.start, s.last, s.seen-s.last)
		e.buf = f.append(s.value, e.buf)
		if s.waiting == nil {
			e.buf = append(e.buf, 0)
		} else {
			e.buf = cursor.AppendBlock(append(e.buf, 1), s.waiting.tenant)
			e.metrics(s.waiting.template)
		}
		e.write()
	}
	e.varints(int64(len(f.streams)))
	for key, s := range f.streams {
		e.buf = key.Append(e.buf)
		e.varints(numbers[s.series], s.seen-s.series.seen, int64(s.n), int64(s.before))
		s.appendMarks(e)
		e.write()
	}
	e.varints(int64(len(f.former)))
	for key, s := range f.former {
		e.buf = key.Append(e.buf)
		e.varints(s.start, s.last)
		e.buf = f.append(s.value, e.buf)
		e.write()
	}
}

// appendMarks writes the marks of a stream, the newest first.
func (s *stream[V]) appendMarks(e *encoder) {
	n := 0
	for n < remembered && s.recent[n] != 0 {
		n++
	}
	e.varints(int64(n + len(s.older)))
	for _, mark := range s.recent[:n] {
		e.buf = binary.LittleEndian.AppendUint64(e.buf, mark)
	}
	for i := len(s.older) - 1; i >= 0; i-- {
		e.buf = binary.LittleEndian.AppendUint64(e.buf, s.older[i])
	}
}

type decoder struct {
	*cursor.Reader
	version byte
}

// Restore reads the output of Snapshot of this or an earlier version.
func (s *State) Restore(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if len(b) == 0 || b[0] < 1 || b[0] > version {
		return fmt.Errorf("%w of versions 1 to %d", errCorrupt, version)
	}
	d := &decoder{Reader: cursor.New(b[1:]), version: b[0]}
	s.latest, s.swept = d.Varint(), d.Varint()
	s.strict = d.version == 1 || d.Varint() != 0
	s.marks += decodeFamily(d, &s.numbers) + decodeFamily(d, &s.histograms) + decodeFamily(d, &s.exponentials)
	for n := d.outboxes(); n > 0 && d.Err() == nil; n-- {
		s.outbox = append(s.outbox, Release{Tenant: d.String(), Metrics: d.metrics()})
	}
	for _, r := range s.outbox {
		if d.Err() == nil && !wellFormed(r.Metrics) {
			d.Fail("outbox")
		}
	}
	if d.Err() == nil && len(d.Rest()) > 0 {
		d.Fail("end")
	}
	if d.Err() != nil {
		return fmt.Errorf("%w: %w", errCorrupt, d.Err())
	}
	return nil
}

func (d *decoder) outboxes() int64 {
	if d.version < 3 {
		return 0
	}
	return d.Varint()
}

func (d *decoder) key() (k streamkey.Key) {
	if b := d.Bytes(16); b != nil {
		k = streamkey.Decode(b)
	}
	return k
}

func (d *decoder) metrics() pmetric.Metrics {
	md, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(d.Block())
	if err != nil {
		d.Fail("metrics")
		return pmetric.NewMetrics()
	}
	return md
}

func decodeValue[V any](d *decoder, f *family[V]) (v V) {
	rest, err := f.decode(&v, d.Rest())
	if err != nil {
		d.Fail("value")
		return v
	}
	d.Skip(rest)
	return v
}

// decodeFamily returns the number of marks past the first eight of each stream.
func decodeFamily[V any](d *decoder, f *family[V]) (marks int) {
	if d.version < 3 {
		decodeFormer(d, f)
		return 0
	}
	var all []*series[V]
	for n := d.Varint(); n > 0 && d.Err() == nil; n-- {
		s := &series[V]{key: d.key(), start: d.Varint(), last: d.Varint()}
		s.seen = s.last + d.Varint()
		s.value = decodeValue(d, f)
		if d.Byte() != 0 {
			s.waiting = &held{tenant: d.String(), template: d.metrics()}
			if d.Err() == nil && !f.isTemplate(s.waiting.template) {
				d.Fail("template")
			}
			f.waiting = append(f.waiting, s)
		}
		f.series[s.key] = s
		all = append(all, s)
	}
	for n := d.Varint(); n > 0 && d.Err() == nil; n-- {
		key, of := d.key(), d.Varint()
		if of < 0 || of >= int64(len(all)) {
			d.Fail("series")
			return marks
		}
		s := &stream[V]{series: all[of]}
		s.seen, s.n, s.before = s.series.seen+d.Varint(), int32(d.Varint()), int32(d.Varint())
		s.decodeMarks(d)
		f.streams[key] = s
		marks += len(s.older)
	}
	for n := d.Varint(); n > 0 && d.Err() == nil; n-- {
		key := d.key()
		f.former[key] = formerStream[V]{start: d.Varint(), last: d.Varint(), value: decodeValue(d, f)}
	}
	return marks
}

func (s *stream[V]) decodeMarks(d *decoder) {
	n := d.Varint()
	if n < 0 || n > int64(len(d.Rest())/8) || s.n < 0 || s.before < 0 {
		d.Fail("marks")
		return
	}
	for i := range n {
		mark := d.Uint64()
		if i < remembered {
			s.recent[i] = mark
		} else {
			s.older = append(s.older, mark)
		}
	}
	for i, j := 0, len(s.older)-1; i < j; i, j = i+1, j-1 {
		s.older[i], s.older[j] = s.older[j], s.older[i]
	}
}

// isTemplate reports whether md is a template of a sample with values of type V.
func (*family[V]) isTemplate(md pmetric.Metrics) bool {
	if !wellFormed(md) || md.ResourceMetrics().Len() != 1 {
		return false
	}
	var v V
	switch md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Type() {
	case pmetric.MetricTypeSum:
		_, ok := any(v).(datapoint.Number)
		return ok
	case pmetric.MetricTypeHistogram:
		_, ok := any(v).(datapoint.Histogram)
		return ok
	default:
		_, ok := any(v).(datapoint.Exponential)
		return ok
	}
}

// wellFormed reports whether each resource of md has one scope with one metric of one point, of a type that can be a total.
func wellFormed(md pmetric.Metrics) bool {
	for _, rm := range md.ResourceMetrics().All() {
		if rm.ScopeMetrics().Len() != 1 || rm.ScopeMetrics().At(0).Metrics().Len() != 1 {
			return false
		}
		n := 0
		switch m := rm.ScopeMetrics().At(0).Metrics().At(0); m.Type() {
		case pmetric.MetricTypeSum:
			n = m.Sum().DataPoints().Len()
		case pmetric.MetricTypeHistogram:
			n = m.Histogram().DataPoints().Len()
		case pmetric.MetricTypeExponentialHistogram:
			n = m.ExponentialHistogram().DataPoints().Len()
		}
		if n != 1 {
			return false
		}
	}
	return true
}
