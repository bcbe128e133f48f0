// Package translate turns OTLP metrics into Prometheus samples with Prometheus' own converter, such that one bad point costs
// only itself.
package translate

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/otlptranslator"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote/otlptranslator/prometheusremotewrite"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/sample"
)

const (
	// lookback is PromQL's: target_info comes at least twice in it.
	lookback = 5 * time.Minute
	// maxTargetInfo bounds the samples of target_info that a resource gets over a batch's span of time.
	maxTargetInfo = 500
	// converterUses is how often a converter is used before its cache of label names is thrown away.
	converterUses = 256
	// maxSlab bounds the memory that waits for the next batch: samples of about 150 bytes.
	maxSlab = 1 << 18
)

// Reason is why a data point was refused before anything was sent.
type Reason int

// The reasons, in the order of their names.
const (
	DeltaTemporality Reason = iota // delta points, where nothing accumulates them
	Future                         // its time is too far ahead
	NoTemporality                  // sum or histogram without temporality
	NoTime                         // its time is zero
	Untranslatable                 // the converter can't: names of nothing but underscores, scale below -4, ...
	NumReasons
)

var reasonNames = [NumReasons]string{"delta_temporality", "future", "no_temporality", "no_time", "untranslatable"}

// String is the value of the attribute `reason`.
func (r Reason) String() string { return reasonNames[r] }

// Settings are the choices that a user has.
type Settings struct {
	Strategy         otlptranslator.TranslationStrategyOption
	Namespace        string            // before every metric name
	ExternalLabels   map[string]string // on every series that has no such label
	TargetInfo       bool              // one target_info series a resource
	Promote          []string          // resource attributes that become labels
	PromoteAll       bool              // all of them
	ScopeLabels      bool              // otel_scope_* labels
	CustomBuckets    bool              // explicit histograms as native ones with custom buckets
	KeepIdentifying  bool              // service.name and others stay on target_info
	MaxFuture        time.Duration     // how far ahead a point may be
	TypeAndUnitLabel bool              // __type__ and __unit__ labels
	Delta            bool              // delta points as they are, of unknown type; false refuses them
	Streams          bool              // tell the stream of each sample
}

// Translator translates batches. Safe for concurrent use.
type Translator struct {
	settings  prometheusremotewrite.Settings
	maxFuture time.Duration
	streams   bool
	pool      sync.Pool // of *converter
	slabs     sync.Pool // of *[]sample.Sample
}

// New returns a translator.
func New(s Settings) *Translator {
	t := &Translator{
		maxFuture: s.MaxFuture,
		streams:   s.Streams,
		settings: prometheusremotewrite.Settings{
			Namespace:                         s.Namespace,
			ExternalLabels:                    s.ExternalLabels,
			DisableTargetInfo:                 !s.TargetInfo,
			AddMetricSuffixes:                 s.Strategy.ShouldAddSuffixes(),
			AllowUTF8:                         !s.Strategy.ShouldEscape(),
			KeepIdentifyingResourceAttributes: s.KeepIdentifying,
			ConvertHistogramsToNHCB:           s.CustomBuckets,
			PromoteScopeMetadata:              s.ScopeLabels,
			EnableTypeAndUnitLabels:           s.TypeAndUnitLabel,
			AllowDeltaTemporality:             s.Delta,
			LabelNameUnderscoreSanitization:   true,
			PromoteResourceAttributes: prometheusremotewrite.NewPromoteResourceAttributes(config.OTLPConfig{
				PromoteAllResourceAttributes: s.PromoteAll, PromoteResourceAttributes: s.Promote,
			}),
		},
	}
	if !s.PromoteAll && len(s.Promote) == 0 {
		t.settings.PromoteResourceAttributes = nil
	}
	t.pool.New = func() any { return newConverter() }
	t.slabs.New = func() any { return new([]sample.Sample) }
	return t
}

// Batch is what became of some metrics.
type Batch struct {
	Samples []sample.Sample
	Refused [NumReasons]int // data points
}

