package prometheustsdbexporter

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/collapse"
	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/metadata"
	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/remotewrite"
	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/sample"
	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/translate"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/origin"
	"github.com/penstockhq/penstock/internal/patience"
)

// seriesOfAShape is the least number of series of a histogram, to bound the histograms whose bounds are remembered.
const seriesOfAShape = 8

// outcome is a sink's result for a batch. Counts are final, even if the batch is sent again.
type outcome struct {
	sent        int            // samples
	redelivered int            // samples that were already stored
	differing   int            // those of them that are stored with another value
	refused     map[string]int // samples by reason
	points      map[string]int // data points that lost a sample, by the reason of the first
	lastError   string         // the sink's answer for one refused sample
}

// sink accepts samples; header is sent with a request, if there is one. maybeRedelivered: the samples may have been written before. Any error is
// temporary: the batch is sent again, without the parts that are done.
type sink interface {
	write(ctx context.Context, samples []sample.Sample, header http.Header, maybeRedelivered bool) (outcome, error)
}

// tsdbExporter translates batches and passes them to its sink, on the caller's goroutine.
type tsdbExporter struct {
	cfg        *Config
	set        exporter.Settings
	telemetry  *metadata.TelemetryBuilder
	translator *translate.Translator
	sieves     *delivery.PerSource[*sieve]
	tables     sync.Pool // of *collapse.Table
	sink       sink      // set by start
	patience   *patience.Tenants
	refusals   logLimiter // log messages
	collisions logLimiter // log messages
	differing  logLimiter // log messages
}

func newExporter(cfg *Config, set exporter.Settings) (*tsdbExporter, error) {
	t, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	tr := cfg.Translation
	return &tsdbExporter{cfg: cfg, set: set, telemetry: t, patience: patience.New(cfg.TenantPatience), tables: sync.Pool{New: func() any { return new(collapse.Table) }}, sieves: delivery.NewPerSource(func() *sieve { return newSieve(tr.TrackedSeries, cfg.StaleAfter) }), translator: translate.New(translate.Settings{
		Strategy:       tr.Strategy,
		Namespace:      tr.Namespace,
		ExternalLabels: tr.ExternalLabels,
		TenantLabel:    tr.TenantLabel,
		TargetInfo:     tr.TargetInfo,
		Promote:        tr.PromoteResourceAttributes,
		PromoteAll:     tr.PromoteAllResourceAttributes,
		ScopeLabels:    tr.ScopeLabels,
		CustomBuckets:  tr.CustomBuckets,
		MaxFuture:      cfg.MaxFuture,
		Delta:          cfg.Delta.Native,
		Streams:        tr.TrackedSeries > 0,
		Shapes:         tr.TrackedSeries / seriesOfAShape,
	})}, nil
}

func (e *tsdbExporter) start(ctx context.Context, host component.Host) error {
	if e.cfg.TSDB != (component.ID{}) {
		s, err := newProcessSink(e.cfg.TSDB, host)
		e.sink = s
		return err
	}
	client, err := e.cfg.HTTP.ToClient(ctx, host.GetExtensions(), e.set.TelemetrySettings)
	if err != nil {
		return err
	}
	remote := newRemoteSink(e.cfg, client, e.set.BuildInfo)
	e.sink = remote
	return e.telemetry.RegisterExporterPrometheusTsdbShardsCallback(func(_ context.Context, o metric.Int64Observer) error {
		o.Observe(int64(remote.writer.Shards()), e.self())
		return nil
	})
}

func (e *tsdbExporter) shutdown(context.Context) error {
	e.telemetry.Shutdown()
	return nil
}

func (e *tsdbExporter) push(ctx context.Context, md pmetric.Metrics) error {
	e.take(ctx, 0)
	if !e.cfg.tenants() {
		return e.pushTenant(ctx, "", md)
	}
	return eachTenant(ctx, md, func(tenant string, md pmetric.Metrics) error {
		return e.pushPatiently(ctx, tenant, md)
	}, func(md pmetric.Metrics, why error) {
		e.refuse(ctx, "tenant", md.DataPointCount())
		e.take(ctx, md.DataPointCount())
		if e.refusals.due() {
			e.set.Logger.Warn("Points were refused because their tenant's name is invalid; they are counted and not sent again", zap.Error(why))
		}
	})
}

// pushTenant sends the metrics of one tenant; empty: tenants are not separated.
func (e *tsdbExporter) pushTenant(ctx context.Context, tenant string, md pmetric.Metrics) error {
	now, maybeRedelivered, partition := time.Now(), false, ""
	if session, ok := delivery.From(ctx); ok {
		now, maybeRedelivered, partition = session.Now(), session.MaybeRedelivered(), session.Label()
	}
	b, err := e.translator.Translate(ctx, md, now, origin.Of(ctx, md), tenant)
	if err != nil {
		return err
	}
	defer e.translator.Release(b)
	samples, dropped, repeated := e.collapse(b.Samples)
	sieve := e.sieves.Of(ctx)
	samples, found := sieve.look(samples, tenant)
	markers := sieve.ended(samples, partition, tenant)
	if len(samples)+len(markers) > 0 {
		o, err := e.sink.write(ctx, append(samples, markers...), e.header(tenant), maybeRedelivered)
		e.count(ctx, o)
		if (err == nil || o.sent > 0) && e.cfg.TenantHeader != "" { // The receiver accepts the tenant, so it refuses these samples because of the samples.
			e.taken(tenant)
		}
		if err != nil {
			var retry *remotewrite.RetryError
			if errors.As(err, &retry) && retry.After > 0 {
				return exporterhelper.NewThrottleRetry(err, retry.After)
			}
			return err
		}
	}
	sieve.sent(samples, markers, partition, tenant)
	// Only now, because a batch that is sent again is translated and checked again.
	e.refuseSamples(ctx, string(remotewrite.Duplicate), dropped)
	e.lose(ctx, string(remotewrite.Duplicate), repeated)
	for r, n := range b.Refused {
		switch why := translate.Reason(r); {
		case why != translate.BadAttribute:
			e.refuse(ctx, why.String(), n)
		case n > 0: // The point is sent without the attribute.
			e.telemetry.ExporterPrometheusTsdbRefusedDatapoints.Add(ctx, int64(n), e.reason(why.String()))
		}
	}
	e.take(ctx, md.DataPointCount())
	e.countCollisions(ctx, found)
	return nil
}

