package cardinalityguardprocessor

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/metadata"
)

var errNoSession = errors.New("cardinality_guard: the batch has no session: journal is required, and no follower of a journal stands before this processor, or one that is asynchronous stands between")

// guard is the processor. The state is in its partitions: one for every partition of the journal that is worked on
// here, or the local one.
type guard struct {
	cfg   *Config
	rules *rules
	set   processor.Settings
	next  consumer.Metrics
	tel   *telemetry

	local   *delivery.Local
	here    *partition // of local
	unmount func()

	mu         sync.Mutex
	partitions map[*partition]struct{} // guarded by mu
}

var _ processor.Metrics = (*guard)(nil)

func newGuard(cfg *Config, set processor.Settings, next consumer.Metrics) (*guard, error) {
	builder, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	g := &guard{cfg: cfg, rules: newRules(cfg), set: set, next: next, partitions: map[*partition]struct{}{}}
	g.tel = newTelemetry(builder, set.Logger)
	if err := g.tel.observe(g.each); err != nil {
		return nil, err
	}
	return g, nil
}

// Capabilities says whether batches are changed.
func (g *guard) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{MutatesData: g.cfg.OnLimit != onLimitObserve}
}

// Start opens the local session, unless batches must come with one, and the page on the admin extension.
func (g *guard) Start(ctx context.Context, host component.Host) error {
	if g.cfg.Journal != journalRequired {
		if err := g.openLocal(ctx, host); err != nil {
			return err
		}
	}
	return g.mount(host)
}

func (g *guard) openLocal(ctx context.Context, host component.Host) error {
	owner := delivery.Owner{ID: g.set.ID, InstanceID: g.cfg.InstanceID, Storage: g.cfg.Storage}
	local, err := delivery.OpenOwned(ctx, host, owner, delivery.LocalSettings{Interval: g.cfg.CheckpointInterval, Failed: g.tel.failed})
	if err != nil {
		return err
	}
	g.local = local
	if g.here, err = g.join(local.Session()); err != nil {
		return err
	}
	local.Start()
	return nil
}

// Shutdown sends what is due, and saves the state or, without a storage, sends everything.
func (g *guard) Shutdown(ctx context.Context) error {
	if g.unmount != nil {
		g.unmount()
		g.unmount = nil
	}
	var err error
	if g.local != nil {
		err = g.local.Shutdown(ctx)
	}
	g.tel.shutdown()
	return err
}

// join returns the state of a session's partition.
func (g *guard) join(s *delivery.Session) (*partition, error) {
	p, err := delivery.Join(s, g.set.ID.String(), func() *partition { return newPartition(g, s) })
	if err == nil {
		p.listed.Do(func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.partitions[p] = struct{}{}
		})
	}
	return p, err
}

// leave forgets a partition whose session has ended.
func (g *guard) leave(p *partition) {
	g.mu.Lock()
	delete(g.partitions, p)
	g.mu.Unlock()
}

// each calls f for every partition.
func (g *guard) each(f func(*partition)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for p := range g.partitions {
		f(p)
	}
}

// ConsumeMetrics passes admitted points on. What is to be folded is merged into the state only when the rest has been
// taken downstream: a batch that is refused and sent again counts once.
func (g *guard) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	p := g.here
	session, ok := delivery.From(ctx)
	if ok {
		var err error
		if p, err = g.join(session); err != nil {
			return err
		}
	} else if p == nil {
		return errNoSession
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
	return nil
}

// mounter is what an admin extension offers.
type mounter interface {
	Mount(id, title string, h http.Handler) (unmount func(), err error)
}

func (g *guard) mount(host component.Host) error {
	for _, ext := range host.GetExtensions() {
		m, ok := ext.(mounter)
		if !ok {
			continue
		}
		unmount, err := m.Mount(g.set.ID.String(), "Cardinality guard", g.page())
		if err != nil {
			g.set.Logger.Warn("No admin page", zap.Error(err))
			return nil
		}
		g.unmount = unmount
		return nil
	}
	return nil
}
