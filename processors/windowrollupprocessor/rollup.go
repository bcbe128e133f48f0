package windowrollupprocessor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/metadata"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/rollup"
)

// tenantHeader is the client metadata that names the tenant.
const tenantHeader = "x-scope-orgid"

var errNoSession = errors.New("window_rollup: the batch has no session: journal is required, and no follower of a journal stands before this processor, or one that is asynchronous stands between")

// windowRollup is the processor. The state is in its partitions: one for every partition of the journal that is worked
// on here, or the local one.
type windowRollup struct {
	cfg  *Config
	spec rollup.Spec
	set  processor.Settings
	next consumer.Metrics
	tel  *telemetry

	local    *delivery.Local
	here     *partition // of local
	unmount  func()
	stopping atomic.Bool

	mu         sync.Mutex
	partitions map[*partition]struct{} // guarded by mu
}

var _ processor.Metrics = (*windowRollup)(nil)

func newWindowRollup(cfg *Config, set processor.Settings, next consumer.Metrics) (*windowRollup, error) {
	builder, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	w := &windowRollup{cfg: cfg, spec: cfg.spec(), set: set, next: next, partitions: map[*partition]struct{}{}}
	w.tel = newTelemetry(builder, set.Logger)
	return w, w.tel.observe(w.each)
}

// Capabilities says that batches are changed.
func (*windowRollup) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{MutatesData: true}
}

// Start opens the local session, unless batches must come with one, and the page on the admin extension.
func (w *windowRollup) Start(ctx context.Context, host component.Host) error {
	if w.cfg.Journal != journalRequired {
		if err := w.openLocal(ctx, host); err != nil {
			return err
		}
	}
	w.mount(host)
	return nil
}

func (w *windowRollup) openLocal(ctx context.Context, host component.Host) error {
	owner := delivery.Owner{ID: w.set.ID, InstanceID: w.cfg.InstanceID, Storage: w.cfg.Storage}
	local, err := delivery.OpenOwned(ctx, host, owner, delivery.LocalSettings{Interval: w.cfg.CheckpointInterval, Failed: w.tel.failed})
	if err != nil {
		return err
	}
	w.local = local
	if w.here, err = w.join(local.Session()); err != nil {
		return err
	}
	local.Start()
	return nil
}

// Shutdown saves the state or, without a storage, closes and sends all windows.
func (w *windowRollup) Shutdown(ctx context.Context) error {
	if w.unmount != nil {
		w.unmount()
		w.unmount = nil
	}
	w.stopping.Store(true) // The rest of the outbox goes without a pace.
	var err error
	if w.local != nil {
		err = w.local.Shutdown(ctx)
	}
	w.tel.shutdown()
	return err
}

// join returns the state of a session's partition.
func (w *windowRollup) join(s *delivery.Session) (*partition, error) {
	if err := w.fits(s.SpreadBy()); err != nil {
		return nil, err
	}
	p, err := delivery.Join(s, w.set.ID.String(), func() *partition { return newPartition(w, s) })
	if err == nil {
		p.listed.Do(func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.partitions[p] = struct{}{}
		})
	}
	return p, err
}

// fits refuses rules that would merge streams of several partitions: each would write its share under the same name.
func (w *windowRollup) fits(spreadBy []string) error {
	for i, r := range w.spec.Rules {
		for _, name := range spreadBy {
			if !r.Keeps(name) {
				return fmt.Errorf("rules::%d: the journal spreads streams over partitions by %s, and this rule does not keep %q: several partitions would "+
					"write one series. Add it to by (take it out of without), or use a topic with one partition", i, strings.Join(spreadBy, ", "), name)
			}
		}
	}
	return nil
}

// leave forgets a partition whose session has ended.
func (w *windowRollup) leave(p *partition) {
	w.mu.Lock()
	delete(w.partitions, p)
	w.mu.Unlock()
}

// each calls f for every partition.
func (w *windowRollup) each(f func(*partition)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for p := range w.partitions {
		f(p)
	}
}

// ConsumeMetrics rolls a batch up, and passes on what no rule takes away.
func (w *windowRollup) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	empty := md.DataPointCount() == 0
	tenant := tenantOf(ctx)
	if session, ok := delivery.From(ctx); ok {
		p, err := w.join(session)
		if err != nil {
			return err
		}
		// What fails downstream fails the whole range, and the worker goes back to the last checkpoint.
		return w.roll(ctx, p, md, tenant, nil, empty)
	}
	if w.here == nil {
		return errNoSession
	}
	// A batch that is refused downstream comes again. So what passes goes first, and what is rolled up is counted only when
	// that has been taken.
	leave := w.here.session.Enter()
	raw, passed := w.here.state.Raw(md, time.Now())
	leave()
	if raw.DataPointCount() > 0 || empty {
		if err := w.next.ConsumeMetrics(ctx, raw); err != nil {
			return err
		}
	}
	return w.roll(ctx, w.here, md, tenant, passed, false)
}

// roll adds md to p and passes on what is left of it.
func (w *windowRollup) roll(ctx context.Context, p *partition, md pmetric.Metrics, tenant string, passed *rollup.Passed, always bool) error {
	leave := p.session.Enter()
	out := p.state.Add(md, tenant, time.Now(), passed)
	leave()
	w.tel.add(ctx, &out)
	if left := md.DataPointCount(); left > 0 || always {
		if err := w.next.ConsumeMetrics(ctx, md); err != nil {
			if passed == nil {
				return err
			}
			// Late points that became late since Raw. The batch is counted: it must not come again for them.
			w.tel.refused(ctx, "routed", left, err)
		}
	}
	return nil
}

// tenantOf returns the tenant that client metadata names, if it does.
func tenantOf(ctx context.Context) string {
	if values := client.FromContext(ctx).Metadata.Get(tenantHeader); len(values) > 0 {
		return values[0]
	}
	return ""
}
