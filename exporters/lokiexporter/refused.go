package lokiexporter

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/pushrequest"
	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/refusal"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/tenant"
)

// verdicts has for each entry of a request the reason of its refusal; empty: it was not refused.
type verdicts [][]refusal.Reason

// verdictsOn finds the entries that Loki's answer is about. ok is false if the answer is ambiguous.
//
// Loki checks the entries of a stream in the order in which they were sent, which is that of time. So entries that are too old are the
// first of their stream, and those that are too new the last. Lines that are too long have the length that the answer names.
func (w *workspace) verdictsOn(r request, refusals []refusal.Refusal) (found verdicts, ok bool) {
	found = make(verdicts, len(r))
	for i, part := range r {
		found[i] = make([]refusal.Reason, part.to-part.from)
	}
	for _, f := range refusals {
		if f.Reason == refusal.Blocked { // the whole stream
			for i := range r {
				w.mark(r[i].entries(), found[i], f)
			}
			continue
		}
		at := r.find(f.Stream)
		if at < 0 {
			return nil, false
		}
		if !w.mark(r[at].entries(), found[at], f) {
			return nil, false
		}
	}
	return found, true
}

// find returns the span of the stream with these labels. Loki names streams by their labels; if it has added some, a request with only one
// stream is still unambiguous. Negative: the stream is unknown.
func (r request) find(labels string) int {
	for i, part := range r {
		if part.stream.Labels == labels || len(r) == 1 {
			return i
		}
	}
	return -1
}

// mark sets the verdict of f on the entries of its stream that it is about. False: they can't be identified.
func (w *workspace) mark(entries []entry, reasons []refusal.Reason, f refusal.Refusal) bool {
	var fits []int // indexes of entries that f can be about, the likeliest first
	for i := range reasons {
		if reasons[i] == "" && (f.Reason != refusal.LineTooLong || f.LineBytes == 0 || pushrequest.LineBytes(w.arena[entries[i].start:entries[i].end]) == f.LineBytes) {
			fits = append(fits, i)
		}
	}
	count := f.Count
	if f.WholeStream {
		count = len(fits)
	}
	switch {
	case count > len(fits):
		return false
	case f.Reason == refusal.TooOld || f.Reason == refusal.TooFarBehind:
		fits = fits[:count]
	case f.Reason == refusal.TooNew:
		fits = fits[len(fits)-count:]
	case count < len(fits):
		return false
	}
	for _, i := range fits {
		reasons[i] = f.Reason
	}
	return true
}

// refuseSome refuses the entries of r that found names, and returns their number.
func (s *sending) refuseSome(b *batch, r request, found verdicts, cause string) (n int64) {
	for i, part := range r {
		for from := part.from; from < part.to; {
			reason, to := found[i][from-part.from], from+1
			for to < part.to && found[i][to-part.from] == reason {
				to++
			}
			if reason != "" {
				s.refuse(b, request{{part.stream, from, to}}, reason, cause)
				n += int64(to - from)
			}
			from = to
		}
	}
	return n
}

// keeps reports whether refused entries go to a dead letter.
func (s *sending) keeps() bool { return delivery.Of(s.ctx).Aside != nil || s.exporter.letters != nil }

// letters is the part of the dead_letter extension that the exporter uses.
type letters interface {
	// KeepLogs returns when a letter with n records is durable.
	KeepLogs(ctx context.Context, l delivery.Letter, n int) error
}

// keepLetter writes a letter to the journal's dead letter, or to the extension's. The latter has no tenants: the records keep the
// attribute with their tenant.
func (s *sending) keepLetter(ld plog.Logs, l delivery.Letter) (err error) {
	aside, e := delivery.Of(s.ctx).Aside, s.exporter
	if key := e.cfg.Tenant.ResourceAttribute; aside == nil && key != "" && l.Tenant != "" {
		for _, rl := range ld.ResourceLogs().All() {
			rl.Resource().Attributes().PutStr(key, l.Tenant)
		}
	}
	if l.Request, err = (&plog.ProtoMarshaler{}).MarshalLogs(ld); err != nil {
		return err
	}
	if aside != nil {
		return aside.Keep(s.ctx, l)
	}
	return e.letters.KeepLogs(s.ctx, l, ld.LogRecordCount())
}

// refuse refuses all entries of r: they are counted, by keep if they go to the dead letter first.
func (s *sending) refuse(b *batch, r request, reason refusal.Reason, cause string) {
	n := int64(r.entries())
	s.refused += n
	s.refusal = cause
	if !s.keeps() {
		s.exporter.logRefusal(s.ctx, reason, n, cause)
		return
	}
	before := s.open
	s.open = open{}
	s.note(r)
	records := s.resend
	s.open = before
	s.setAside(asideBatch{tenant: b.tenant, reason: reason, entries: n, records: records, cause: cause})
}

// refuseTenant refuses the next n records of the push.
func (s *sending) refuseTenant(id string, n int32) {
	first := s.records
	s.records += n
	cause := fmt.Sprintf("tenant %q is not a tenant name that Loki accepts", id)
	if !s.keeps() || tenant.Check(id) != nil { // the journal would deliver it for another tenant
		s.drop(reasonTenant, int64(n), cause)
		return
	}
	s.refused += int64(n)
	s.refusal = cause
	records := make(map[int32]int64, n)
	for i := range n {
		records[first+i] = 0
	}
	s.setAside(asideBatch{tenant: id, reason: reasonTenant, entries: int64(n), records: records, cause: cause})
}

// drop counts entries that are discarded.
func (s *sending) drop(reason refusal.Reason, n int64, cause string) {
	s.refused += n
	s.refusal = cause
	s.exporter.logRefusal(s.ctx, reason, n, cause)
}
