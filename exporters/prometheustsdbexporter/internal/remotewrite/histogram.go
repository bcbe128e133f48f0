package remotewrite

import (
	"encoding/binary"
	"math"

	"github.com/prometheus/prometheus/model/histogram"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/sample"
)

// appendHistogram writes a Histogram. The versions differ only in the start timestamp.
func appendHistogram(b []byte, s *sample.Sample, v Version) []byte {
	if h := s.Histogram; h != nil {
		b = appendVarint(b, 1, h.Count)
		b = appendDouble(b, 3, h.Sum)
		b = appendSint(b, 4, int64(h.Schema))
		b = appendDouble(b, 5, h.ZeroThreshold)
		b = appendVarint(b, 6, h.ZeroCount)
		b = appendSpans(b, 8, h.NegativeSpans)
		b = appendDeltas(b, 9, h.NegativeBuckets)
		b = appendSpans(b, 11, h.PositiveSpans)
		b = appendDeltas(b, 12, h.PositiveBuckets)
		b = appendReset(b, h.CounterResetHint)
		b = appendVarint(b, 15, uint64(s.Time))
		b = appendDoubles(b, 16, h.CustomValues)
	} else {
		h := s.FloatHistogram
		b = appendFixed(b, 2, math.Float64bits(h.Count))
		b = appendDouble(b, 3, h.Sum)
		b = appendSint(b, 4, int64(h.Schema))
		b = appendDouble(b, 5, h.ZeroThreshold)
		b = appendFixed(b, 7, math.Float64bits(h.ZeroCount))
		b = appendSpans(b, 8, h.NegativeSpans)
		b = appendDoubles(b, 10, h.NegativeBuckets)
		b = appendSpans(b, 11, h.PositiveSpans)
		b = appendDoubles(b, 13, h.PositiveBuckets)
		b = appendReset(b, h.CounterResetHint)
		b = appendVarint(b, 15, uint64(s.Time))
		b = appendDoubles(b, 16, h.CustomValues)
	}
	if v == V2 && s.Start != 0 {
		b = appendVarint(b, 17, uint64(s.Start))
	}
	return b
}

func appendReset(b []byte, hint histogram.CounterResetHint) []byte {
	if hint == histogram.UnknownCounterReset {
		return b
	}
	return appendVarint(b, 14, uint64(hint))
}

func appendDouble(b []byte, field int, v float64) []byte {
	if bits := math.Float64bits(v); bits != 0 {
		return appendFixed(b, field, bits)
	}
	return b
}

func zigzag(v int64) uint64 { return uint64(v<<1) ^ uint64(v>>63) }

func appendSint(b []byte, field int, v int64) []byte {
	if v == 0 {
		return b
	}
	return appendVarint(b, field, zigzag(v))
}

func appendSpans(b []byte, field int, spans []histogram.Span) []byte {
	for _, s := range spans {
		offset, count := zigzag(int64(s.Offset)), uint64(s.Length)
		b = appendTag(b, field, length)
		b = binary.AppendUvarint(b, uint64(2+uvarintSize(offset)+uvarintSize(count)))
		b = appendVarint(b, 1, offset)
		b = appendVarint(b, 2, count)
	}
	return b
}

// appendDeltas writes a packed field of sint64.
func appendDeltas(b []byte, field int, deltas []int64) []byte {
	if len(deltas) == 0 {
		return b
	}
	size := 0
	for _, d := range deltas {
		size += uvarintSize(zigzag(d))
	}
	b = binary.AppendUvarint(appendTag(b, field, length), uint64(size))
	for _, d := range deltas {
		b = binary.AppendUvarint(b, zigzag(d))
	}
	return b
}

// appendDoubles writes a packed field of double.
func appendDoubles(b []byte, field int, vs []float64) []byte {
	if len(vs) == 0 {
		return b
	}
	b = binary.AppendUvarint(appendTag(b, field, length), uint64(8*len(vs)))
	for _, v := range vs {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}
