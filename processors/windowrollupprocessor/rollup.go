package windowrollupprocessor

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/delivery/local"
	"github.com/penstockhq/penstock/internal/origin"
	"github.com/penstockhq/penstock/internal/tenant"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/metadata"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/rollup"
)

// windowRollup is the processor. The state is in its partitions: one for every journal partition that this process works on, or the local
// one.
type windowRollup struct {
	cfg  *Config
	spec rollup.Spec
	set  processor.Settings
	next consumer.Metrics
	tel  *telemetry

	partitions *local.States[*partition]
	own        string // the instance, if the journal is in this process; set by Start
	named      bool   // an authenticator names tenants; set by Start
	unmount    func()
	stopping   atomic.Bool
}

var _ processor.Metrics = (*windowRollup)(nil)

func newWindowRollup(cfg *Config, set processor.Settings, next consumer.Metrics) (*windowRollup, error) {
	builder, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	w := &windowRollup{cfg: cfg, spec: cfg.spec(), set: set, next: next, tel: newTelemetry(builder, set.Logger)}
	w.partitions = local.NewStates(set.ID, func(s *delivery.Session) *partition { return newPartition(w, s) })
	return w, w.tel.observe(w.partitions.Each)
}

// Capabilities says that batches are changed.
func (*windowRollup) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{MutatesData: true}
}

// Start opens the local session, unless batches must come with one, and mounts the page on the admin extension.
func (w *windowRollup) Start(ctx context.Context, host component.Host) error {
	owner := local.Owner{ID: w.set.ID, InstanceID: w.cfg.InstanceID, Storage: w.cfg.Storage}
	var err error
	if w.own, err = owner.InstanceBehindJournal(host); err != nil {
		return err
	}
	if w.cfg.Journal != journalRequired {
		err := w.partitions.Open(ctx, host, owner, local.Settings{Interval: w.cfg.CheckpointInterval, Failed: w.tel.failed})
		if err != nil {
			return err
		}
	}
	w.named = access.Named(host)
	w.unmount = admin.Mount(host, w.set.ID, "Window rollup", w.page(), w.set.Logger)
	return nil
}

// instance is the value of [local.InstanceAttribute] on output points; empty: none. Without it two collectors that each receive a part of
// a service would write one series. With a Kafka that gateways share, a series has one partition.
func (w *windowRollup) instance(journal bool, s *delivery.Session) string {
	if journal {
		return w.own
	}
	return s.Label()
}

// Shutdown saves the state or, without a storage, closes and sends all windows.
func (w *windowRollup) Shutdown(ctx context.Context) error {
	if w.unmount != nil {
		w.unmount()
		w.unmount = nil
	}
	w.stopping.Store(true) // The rest of the outbox is sent without pauses.
	err := w.partitions.Shutdown(ctx)
	w.tel.shutdown()
	return err
}

// fits refuses rules that would merge streams of several partitions: each would write its share under the same name.
func (w *windowRollup) fits(spreadBy []string) error {
	for i, r := range w.spec.Rules {
		for _, name := range spreadBy {
			if !r.Keeps(name) {
				return fmt.Errorf("rules::%d: the journal spreads streams over partitions by %s, but this rule does not keep %q: several partitions would "+
					"write the same series. Add the attribute to by (or remove it from without), or use a topic with one partition", i, strings.Join(spreadBy, ", "), name)
			}
		}
	}
	return nil
}

// ConsumeMetrics counts a batch, and passes on the points that no rule removes.
func (w *windowRollup) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	empty := md.DataPointCount() == 0
	fromClient, _ := tenant.Client(ctx) // An invalid name counts as the default tenant's here: the journal refuses it.
	p, journal, err := w.partitions.Of(ctx)
	if err == nil {
		err = w.fits(p.session.SpreadBy())
	}
	if err != nil {
		return fmt.Errorf("window_rollup: %w", err)
	}
	if journal {
		// A failure in the next component fails the whole range, and the worker returns to the last checkpoint.
		return w.roll(ctx, p, md, fromClient, nil, empty)
	}
	// A batch that the next component refuses is sent again. So the points to pass on are sent first, and the batch is counted only after
	// they were accepted.
	leave := p.session.Enter()
	raw, passed := p.state.Raw(md, time.Now())
	leave()
	if raw.DataPointCount() > 0 || empty {
		if err := w.next.ConsumeMetrics(ctx, raw); err != nil {
			return err
		}
	}
	return w.roll(ctx, p, md, fromClient, passed, false)
}

// enter makes the ledger's entries of a batch, of which so many points are not passed on: a rule has taken them instead of the sink. Those
// that no window counted are lost.
func (w *windowRollup) enter(ctx context.Context, out *rollup.Outcome, taken int) {
	outcome, by := delivery.Of(ctx).Outcome, w.set.ID.String()
	lost := min(taken, out.Lost)
	outcome.Refuse(by, "not_rolled", int64(lost), delivery.UnitItem)
	outcome.Fold(by, int64(taken-lost))
}

// roll adds md to p and passes on the rest of it.
func (w *windowRollup) roll(ctx context.Context, p *partition, md pmetric.Metrics, fromClient string, passed *rollup.Passed, always bool) error {
	points := md.DataPointCount()
	leave := p.session.Enter()
	out := p.state.Add(md, rollup.Sender{Tenant: fromClient, Records: origin.Of(ctx, md), Began: p.began}, time.Now(), passed)
	leave()
	w.tel.add(ctx, &out)
	w.enter(ctx, &out, points-md.DataPointCount())
	if left := md.DataPointCount(); left > 0 || always {
		if err := w.next.ConsumeMetrics(ctx, md); err != nil {
			if passed == nil {
				return err
			}
			// Points that became late since Raw. The batch is counted: it must not be sent again because of them.
			w.tel.refused(ctx, "routed", left, err)
		}
	}
	return nil
}
