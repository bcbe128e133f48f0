package prometheustsdbexporter

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/accumulate"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/origin"
	"github.com/penstockhq/penstock/internal/tenant"
)

const (
	// releaseTick is how often, without a journal, the exporter checks for increases that wait for a sample.
	releaseTick = time.Second
	// lastRelease is how long Shutdown tries to send them: a sink that is unreachable for longer must not block it.
	lastRelease = 5 * time.Second
)

// deltaExporter accumulates delta points before queue and retry, so that a retry does not add them again. Downstream of a journal the
// totals are part of the partition's session and survive a restart with it. Without a journal they are in memory, and a restart is a
// counter reset.
type deltaExporter struct {
	exporter.Metrics
	e       *tsdbExporter
	id      string
	set     accumulate.Settings
	streams atomic.Int64 // over all partitions

	stop    context.CancelFunc // nil unless started
	release sync.WaitGroup

	mu    sync.Mutex
	local *totals // without a journal; guarded by mu
}

func newDeltaExporter(next exporter.Metrics, e *tsdbExporter, set exporter.Settings) *deltaExporter {
	d := &deltaExporter{Metrics: next, e: e, id: "exporter/" + set.ID.String()}
	d.set = accumulate.Settings{MaxStreams: e.cfg.Delta.MaxStreams, Idle: e.cfg.Delta.IdleTimeout}
	local := d.set
	local.Undo = true
	d.local = &totals{State: accumulate.New(local), d: d}
	return d
}

// totals is the state of one partition, included in the count of streams.
type totals struct {
	*accumulate.State
	d       *deltaExporter
	counted int
}

var _ delivery.Stateful = (*totals)(nil)

func (d *deltaExporter) newTotals() *totals {
	return &totals{State: accumulate.New(d.set), d: d}
}

func (t *totals) count() {
	n := t.Streams()
	t.d.streams.Add(int64(n - t.counted))
	t.counted = n
}

// Close is called when the session has ended.
func (t *totals) Close() {
	t.d.streams.Add(-int64(t.counted))
	t.counted = 0
}

// Flush sends samples for increases that found no free millisecond.
func (t *totals) Flush(ctx context.Context) error {
	for r, ok := t.Outbox(); ok; r, ok = t.Outbox() {
		to := ctx
		if r.Tenant != "" {
			to = tenant.With(ctx, r.Tenant)
		}
		sent := pmetric.NewMetrics()
		r.Metrics.CopyTo(sent) // A queue owns what it gets, and after an error the samples are sent again.
		if err := t.d.Metrics.ConsumeMetrics(to, sent); err != nil {
			return err
		}
		t.Sent()
	}
	return nil
}

// Start starts the next component, and the release of waiting increases.
func (d *deltaExporter) Start(ctx context.Context, host component.Host) error {
	if err := d.Metrics.Start(ctx, host); err != nil {
		return err
	}
	ctx, d.stop = context.WithCancel(context.Background())
	d.release.Go(func() {
		ticker := time.NewTicker(releaseTick)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				_ = d.releaseLocal(ctx, time.Now()) // Refused samples are kept, and sent with the next tick.
			}
		}
	})
	return nil
}

// Shutdown sends the waiting increases, and stops the next component.
func (d *deltaExporter) Shutdown(ctx context.Context) error {
	var err error
	if d.stop != nil {
		d.stop()
		d.release.Wait()
		d.stop = nil
		last, cancel := context.WithTimeout(ctx, lastRelease)
		defer cancel()
		err = d.releaseLocal(last, delivery.Unbounded())
	}
	return errors.Join(err, d.Metrics.Shutdown(ctx))
}

// releaseLocal sends samples for increases that have waited long enough, without a journal.
func (d *deltaExporter) releaseLocal(ctx context.Context, now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if due, _ := d.local.Advance(now, true, delivery.Unbounded()); !due {
		return nil
	}
	return d.local.Flush(ctx)
}

// ConsumeMetrics makes delta metrics cumulative and passes all metrics on. It does not change md.
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
		var o accumulate.Outcome
		points := md.DataPointCount()
		ctx, md, o = d.apply(ctx, t, md, session.Now())
		leave()
		d.count(ctx, o)
		d.e.take(ctx, points-md.DataPointCount()) // An increase that waits for a sample is part of its total; points that start a total come from no sender.
	}
	return d.Metrics.ConsumeMetrics(ctx, md)
}

// consumeLocal undoes a batch if the next component refused it, because its sender sends it again. Batches with deltas are processed one
// at a time, since the next total depends on this one.
func (d *deltaExporter) consumeLocal(ctx context.Context, md pmetric.Metrics) error {
	if !accumulate.HasDelta(md) {
		return d.Metrics.ConsumeMetrics(ctx, md)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_, md, o := d.apply(ctx, d.local, md, time.Now())
	if err := d.Metrics.ConsumeMetrics(ctx, md); err != nil {
		d.local.Undo()
		d.local.count()
		return err
	}
	d.count(ctx, o)
	return nil
}

// apply leaves out points too far ahead of now, the journal's time, because a second reading must give the same totals.
func (d *deltaExporter) apply(ctx context.Context, t *totals, md pmetric.Metrics, now time.Time) (context.Context, pmetric.Metrics, accumulate.Outcome) {
	own := pmetric.NewMetrics()
	md.CopyTo(own)
	b := accumulate.Batch{Limit: now.Add(d.e.cfg.MaxFuture), Records: origin.Of(ctx, md)}
	b.Tenant, _ = tenant.Client(ctx) // eachTenant refuses invalid names.
	names := d.e.translator.Names(func(r pcommon.Resource) string {
		if !d.e.cfg.tenants() {
			return ""
		}
		name, _ := tenant.Of(b.Tenant, r.Attributes())
		return name
	})
	defer names.Close()
	b.Names = names
	o := t.Apply(own, b)
	t.count()
	if b.Records != nil {
		ctx = origin.Moved(ctx, own, b.Records)
	}
	return ctx, own, o
}

func (d *deltaExporter) count(ctx context.Context, o accumulate.Outcome) {
	t := d.e.telemetry
	for r, n := range o.Refused {
		d.e.refuse(ctx, accumulate.Reason(r).String(), n)
	}
	if o.Exemplars > 0 {
		t.ExporterPrometheusTsdbRefusedDatapoints.Add(ctx, int64(o.Exemplars), d.e.reason("exemplar_limit"))
	}
	if o.NoSum > 0 {
		t.ExporterPrometheusTsdbMissingSums.Add(ctx, int64(o.NoSum), d.e.reason("no_sum"))
	}
	if o.SumNotFinite > 0 {
		t.ExporterPrometheusTsdbMissingSums.Add(ctx, int64(o.SumNotFinite), d.e.reason("not_finite"))
	}
	if o.Rebounded > 0 {
		t.ExporterPrometheusTsdbRestartedTotals.Add(ctx, int64(o.Rebounded), d.e.reason("bounds"))
	}
	if o.Overflowed > 0 {
		t.ExporterPrometheusTsdbRestartedTotals.Add(ctx, int64(o.Overflowed), d.e.reason("count_overflow"))
	}
}