// collapse keeps one sample for each series and millisecond: see [collapse.Table].
func (e *tsdbExporter) collapse(samples []sample.Sample) (kept []sample.Sample, dropped, points int) {
	t := e.tables.Get().(*collapse.Table)
	defer e.tables.Put(t)
	return t.Samples(samples)
}

func (e *tsdbExporter) count(ctx context.Context, o outcome) {
	if o.sent > 0 {
		e.telemetry.ExporterPrometheusTsdbSentSamples.Add(ctx, int64(o.sent), e.self())
	}
	if o.redelivered > 0 {
		e.telemetry.ExporterPrometheusTsdbRedeliveredSamples.Add(ctx, int64(o.redelivered), e.self())
	}
	if o.differing > 0 {
		e.telemetry.ExporterPrometheusTsdbDifferingSamples.Add(ctx, int64(o.differing), e.self())
		if e.differing.due() {
			e.set.Logger.Warn("The store has different values for samples that were sent again, and keeps its own", zap.Int("samples", o.differing))
		}
	}
	for why, n := range o.refused {
		e.refuseSamples(ctx, why, n)
	}
	for why, n := range o.points {
		e.lose(ctx, why, n)
	}
	if o.lastError != "" && e.refusals.due() {
		e.set.Logger.Warn("Samples were refused; they are counted by reason and not sent again", zap.String("answer", o.lastError))
	}
}

// refuse counts points that are discarded before they become samples.
func (e *tsdbExporter) refuse(ctx context.Context, why string, n int) {
	if n > 0 {
		e.telemetry.ExporterPrometheusTsdbRefusedDatapoints.Add(ctx, int64(n), e.reason(why))
		e.lose(ctx, why, n)
	}
}

// refuseSamples counts discarded samples. [tsdbExporter.lose] counts their points.
func (e *tsdbExporter) refuseSamples(ctx context.Context, why string, n int) {
	if n > 0 {
		e.telemetry.ExporterPrometheusTsdbRefusedSamples.Add(ctx, int64(n), e.reason(why))
	}
}

// lose and take are the entries of the ledger: data points that are discarded completely or in part, and those that the exporter has
// processed.
func (e *tsdbExporter) lose(ctx context.Context, why string, points int) {
	delivery.Of(ctx).Outcome.Refuse(e.set.ID.String(), why, int64(points), delivery.UnitItem)
}

func (e *tsdbExporter) take(ctx context.Context, points int) {
	delivery.Of(ctx).Outcome.Take(e.set.ID.String(), int64(points))
}

// self distinguishes this exporter's metrics from those of others: a standalone collector may have two.
func (e *tsdbExporter) self() metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(attribute.String("exporter", e.set.ID.String())))
}

func (e *tsdbExporter) reason(why string) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(attribute.String("exporter", e.set.ID.String()), attribute.String("reason", why)))
}

// remoteSink writes over HTTP.
type remoteSink struct {
	writer *remotewrite.Writer
	marks  *delivery.PerSource[*remotewrite.Marks]
}

func newRemoteSink(cfg *Config, client *http.Client, build component.BuildInfo) *remoteSink {
	protocol := map[string]remotewrite.Protocol{"auto": remotewrite.Auto, "1.0": remotewrite.Only1, "2.0": remotewrite.Only2}[cfg.Protocol]
	return &remoteSink{marks: delivery.NewPerSource(remotewrite.NewMarks), writer: remotewrite.NewWriter(
		remotewrite.NewClient(client, cfg.HTTP.Endpoint, build.Command+"/"+build.Version),
		remotewrite.Settings{
			Protocol: protocol, MaxSamples: cfg.MaxSamples, MaxBytes: cfg.MaxBytes, MaxShards: cfg.MaxShards, Metadata: true, Isolate: cfg.IsolateRefused,
		},
	)}
}

// takes checks whether the receiver now accepts samples with header.
func (s *remoteSink) takes(ctx context.Context, header http.Header) bool {
	return s.writer.Takes(ctx, header)
}

func (s *remoteSink) write(ctx context.Context, samples []sample.Sample, header http.Header, maybeRedelivered bool) (outcome, error) {
	r, err := s.writer.Write(ctx, s.marks.Of(ctx), samples, header, maybeRedelivered)
	o := outcome{sent: r.Sent.All(), redelivered: r.Redelivered, differing: r.Differing, lastError: r.RefusedFor}
	if len(r.Refused) > 0 {
		o.refused, o.points = make(map[string]int, len(r.Refused)), make(map[string]int, len(r.Points))
		for why, n := range r.Refused {
			o.refused[string(why)] = n
		}
		for why, n := range r.Points {
			o.points[string(why)] = n
		}
	}
	return o, err
}
