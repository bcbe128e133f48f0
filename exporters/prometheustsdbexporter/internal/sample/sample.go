// Package sample holds what stands between translation and sending: one sample of one Prometheus series.
package sample

import (
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
)

// TotalMetadata, in the metadata of a metric, says that its points are totals of delta points: all streams that become a series have added
// to them, so that two of them are no collision.
const TotalMetadata = "penstock.total"

// Family is the metric family that a series belongs to.
type Family struct {
	Name string
	metadata.Metadata
	TargetInfo bool // made of a resource, by nobody's point
}

// Sample is one value of one series. Its texts are UTF-8. Nobody changes it once it is made.
type Sample struct {
	Labels labels.Labels
	Hash   uint64 // of Labels: chooses the shard
	Stream uint64 // of the OTLP stream that it comes from, without its values; 0: not known, or several
	Record int32  // number of the journal's record that it comes from, within the batch
	Point  int32  // number of the data point that it comes from, within the batch, from 1; 0: none
	Start  int64  // milliseconds since 1970, 0: unknown
	Time   int64  // milliseconds since 1970
	Value  float64

	Histogram      *histogram.Histogram // instead of Value, if not nil
	FloatHistogram *histogram.FloatHistogram

	Exemplars []exemplar.Exemplar
	Family    *Family // shared by the samples of a metric
}
