package prometheustsdbexporter

import (
	"context"

	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/delivery"
)

// durable is implemented by a storage extension whose samples become durable only some time after their commit. Its errors are temporary,
// except gone.
type durable interface {
	// Run identifies the time since the storage was opened; it changes when committed samples may have been lost.
	Run() (string, error)
	// Sync returns when everything that was committed in run is durable, and the position at which the storage's log then ends.
	Sync(ctx context.Context, run string) (position string, err error)
	// Holds reports whether the storage still has what was durable at a position; if not, gone is the reason.
	Holds(position string) (gone error, err error)
}

// synced joins the storage's barrier to each journal partition's session, so that a checkpoint is saved only after its samples are
// durable, and compares the storage with the position in the checkpoint.
type synced struct {
	exporter.Metrics
	e    *tsdbExporter
	id   string
	host component.Host
}

func newSynced(next exporter.Metrics, e *tsdbExporter, set exporter.Settings) *synced {
	return &synced{Metrics: next, e: e, id: "exporter/" + set.ID.String() + "/store"}
}

// Start stores the host, to report the status.
func (s *synced) Start(ctx context.Context, host component.Host) error {
	s.host = host
	return s.Metrics.Start(ctx, host)
}

// ConsumeMetrics joins the session that md came with before anything is written.
func (s *synced) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	if err := s.join(ctx); err != nil {
		return err
	}
	return s.Metrics.ConsumeMetrics(ctx, md)
}

// member is a storage's barrier in one session.
type member struct {
	*delivery.Barrier
	run     string // the storage's run when the session joined
	checked bool
}

func (s *synced) join(ctx context.Context) error {
	sink, ok := s.e.sink.(*processSink)
	if !ok {
		return nil
	}
	storage, ok := sink.to.(durable)
	if !ok {
		return nil
	}
	session, ok := delivery.From(ctx)
	if !ok {
		return nil
	}
	run, err := storage.Run()
	if err != nil {
		return err
	}
	m, err := delivery.Join(session, s.id, func() *member {
		return &member{run: run, Barrier: delivery.NewBarrier(session, func(ctx context.Context) (string, error) { return storage.Sync(ctx, run) })}
	})
	if err != nil || m.checked {
		return err
	}
	if err := s.check(storage, session, m.Restored()); err != nil {
		return err
	}
	m.checked = true
	return nil
}

// check reports a storage that has less than the checkpoint says. The journal may still have the missing samples.
func (s *synced) check(storage durable, session *delivery.Session, marks []delivery.Mark) error {
	gap, err := delivery.FindGap(marks, storage.Holds)
	if gap == nil || err != nil {
		return err
	}
	lost := doubt{gap, session.Label()}
	s.e.telemetry.ExporterPrometheusTsdbLostRanges.Add(context.Background(), 1, s.e.self())
	s.e.set.Logger.Error("The storage has lost samples that it had made durable", zap.String("partition", lost.partition),
		zap.Time("from", lost.From), zap.Time("to", lost.To), zap.String("refill", lost.job()), zap.Error(lost.Why))
	componentstatus.ReportStatus(s.host, componentstatus.NewRecoverableErrorEvent(lost))
	return nil
}

// doubt is a range of the journal whose samples the storage may lack.
type doubt struct {
	*delivery.Gap
	partition string
}

// job is the replay that writes the range again.
func (d doubt) job() string { return d.Job("metrics") }

func (d doubt) Error() string {
	from := "the journal's beginning"
	if !d.From.IsZero() {
		from = d.From.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("samples of partition %s that were journaled from %s to %s may be missing in the storage: %v; once the hour of its end is over, refill the gap with %s",
		d.partition, from, d.To.UTC().Format(time.RFC3339), d.Why, d.job())
}

func (d doubt) Unwrap() error { return d.Why }

// syncAlone makes the samples of a batch without a journal durable: no checkpoint does it, and its sender forgets them.
func (s *processSink) syncAlone(ctx context.Context, run string) error {
	if _, journal := delivery.From(ctx); journal {
		return nil
	}
	storage, ok := s.to.(durable)
	if !ok {
		return nil
	}
	_, err := storage.Sync(ctx, run)
	return err
}

// runNow is the storage's run, or empty if it has none.
func (s *processSink) runNow() (string, error) {
	storage, ok := s.to.(durable)
	if !ok {
		return "", nil
	}
	return storage.Run()
}
