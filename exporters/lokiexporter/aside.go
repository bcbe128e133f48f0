package lokiexporter

import (
	"context"
	"fmt"
	"maps"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/refusal"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/patience"
)

// asideBatch is what one tenant has, or is about to have, in the dead letter for one reason.
type asideBatch struct {
	tenant  string
	reason  refusal.Reason
	entries int64           // 0: as many as records
	records map[int32]int64 // see sending.resend
	cause   string
}

// tenant sends one tenant's entries, or sets them aside if Loki has refused the tenant for too long.
func (s *sending) tenant(b *batch) {
	aside, e := delivery.Of(s.ctx).Aside, s.exporter
	if aside == nil {
		s.batch(b)
		return
	}
	_, job := delivery.Of(s.ctx).Source().Job() // The user who created the job may know that Loki accepts the tenant again.
	if !job && e.patience.Aside(b.tenant, s.now) {
		s.setAside(asideBatch{tenant: b.tenant, reason: reasonPatience, records: s.recordsOf(b), cause: "Loki has refused the tenant for longer than tenant_patience"})
		return
	}
	before, accepted, refused := s.open, s.accepted, s.refused
	s.open = open{}
	s.batch(b)
	own := s.open
	took := s.accepted > accepted || (own.err == nil && s.refused > refused) // Loki accepts the tenant, so it refuses these entries because of the entries.
	s.open = before
	if took && e.patience.Taken(b.tenant, e.now()) {
		e.set.Logger.Error("Loki accepts the entries of a tenant again", zap.String("tenant", b.tenant))
	}
	switch {
	case own.err == nil:
	case own.answered && !took && s.setsAside(b.tenant, aside, own.err):
		s.setAside(asideBatch{tenant: b.tenant, reason: reasonPatience, records: own.resend, cause: own.err.Error()})
	default:
		s.open.add(own)
	}
}

// recordsOf returns what keep and pick need of all entries of b.
func (s *sending) recordsOf(b *batch) map[int32]int64 {
	before := s.open
	s.open = open{}
	s.note(b.all())
	records := s.resend
	s.open = before
	return records
}

// setAside adds to the data for the dead letter, one letter for a tenant and reason.
func (s *sending) setAside(a asideBatch) {
	if len(a.records) == 0 {
		return
	}
	for i := range s.aside {
		if have := &s.aside[i]; have.tenant == a.tenant && have.reason == a.reason {
			have.entries += a.entries
			maps.Copy(have.records, a.records)
			return
		}
	}
	s.aside = append(s.aside, a)
}

// setsAside notes that Loki has refused tenant, and reports whether its entries go to the dead letter.
func (s *sending) setsAside(tenant string, aside delivery.Aside, err error) bool {
	e := s.exporter
	give, now := e.patience.Refused(s.ctx, patience.Refusal{Tenant: tenant, Began: s.now, Waiting: aside.Waiting, Ask: e.takes}, e.now())
	if now {
		e.set.Logger.Error(fmt.Sprintf("Loki has refused a tenant for %s but accepts others. The tenant's entries go to the dead letter until Loki accepts one; "+
			"replay them from there", e.cfg.TenantPatience), zap.String("tenant", tenant), zap.Error(err))
	}
	return give
}

// takes checks with an empty request whether Loki accepts data of tenant. If it admits the tenant it answers 422, because the request is
// empty.
func (e *lokiExporter) takes(ctx context.Context, tenant string) bool {
	body, err := e.pusher.encode(nil, nil)
	if err != nil {
		return false
	}
	a, err := e.pusher.post(ctx, tenant, body, e.now)
	return err == nil && !a.retryable()
}

// keep writes what was set aside to the dead letter and counts it. What can't be written is sent again.
func (s *sending) keep(ld plog.Logs) {
	for _, a := range s.aside {
		letter := pick(ld, a.records)
		err := s.keepLetter(letter, delivery.Letter{By: s.exporter.set.ID.String(), Reason: string(a.reason), Cause: a.cause, Tenant: a.tenant})
		if err != nil {
			s.open.add(open{resend: a.records, err: fmt.Errorf("write the refused entries of tenant %q to the dead letter: %w", a.tenant, err)})
			continue
		}
		n := a.entries
		if n == 0 {
			n = int64(letter.LogRecordCount())
		}
		s.exporter.logRefusal(s.ctx, a.reason, n, a.cause)
	}
}
