// Package remotewrite encodes samples as remote write requests of both versions, sends them, and parses the receiver's answers.
//
// The messages are prometheus.WriteRequest (https://prometheus.io/docs/specs/prw/remote_write_spec/) and io.prometheus.write.v2.Request
// (https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/). They are encoded directly, field by field: building the generated structs
// first costs twice the time and most of the garbage.
package remotewrite

import (
	"encoding/binary"
	"math"

	"github.com/klauspost/compress/s2"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/sample"
)

// Version is a version of the protocol.
type Version int

// The versions.
const (
	V1 Version = 1
	V2 Version = 2
)

// String is the version as in its header.
func (v Version) String() string {
	if v == V2 {
		return "2.0.0"
	}
	return "0.1.0"
}

// Protobuf wire types.
const (
	varint = 0
	fixed  = 1
	length = 2
)

// Encoder builds one request at a time and keeps its buffers for the next. Not safe for concurrent use.
type Encoder struct {
	version Version
	body    []byte // timeseries
	head    []byte // V1: metadata, V2: symbols
	series  []byte // scratch: one timeseries
	part    []byte // scratch: one message in it
	refs    []byte // scratch: labels_refs
	whole   []byte // scratch: the uncompressed request

	symbols  map[string]uint32 // V2
	last     []reference       // V2: labels of the previous series
	family   *sample.Family    // V2: the family whose metadata is in meta
	meta     []byte
	families map[string]struct{}

	samples, histograms, exemplars int
	unsupported                    int // samples that this version can't encode
}

// reference is a label as symbols.
type reference struct {
	label       labels.Label
	name, value uint32
}

// Reset starts a request.
func (e *Encoder) Reset(v Version) {
	e.version = v
	e.body, e.head = e.body[:0], e.head[:0]
	e.samples, e.histograms, e.exemplars, e.unsupported = 0, 0, 0, 0
	if e.symbols == nil {
		e.symbols = make(map[string]uint32, 256)
		e.families = make(map[string]struct{})
	}
	clear(e.symbols)
	e.last, e.family = e.last[:0], nil
	clear(e.families)
	if v == V2 {
		e.symbol("") // the first is empty, so that optional references may be 0
	}
}

// Size is the request's size in bytes before compression.
func (e *Encoder) Size() int { return len(e.head) + len(e.body) }

// Counts are the samples in the request so far.
func (e *Encoder) Counts() Counts { return Counts{e.samples, e.histograms, e.exemplars} }

// Unsupported is how many samples were left out because version 1.0 has no custom buckets: older receivers would read them as exponential
// ones.
func (e *Encoder) Unsupported() int { return e.unsupported }

// Add adds a sample. Samples of a series must be added in the order of their times.
func (e *Encoder) Add(s *sample.Sample) {
	if e.version == V1 && s.Histogram != nil && s.Histogram.Schema == histogram.CustomBucketsSchema {
		e.unsupported++
		return
	}
	if e.version == V2 {
		e.addV2(s)
	} else {
		e.addV1(s)
	}
	if s.Histogram != nil || s.FloatHistogram != nil {
		e.histograms++
	} else {
		e.samples++
	}
	e.exemplars += len(s.Exemplars)
	e.body = appendMessage(e.body, timeseriesField(e.version), e.series)
}

func timeseriesField(v Version) int {
	if v == V2 {
		return 5
	}
	return 1
}

// Finish returns the request, compressed with snappy's block format, in dst's memory if it fits.
func (e *Encoder) Finish(dst []byte) []byte {
	e.whole = append(append(e.whole[:0], e.head...), e.body...)
	if need := s2.MaxEncodedLen(len(e.whole)); cap(dst) < need {
		dst = make([]byte, need)
	}
	return s2.EncodeSnappy(dst[:cap(dst)], e.whole)
}

// AddFamily adds a family's metadata to a V1 request, once. In V2 every series has it.
func (e *Encoder) AddFamily(f *sample.Family) {
	if e.version != V1 || f == nil || f.Name == "" {
		return
	}
	if _, ok := e.families[f.Name]; ok {
		return
	}
	e.families[f.Name] = struct{}{}
	p := e.part[:0]
	if t := metricType(f.Type); t != 0 {
		p = appendVarint(p, 1, t)
	}
	p = appendString(p, 2, f.Name)
	if f.Help != "" {
		p = appendString(p, 4, f.Help)
	}
	if f.Unit != "" {
		p = appendString(p, 5, f.Unit)
	}
	e.part = p
	e.head = appendMessage(e.head, 3, p)
}

func (e *Encoder) addV1(s *sample.Sample) {
	b := e.series[:0]
	s.Labels.Range(func(l labels.Label) { b = appendLabel(b, l) })
	if s.Histogram != nil || s.FloatHistogram != nil {
		e.part = appendHistogram(e.part[:0], s, V1)
		b = appendMessage(b, 4, e.part)
	} else {
		e.part = appendSample(e.part[:0], s.Value, s.Time, 0)
		b = appendMessage(b, 2, e.part)
	}
	for _, x := range s.Exemplars {
		p := e.part[:0]
		x.Labels.Range(func(l labels.Label) { p = appendLabel(p, l) })
		e.part = appendSampleFields(p, x.Value, x.Ts, 2, 3)
		b = appendMessage(b, 3, e.part)
	}
	e.series = b
}

