package windowrollupprocessor

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/delivery/local"
	"github.com/penstockhq/penstock/internal/tenant"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/rollup"
)

// partition is the rollup of one partition.
type partition struct {
	w       *windowRollup
	session *delivery.Session
	state   *rollup.State

	status atomic.Pointer[rollup.Status] // as of the last Advance
}

var _ delivery.Stateful = (*partition)(nil)

func newPartition(w *windowRollup, s *delivery.Session) *partition {
	p := &partition{w: w, session: s, state: rollup.New(w.spec, s.Label(), s.Began())}
	p.note()
	return p
}

// began is when the state of a tenant began.
func (p *partition) began(tenant string) time.Time { return p.session.BeganFor(tenant, p.w.named) }

func (p *partition) note() {
	status := p.state.Status()
	p.status.Store(&status)
}

// Restore reads the output of Snapshot.
func (p *partition) Restore(r io.Reader) error { return p.state.Restore(r) }

// Advance closes windows.
func (p *partition) Advance(now time.Time, atEnd bool, low time.Time) (due bool, out time.Time) {
	due, out = p.state.Advance(now, atEnd, low)
	p.w.tel.merged(p.state.Merged()) // includes those of the last Render
	p.note()
	return due, out
}

// Snapshot writes the state.
func (p *partition) Snapshot(w io.Writer) error { return p.state.Snapshot(w) }

// Adopt switches to the configured rules.
func (p *partition) Adopt() { p.state.Adopt() }

// Flush sends closed windows. Without a journal it spreads batches over time, and drops and counts what is refused permanently.
func (p *partition) Flush(ctx context.Context) error {
	if p.state.Outbox() == 0 {
		return nil
	}
	begin := time.Now()
	_, journal := delivery.From(ctx)
	pace := pacer{over: p.w.cfg.Emit.Spread, begin: begin}
	if !journal && !p.w.stopping.Load() {
		pace.total = p.state.OutboxPoints()
	}
	var sign rollup.Signature
	if instance := p.w.instance(journal, p.session); instance != "" {
		sign = rollup.Signature{Name: local.InstanceAttribute, Value: instance}
	}
	err := p.state.Render(p.w.cfg.Emit.BatchPoints, sign, func(fromClient string, md pmetric.Metrics) error {
		n := md.DataPointCount()
		if err := pace.wait(ctx, n); err != nil {
			return err
		}
		to := ctx
		if fromClient != "" {
			to = tenant.With(ctx, fromClient)
		}
		if err := p.w.next.ConsumeMetrics(to, md); err != nil {
			if journal || !consumererror.IsPermanent(err) {
				return err
			}
			p.w.tel.refused(ctx, "window", n, err)
			return nil
		}
		p.w.tel.emitted(ctx, n)
		return nil
	})
	p.w.tel.flushed(ctx, time.Since(begin), p.w.cfg.shortest())
	return err
}

// pacer spreads batches evenly over a time.
type pacer struct {
	over  time.Duration
	begin time.Time
	total int // points to send
	sent  int
}

// wait returns when it is time for the next n points. It does not wait for sinks that are slower than the pace.
func (p *pacer) wait(ctx context.Context, n int) error {
	if p.total == 0 || p.sent == 0 {
		p.sent += n
		return nil
	}
	due := time.Duration(float64(p.over) * float64(p.sent) / float64(p.total))
	p.sent += n
	left := due - time.Since(p.begin)
	if left <= 0 {
		return nil
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
