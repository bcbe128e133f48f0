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

// verdicts says for each entry of a request why it was refused; empty: it was not.
type verdicts [][]refusal.Reason

// verdictsOn finds the entries that Loki's answer is about. ok is false where the answer leaves a choice.
//
// Loki checks the entries of a stream in the order in which they were sent, that of time. So those that are too old or too far behind
// are the first of their stream, and those that are too new the last. Lines that are too long have the length that it names.
func (w *workspace) verdictsOn(r request, refusals []refusal.Refusal) (found verdicts, ok bool) {
	found = make(verdicts, len(r))
	for i, part := range r {
		found[i] = make([]refusal.Reason, part.to-part.from)
	}
	for _, f := range refusals {
		if f.Reason == refusal.Blocked { // everything
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

// find returns the span of the stream with these labels. Loki names streams by their labels; when it has added some, a request with one stream
// is still clear. Negative: which stream it is can't be told.
func (r request) find(labels string) int {
	for i, part := range r {
		if part.stream.Labels == labels || len(r) == 1 {
			return i
		}
	}
	return -1
}

// mark notes f for the entries of its stream that it is about. False: those can't be told from others.
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

// refuseSome gives up the entries of r that found names, and returns how many they are.
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

// keeps says whether what Loki refuses goes to a dead letter.
func (s *sending) keeps() bool { return delivery.Of(s.ctx).Aside != nil || s.exporter.letters != nil }

// letters is what the exporter needs of the dead_letter extension.
type letters interface {
	// KeepLogs returns when a letter with n records is durable.
	KeepLogs(ctx context.Context, l delivery.Letter, n int) error
}

// keepLetter puts a letter into the journal's dead letter, or into the extension's. The latter has no tenants: their attribute says whose records
// they are.
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

// refuse gives up all entries of r: they are counted, by keep where they go to the dead letter first.
func (s *sending) refuse(b *batch, r request, reason refusal.Reason, cause string) {
	n := int64(r.entries())
	s.refused += n
	s.refusal = cause
	if !s.keeps() {
		s.exporter.tellRefusal(s.ctx, reason, n, cause)
		return
	}
	before := s.open
	s.open = open{}
	s.note(r)
	records := s.again
	s.open = before
	s.setAside(asideBatch{tenant: b.tenant, reason: reason, entries: n, records: records, cause: cause})
}

// refuseTenant gives up the next n records of the push.
func (s *sending) refuseTenant(id string, n int32) {
	first := s.records
	s.records += n
	cause := fmt.Sprintf("tenant %q is not a tenant name that Loki accepts", id)
	if !s.keeps() || tenant.Check(id) != nil { // the journal would deliver it as another tenant's
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

// drop counts entries that go nowhere.
func (s *sending) drop(reason refusal.Reason, n int64, cause string) {
	s.refused += n
	s.refusal = cause
	s.exporter.tellRefusal(s.ctx, reason, n, cause)
}