func appendLabel(b []byte, l labels.Label) []byte {
	b = appendTag(b, 1, length)
	b = binary.AppendUvarint(b, uint64(labelSize(l)))
	return appendString(appendString(b, 1, l.Name), 2, l.Value)
}

func labelSize(l labels.Label) int {
	return 2 + uvarintSize(uint64(len(l.Name))) + len(l.Name) + uvarintSize(uint64(len(l.Value))) + len(l.Value)
}

func (e *Encoder) addV2(s *sample.Sample) {
	e.refs = e.seriesReferences(e.refs[:0], s.Labels)
	b := appendMessage(e.series[:0], 1, e.refs)
	if s.Histogram != nil || s.FloatHistogram != nil {
		e.part = appendHistogram(e.part[:0], s, V2)
		b = appendMessage(b, 3, e.part)
	} else {
		e.part = appendSample(e.part[:0], s.Value, s.Time, s.Start)
		b = appendMessage(b, 2, e.part)
	}
	for _, x := range s.Exemplars {
		e.refs = e.references(e.refs[:0], x.Labels)
		p := e.part[:0]
		if len(e.refs) > 0 {
			p = appendMessage(p, 1, e.refs)
		}
		e.part = appendSampleFields(p, x.Value, x.Ts, 2, 3)
		b = appendMessage(b, 4, e.part)
	}
	if s.Family != nil && !s.Family.IsEmpty() {
		b = appendMessage(b, 5, e.metadata(s.Family))
	}
	e.series = b
}

// metadata returns f's message. Series of a family are adjacent.
func (e *Encoder) metadata(f *sample.Family) []byte {
	if e.family == f {
		return e.meta
	}
	m := e.meta[:0]
	if t := metricType(f.Type); t != 0 {
		m = appendVarint(m, 1, t)
	}
	if f.Help != "" {
		m = appendVarint(m, 3, uint64(e.symbol(f.Help)))
	}
	if f.Unit != "" {
		m = appendVarint(m, 4, uint64(e.symbol(f.Unit)))
	}
	e.family, e.meta = f, m
	return m
}

// seriesReferences appends the packed symbol references of a series: name, value, name, value, ... A series shares most labels with the
// one before it, and comparing them is much cheaper than looking them up.
func (e *Encoder) seriesReferences(dst []byte, ls labels.Labels) []byte {
	i := 0
	ls.Range(func(l labels.Label) {
		if i == len(e.last) {
			e.last = append(e.last, reference{l, e.symbol(l.Name), e.symbol(l.Value)})
		}
		r := &e.last[i]
		if r.label.Name != l.Name {
			r.label.Name, r.name = l.Name, e.symbol(l.Name)
		}
		if r.label.Value != l.Value {
			r.label.Value, r.value = l.Value, e.symbol(l.Value)
		}
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(r.name)), uint64(r.value))
		i++
	})
	return dst
}

func (e *Encoder) references(dst []byte, ls labels.Labels) []byte {
	ls.Range(func(l labels.Label) {
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(e.symbol(l.Name))), uint64(e.symbol(l.Value)))
	})
	return dst
}

func (e *Encoder) symbol(s string) uint32 {
	if ref, ok := e.symbols[s]; ok {
		return ref
	}
	ref := uint32(len(e.symbols))
	e.symbols[s] = ref
	e.head = appendString(e.head, 4, s)
	return ref
}

// metricType is the number of a type in both versions; 0 is unknown.
func metricType(t model.MetricType) uint64 {
	switch t {
	case model.MetricTypeCounter:
		return 1
	case model.MetricTypeGauge:
		return 2
	case model.MetricTypeHistogram:
		return 3
	case model.MetricTypeGaugeHistogram:
		return 4
	case model.MetricTypeSummary:
		return 5
	case model.MetricTypeInfo:
		return 6
	case model.MetricTypeStateset:
		return 7
	}
	return 0
}

// appendSample writes a Sample: value 1, timestamp 2, start timestamp 3 (V2; 0 is unset).
func appendSample(b []byte, v float64, t, start int64) []byte {
	b = appendSampleFields(b, v, t, 1, 2)
	if start != 0 {
		b = appendVarint(b, 3, uint64(start))
	}
	return b
}

func appendSampleFields(b []byte, v float64, t int64, valueField, timeField int) []byte {
	if bits := math.Float64bits(v); bits != 0 {
		b = appendFixed(b, valueField, bits)
	}
	if t != 0 {
		b = appendVarint(b, timeField, uint64(t))
	}
	return b
}

func appendTag(b []byte, field, wire int) []byte {
	return binary.AppendUvarint(b, uint64(field<<3|wire))
}

func appendVarint(b []byte, field int, v uint64) []byte {
	return binary.AppendUvarint(appendTag(b, field, varint), v)
}

func appendFixed(b []byte, field int, bits uint64) []byte {
	return binary.LittleEndian.AppendUint64(appendTag(b, field, fixed), bits)
}

func appendString(b []byte, field int, s string) []byte {
	b = binary.AppendUvarint(appendTag(b, field, length), uint64(len(s)))
	return append(b, s...)
}

func appendMessage(b []byte, field int, m []byte) []byte {
	b = binary.AppendUvarint(appendTag(b, field, length), uint64(len(m)))
	return append(b, m...)
}

func uvarintSize(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}
