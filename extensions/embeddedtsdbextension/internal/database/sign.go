package database

import (
	"context"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"
)

// Signature is the label with which a request writes its series, whatever the request says. The zero value leaves series unchanged.
type Signature struct {
	Label, Value string
	// Keep says that a value in the request stays.
	Keep bool
}

type signatureKey struct{}

// With returns a context in which requests sign their series.
func (s Signature) With(ctx context.Context) context.Context {
	return context.WithValue(ctx, signatureKey{}, s)
}

func signed(ctx context.Context, a storage.Appender) storage.Appender {
	if s, ok := ctx.Value(signatureKey{}).(Signature); ok && s.Label != "" {
		return &signing{Appender: a, s: s, b: labels.NewBuilder(labels.EmptyLabels())}
	}
	return a
}

// signing signs the series that the handler of remote write appends. A series with a reference from the storage was signed before.
type signing struct {
	storage.Appender
	s Signature
	b *labels.Builder
}

func (a *signing) sign(ref storage.SeriesRef, ls labels.Labels) labels.Labels {
	if ref != 0 || a.s.Keep && ls.Get(a.s.Label) != "" {
		return ls
	}
	a.b.Reset(ls)
	return a.b.Set(a.s.Label, a.s.Value).Labels()
}

func (a *signing) Append(ref storage.SeriesRef, ls labels.Labels, t int64, v float64) (storage.SeriesRef, error) {
	return a.Appender.Append(ref, a.sign(ref, ls), t, v)
}

func (a *signing) AppendHistogram(ref storage.SeriesRef, ls labels.Labels, t int64, h *histogram.Histogram, fh *histogram.FloatHistogram) (storage.SeriesRef, error) {
	return a.Appender.AppendHistogram(ref, a.sign(ref, ls), t, h, fh)
}

func (a *signing) AppendExemplar(ref storage.SeriesRef, ls labels.Labels, e exemplar.Exemplar) (storage.SeriesRef, error) {
	return a.Appender.AppendExemplar(ref, a.sign(ref, ls), e)
}

func (a *signing) AppendSTZeroSample(ref storage.SeriesRef, ls labels.Labels, t, st int64) (storage.SeriesRef, error) {
	return a.Appender.AppendSTZeroSample(ref, a.sign(ref, ls), t, st)
}

func (a *signing) AppendHistogramSTZeroSample(ref storage.SeriesRef, ls labels.Labels, t, st int64, h *histogram.Histogram, fh *histogram.FloatHistogram) (storage.SeriesRef, error) {
	return a.Appender.AppendHistogramSTZeroSample(ref, a.sign(ref, ls), t, st, h, fh)
}

// UpdateMetadata always signs: metadata is stored by the tenant in ls.
func (a *signing) UpdateMetadata(ref storage.SeriesRef, ls labels.Labels, m metadata.Metadata) (storage.SeriesRef, error) {
	return a.Appender.UpdateMetadata(ref, a.sign(0, ls), m)
}