// Translate converts md, which it doesn't change. Samples of one series come in the order of their points. The error is
// the context's.
func (t *Translator) Translate(ctx context.Context, md pmetric.Metrics, now time.Time) (Batch, error) {
	var b Batch
	in := inspect(md, now.Add(t.maxFuture), t.settings.AllowDeltaTemporality)
	if !in.clean {
		md = cleaned(md, now.Add(t.maxFuture), t.settings.AllowDeltaTemporality, &b.Refused)
	}
	set := t.settings
	set.LookbackDelta = max(lookback, 2*in.span()/maxTargetInfo)

	c := t.pool.Get().(*converter)
	defer t.release(c)
	c.utf8, c.streams, c.repeated = t.settings.AllowUTF8, t.streams, 0
	slab := t.slabs.Get().(*[]sample.Sample)
	c.samples = slices.Grow((*slab)[:0], in.points)
	err := c.convert(ctx, md, set)
	if err != nil && ctx.Err() == nil {
		// Rare and slow: one error ends a whole metric, so every metric and then every point is tried alone.
		c.samples = c.samples[:0]
		b.Refused[Untranslatable] += eachAlone(md, func(part pmetric.Metrics) bool {
			before := len(c.samples)
			if c.convert(ctx, part, set) != nil {
				c.samples = c.samples[:before]
				return false
			}
			return true
		})
		c.samples = distinct(c.samples)
	}
	b.Samples, c.samples = c.samples, nil
	b.Refused[Untranslatable] += c.repeated
	if err := ctx.Err(); err != nil {
		t.Release(b)
		return Batch{}, err
	}
	return b, nil
}

// Release gives the memory of b's samples back. What they point to may be kept.
func (t *Translator) Release(b Batch) {
	if cap(b.Samples) > maxSlab {
		return
	}
	clear(b.Samples)
	s := b.Samples[:0]
	t.slabs.Put(&s)
}

// distinct leaves out what a series has twice at one time: target_info, once metrics are converted alone.
func distinct(samples []sample.Sample) []sample.Sample {
	type key struct {
		series uint64
		time   int64
	}
	seen := make(map[key]struct{}, len(samples))
	return slices.DeleteFunc(samples, func(s sample.Sample) bool {
		if s.Family == nil || s.Family.Name != "target_info" {
			return false
		}
		k := key{s.Hash, s.Time}
		_, twice := seen[k]
		seen[k] = struct{}{}
		return twice
	})
}

func (t *Translator) release(c *converter) {
	if c.uses++; c.uses < converterUses {
		t.pool.Put(c)
	}
}

// converter collects what Prometheus' converter appends.
type converter struct {
	*prometheusremotewrite.PrometheusConverter
	uses     int
	samples  []sample.Sample
	family   *sample.Family
	utf8     bool
	streams  bool
	cursor   cursor
	repeated int // samples with a label twice
}

func newConverter() *converter {
	c := &converter{}
	c.PrometheusConverter = prometheusremotewrite.NewPrometheusConverter(c)
	return c
}

func (c *converter) convert(ctx context.Context, md pmetric.Metrics, set prometheusremotewrite.Settings) (err error) {
	defer func() {
		// The converter is somebody else's and is given what anybody sends.
		if p := recover(); p != nil {
			err = errors.New("the converter panicked")
			c.PrometheusConverter = prometheusremotewrite.NewPrometheusConverter(c)
		}
	}()
	first := len(c.samples)
	if c.streams {
		c.cursor.reset(md, set.ConvertHistogramsToNHCB)
	}
	_, err = c.FromMetrics(ctx, md, set)
	if c.streams && !c.cursor.exact() {
		for i := range c.samples[first:] {
			c.samples[first+i].Stream = 0
		}
	}
	return err
}

var _ storage.AppenderV2 = (*converter)(nil)

// Append takes a sample from the converter. It never fails: an error would drop the rest of the metric.
func (c *converter) Append(_ storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AppendV2Options) (storage.SeriesRef, error) {
	var stream uint64
	if c.streams {
		stream = c.cursor.next(opts)
	}
	if c.utf8 { // an attribute that is there twice; where names are translated, the converter joins their values
		if _, twice := ls.HasDuplicateLabelNames(); twice {
			c.repeated++
			return 0, nil
		}
	}
	if c.family == nil || c.family.Name != opts.MetricFamilyName || c.family.Metadata != opts.Metadata {
		c.family = &sample.Family{Name: opts.MetricFamilyName, Metadata: opts.Metadata}
	}
	var exemplars []exemplar.Exemplar
	if len(opts.Exemplars) > 0 {
		exemplars = slices.Clone(opts.Exemplars) // the converter uses the slice again
		for i := range exemplars {
			if !exemplars[i].HasTs { // remote write wants one; the point's is the closest there is
				exemplars[i].Ts, exemplars[i].HasTs = t, true
			}
		}
	}
	c.samples = append(c.samples, sample.Sample{
		Labels: ls, Hash: ls.Hash(), Stream: stream, Start: st, Time: t, Value: v, Histogram: h, FloatHistogram: fh,
		Exemplars: exemplars, Family: c.family,
	})
	return 0, nil
}

func (*converter) Commit() error   { return nil }
func (*converter) Rollback() error { return nil }
