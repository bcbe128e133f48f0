// Package translate turns OTLP metrics into Prometheus samples, such that one bad point costs only itself.
//
// Names come from Prometheus' otlptranslator, and a test compares every sample with what Prometheus' own converter makes of
// the same metrics. This one is several times as fast: the labels of a point are put together by a plan that is made once for
// all points of a scope whose attributes have the same names.
// Source: https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/#otlp-metric-points-to-prometheus
package translate

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/otlptranslator"
	"github.com/prometheus/prometheus/model/labels"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/sample"
	"github.com/penstockhq/penstock/internal/origin"
)

const (
	// lookback is PromQL's: target_info comes at least twice in it.
	lookback = 5 * time.Minute
	// maxTargetInfo bounds the samples of target_info that a resource gets over a batch's span of time.
	maxTargetInfo = 500
	// converterUses is how often a converter is used before what it remembers is thrown away.
	converterUses = 256
	// maxSlab bounds the memory that waits for the next batch: samples of about 150 bytes.
	maxSlab = 1 << 18
)

// Reason is why a data point was refused before anything was sent.
type Reason int

// The reasons, in the order of their names.
const (
	BadAttribute      Reason = iota // an attribute whose name can't be a label; its point is sent without it
	BadExemplar                     // an exemplar without value; its point is sent
	DeltaTemporality                // delta points, where nothing accumulates them
	ExemplarAttribute               // an attribute of an exemplar that has the name of another or of its ids, or with which it is too long; the rest is sent
	Future                          // its time is too far ahead
	Malformed                       // a zero threshold that is infinite or no number
	NoTemporality                   // sum or histogram without temporality
	NoTime                          // its time is zero
	NoValue                         // a number that has no value, and does not say that its series ends
	Untranslatable                  // a name of nothing but underscores, a scale below -4, ...
	NumReasons
)

var reasonNames = [NumReasons]string{"bad_attribute", "bad_exemplar", "delta_temporality", "exemplar_attribute", "future", "malformed", "no_temporality", "no_time", "no_value", "untranslatable"}

// String is the value of the attribute `reason`.
func (r Reason) String() string { return reasonNames[r] }

// Settings are the choices that a user has.
type Settings struct {
	Strategy       otlptranslator.TranslationStrategyOption
	Namespace      string            // before every metric name
	ExternalLabels map[string]string // on every series that has no such label
	TenantLabel    string            // says on every series whose it is; empty: none does
	TargetInfo     bool              // one target_info series a resource
	Promote        []string          // resource attributes that become labels
	PromoteAll     bool              // all of them
	ScopeLabels    bool              // otel_scope_* labels
	CustomBuckets  bool              // explicit histograms as native ones with custom buckets
	Delta          bool              // delta points as they are, of unknown type; false refuses them
	Streams        bool              // tell the stream of each sample
	MaxFuture      time.Duration     // how far ahead a point may be
	Shapes         int               // histograms and summaries whose bounds and quantiles are remembered, for their end; 0: none
}

// Translator translates batches. Safe for concurrent use.
type Translator struct {
	set      Settings
	promote  map[string]struct{}
	external []labels.Label // sorted
	pool     sync.Pool      // of *converter
	slabs    sync.Pool      // of *[]sample.Sample
	shapes   shapes
}

// New returns a translator.
func New(s Settings) *Translator {
	t := &Translator{set: s, promote: make(map[string]struct{}, len(s.Promote)), shapes: shapes{max: s.Shapes}}
	for _, name := range s.Promote {
		t.promote[name] = struct{}{}
	}
	labels.FromMap(s.ExternalLabels).Range(func(l labels.Label) { t.external = append(t.external, l) })
	t.pool.New = func() any { return newConverter(t) }
	t.slabs.New = func() any { return new([]sample.Sample) }
	return t
}

// Batch is what became of some metrics.
type Batch struct {
	Samples []sample.Sample
	Refused [NumReasons]int // data points
}

// Translate converts md, which it doesn't change. Samples of one series come in the order of their points. records are those
// that md's resources came in; nil: they came in one. All of md is the tenant's, whose name Settings.TenantLabel gets. The error is
// the context's.
func (t *Translator) Translate(ctx context.Context, md pmetric.Metrics, now time.Time, records []origin.Record, tenant string) (Batch, error) {
	c := t.pool.Get().(*converter)
	if t.set.TenantLabel != "" {
		c.tenant = []labels.Label{{Name: t.set.TenantLabel, Value: tenant}}
	}
	defer t.put(c)
	slab := t.slabs.Get().(*[]sample.Sample)
	c.samples = slices.Grow((*slab)[:0], md.DataPointCount())
	c.limit = pcommon.NewTimestampFromTime(now.Add(t.set.MaxFuture))
	for i, rm := range md.ResourceMetrics().All() {
		if ctx.Err() != nil {
			break
		}
		record := 1
		if i < len(records) {
			record = records[i].Number
		}
		c.resourceMetrics(rm, record)
	}
	b := Batch{Samples: c.samples, Refused: c.refused}
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

func (t *Translator) put(c *converter) {
	c.forgetBatch()
	if c.uses++; c.uses < converterUses {
		t.pool.Put(c)
	}
}
