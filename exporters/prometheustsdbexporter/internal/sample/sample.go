// Package sample defines what the translation passes to the sink: one sample of one Prometheus series.
package sample

import (
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
)

// TotalMetadata, in the metadata of a metric, marks its points as totals of delta points: all streams that become a series have been added
// to them, so two of them are no collision.
const TotalMetadata = "penstock.total"

// Family is the metric family that a series belongs to.
type Family struct {
	Name string
	metadata.Metadata
	TargetInfo bool // derived from a resource, not from a point
}

// Sample is one value of one series. Its texts are UTF-8. It is immutable.
type Sample struct {
	Labels labels.Labels
	Hash   uint64 // of Labels: selects the shard
	Stream uint64 // the OTLP stream that it comes from, a hash; 0: unknown, or several
	Record int32  // number of its journal record within the batch
	Point  int32  // number of its data point within the batch, from 1; 0: none
	Start  int64  // milliseconds since 1970, 0: unknown
	Time   int64  // milliseconds since 1970
	Value  float64

	Histogram      *histogram.Histogram // instead of Value, if not nil
	FloatHistogram *histogram.FloatHistogram

	Exemplars []exemplar.Exemplar
	Family    *Family // shared by the samples of a metric
}
