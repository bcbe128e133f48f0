package cardinalityguardprocessor

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/delivery/local"
	"github.com/penstockhq/penstock/internal/usage"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/metadata"
)

// guard is the processor. The state is in its partitions: one for every journal partition that this process works on, or the local one.
type guard struct {
	cfg   *Config
	rules *budgets
	set   processor.Settings
	next  consumer.Metrics
	tel   *telemetry

	partitions *local.States[*partition]
	own        string // the instance, if the journal is in this process; set by Start
	named      bool   // an authenticator names tenants; set by Start
	unmount    func()
	unwatch    func() // removes the guard from the ledger; set by Start
}

var _ processor.Metrics = (*guard)(nil)

func newGuard(cfg *Config, set processor.Settings, next consumer.Metrics) (*guard, error) {
	builder, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	g := &guard{cfg: cfg, rules: newBudgets(newRules(cfg)), set: set, next: next, tel: newTelemetry(builder, set.Logger)}
	g.partitions = local.NewStates(set.ID, func(s *delivery.Session) *partition { return newPartition(g, s) })
	return g, g.tel.observe(g.partitions.Each)
}

// Capabilities reports whether batches are changed.
func (g *guard) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{MutatesData: g.cfg.OnLimit != onLimitObserve}
}

// Start opens the local session, unless batches must come with one, and mounts the page on the admin extension.
func (g *guard) Start(ctx context.Context, host component.Host) error {
	owner := local.Owner{ID: g.set.ID, InstanceID: g.cfg.InstanceID, Storage: g.cfg.Storage}
	var err error
	if g.own, err = owner.InstanceBehindJournal(host); err != nil {
		return err
	}
	if g.cfg.OverridesFile != "" {
		if g.rules.file, err = openOverridesFile(g.cfg.OverridesFile, g.set.Logger); err != nil {
			return err
		}
	}
	if g.cfg.Journal != journalRequired {
		err := g.partitions.Open(ctx, host, owner, local.Settings{Interval: g.cfg.CheckpointInterval, Failed: g.tel.failed})
		if err != nil {
			return err
		}
	}
	g.named = access.Named(host)
	g.rules.find(host)
	g.unmount = admin.Mount(host, g.set.ID, "Cardinality guard", g.page(admin.FindAuthorizer(host)), g.set.Logger)
	g.unwatch = usage.Find(host).Watch(g.series)
	return nil
}

// Shutdown sends everything that is due, and saves the state or, without a storage, sends everything.
func (g *guard) Shutdown(ctx context.Context) error {
	if g.unwatch != nil {
		g.unwatch()
		g.unwatch = nil
	}
	if g.unmount != nil {
		g.unmount()
		g.unmount = nil
	}
	err := g.partitions.Shutdown(ctx)
	g.tel.shutdown()
	return err
}

// ConsumeMetrics passes admitted points on. It merges the other points into the state only after the next component has accepted the
// admitted ones: a batch that is refused and sent again counts once.
func (g *guard) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	p, _, err := g.partitions.Of(ctx)
	if err != nil {
		return fmt.Errorf("cardinality_guard: %w", err)
	}
	empty := md.DataPointCount() == 0
	var t tally
	leave := p.session.Enter()
	limited := p.split(ctx, md, &t)
	leave()
	if empty || t.passed+t.observed > 0 {
		if err := g.next.ConsumeMetrics(ctx, md); err != nil {
			return err
		}
	}
	if limited != nil {
		p.absorb(limited, &t)
	}
	g.tel.add(ctx, &t)
	g.enter(ctx, &t)
	return nil
}

// enter makes the ledger's entries of a batch: what was folded, and what was dropped and why.
func (g *guard) enter(ctx context.Context, t *tally) {
	if t.folded|t.dropped == 0 {
		return
	}
	outcome, by := delivery.Of(ctx).Outcome, g.set.ID.String()
	outcome.Fold(by, t.folded)
	t.eachDrop(func(reason string, n int64) { outcome.Refuse(by, reason, n, delivery.UnitItem) })
}
