package prometheustsdbexporter

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/accumulate"
	"github.com/penstockhq/penstock/internal/delivery"
)

// deltaExporter accumulates delta points before queue and retry, so that what is tried again isn't added again. Behind a
// journal the totals belong to the partition's session and survive with it. Without one they are in memory, and a restart
// is a counter reset.
type deltaExporter struct {
	exporter.Metrics
	e       *tsdbExporter
	id      string
	set     accumulate.Settings
	streams atomic.Int64 // over all partitions

	mu    sync.Mutex
	local *totals // without a journal; guarded by mu
}

func newDeltaExporter(next exporter.Metrics, e *tsdbExporter, set exporter.Settings) *deltaExporter {
	d := &deltaExporter{Metrics: next, e: e, id: "exporter/" + set.ID.String()}
	d.set = accumulate.Settings{MaxStreams: e.cfg.Delta.MaxStreams, Idle: e.cfg.Delta.IdleTimeout}
	d.local = d.newTotals()
	return d
}

// totals is the state of one partition, counted.
type totals struct {
	*accumulate.State
	all     *atomic.Int64
	counted int
}

func (d *deltaExporter) newTotals() *totals {
	return &totals{State: accumulate.New(d.set), all: &d.streams}
}

func (t *totals) count() {
	n := t.Streams()
	t.all.Add(int64(n - t.counted))
	t.counted = n
}

// Close is called when the session has ended.
func (t *totals) Close() {
	t.all.Add(-int64(t.counted))
	t.counted = 0
}

// ConsumeMetrics makes delta metrics cumulative and passes all on. md is not changed.
func (d *deltaExporter) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	session, ok := delivery.From(ctx)
	if !ok {
		return d.consumeLocal(ctx, md)
	}
	t, err := delivery.Join(session, d.id, d.newTotals)
	if err != nil {
		return err
	}
	if accumulate.HasDelta(md) {
		leave := session.Enter()
		var refused accumulate.Refused
		md, refused = d.apply(t, md, session.Now())
		leave()
		d.count(ctx, refused)
	}
	return d.Metrics.ConsumeMetrics(ctx, md)
}

// consumeLocal takes a batch back if it was not taken: its sender brings it again. Batches with deltas go one after the
// other, since the next total rests on this one.
func (d *deltaExporter) consumeLocal(ctx context.Context, md pmetric.Metrics) error {
	if !accumulate.HasDelta(md) {
		return d.Metrics.ConsumeMetrics(ctx, md)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	md, refused := d.apply(d.local, md, time.Now())
	if err := d.Metrics.ConsumeMetrics(ctx, md); err != nil {
		d.local.Undo()
		d.local.count()
		return err
	}
	d.count(ctx, refused)
	return nil
}

// apply leaves out what lies too far ahead of now, which is the journal's: a second reading must come to the same totals.
func (d *deltaExporter) apply(t *totals, md pmetric.Metrics, now time.Time) (pmetric.Metrics, accumulate.Refused) {
	own := pmetric.NewMetrics()
	md.CopyTo(own)
	refused := t.Apply(own, now.Add(d.e.cfg.MaxFuture))
	t.count()
	return own, refused
}

func (d *deltaExporter) count(ctx context.Context, refused accumulate.Refused) {
	for r, n := range refused {
		if n > 0 {
			d.e.telemetry.ExporterPrometheusTsdbRefusedDatapoints.Add(ctx, int64(n), d.e.reason(accumulate.Reason(r).String()))
		}
	}
}
