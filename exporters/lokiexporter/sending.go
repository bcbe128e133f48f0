package lokiexporter

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"time"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/pushrequest"
	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/refusal"
)

// maxSplits and maxNarrowings bound the requests into which one push is divided to find the refused entries: after an answer that is not
// Loki's, and after one of Loki's that does not identify the entries.
const (
	maxSplits     = 64
	maxNarrowings = 1024
)

// Reasons of the exporter itself, in addition to Loki's.
const (
	reasonOutsideWindow refusal.Reason = "outside_window"
	reasonTenant        refusal.Reason = "tenant"
	reasonTooLarge      refusal.Reason = "too_large"
	reasonRequest       refusal.Reason = "request"
	reasonPatience      refusal.Reason = "tenant_patience"
)

// sending is one push in progress: what was accepted, refused, and has to be sent again.
type sending struct {
	exporter *lokiExporter
	ctx      context.Context
	*workspace
	now     time.Time
	records int32 // of the push
	splits  int   // splits that may still be made
	narrow  int   // narrowings that may still be made

	accepted, refused, bytes int64
	refusal                  string
	unwanted                 int64 // of the refused: the configuration discards them

	open
	// aside is what goes to the dead letter.
	aside []asideBatch
}

// open is what has to be sent again.
type open struct {
	resend  map[int32]int64 // record to its entry's time if that was changed, else 0
	err     error
	retryIn time.Duration
	// answered: Loki answered each of the requests with a status.
	answered bool
}

// add adds the open records of another tenant.
func (o *open) add(other open) {
	o.err = errors.Join(o.err, other.err)
	o.retryIn = max(o.retryIn, other.retryIn)
	if o.resend == nil {
		o.resend = make(map[int32]int64, len(other.resend))
	}
	maps.Copy(o.resend, other.resend)
}

// parts sends the entries that are there, tenant by tenant, and makes place for others.
func (s *sending) parts(batches []*batch) {
	for _, b := range batches {
		s.part(b)
	}
	s.arena = s.arena[:0]
}

// part sends the entries of b that are there, unless earlier ones of the tenant have to be sent again, and empties b.
func (s *sending) part(b *batch) {
	if before := len(s.resend); b.open {
		s.note(b.all())
	} else {
		s.tenant(b)
		b.open = len(s.resend) > before
	}
	for _, st := range b.streams {
		st.entries, st.failed = st.entries[:0], false
	}
}

// batch sends one tenant's entries, one request after the other, so that no stream overtakes itself.
func (s *sending) batch(b *batch) {
	p := packer{limit: s.exporter.cfg.Limits.RequestBytes}
	var risky []*stream
	for _, st := range b.streams {
		if len(st.entries) == 0 {
			continue
		}
		if b.limit.Risky(st.Stream, st.entries[0].nanos, bytesOf(st.entries), s.now) {
			risky = append(risky, st)
			continue
		}
		p.add(st, false)
	}
	for _, st := range risky {
		p.add(st, true)
	}
	p.close()
	for i, r := range p.requests {
		if !s.send(b, r) {
			for _, rest := range p.requests[i+1:] {
				s.later(rest)
			}
			return
		}
	}
}

// send sends one request, in parts if necessary. false: this tenant can't continue now.
func (s *sending) send(b *batch, r request) bool {
	r, held := r.holdBack()
	s.later(held)
	if len(r) == 0 {
		return true
	}
	a, err := s.post(b, r)
	switch {
	case err != nil:
		s.failed(r, err, 0)
		return false
	case a.accepted():
		s.accept(b, r, int64(r.entries()))
		return true
	case a.status == http.StatusBadRequest:
		return s.badRequest(b, r, a)
	case a.status == http.StatusRequestEntityTooLarge:
		if first, second, ok := r.split(); ok {
			return s.sendAll(b, first, second)
		}
		s.refuse(b, r, reasonTooLarge, a.body)
		return true
	case a.status == http.StatusTooManyRequests:
		return s.tooMany(b, r, a)
	case a.retryable():
		s.failed(r, &statusError{a, b.tenant}, a.retryAfter)
		return false
	default:
		s.refuse(b, r, reasonRequest, (&statusError{a, b.tenant}).Error())
		return true
	}
}

func (s *sending) sendAll(b *batch, requests ...request) bool {
	for i, r := range requests {
		if !s.send(b, r) {
			for _, rest := range requests[i+1:] {
				s.later(rest)
			}
			return false
		}
	}
	return true
}

// badRequest refuses the entries that Loki names and considers the rest stored. An answer that is not Loki's says nothing about the rest,
// and an ambiguous one is not exact enough for a dead letter. Then the request is sent again in halves, which Loki does not store twice,
// until the refused entries are alone.
func (s *sending) badRequest(b *batch, r request, a answer) bool {
	refusals, understood := refusal.Parse(a.body)
	if !understood {
		if first, second, ok := r.split(); ok && s.splits > 0 {
			s.splits--
			return s.sendAll(b, first, second)
		}
		s.refuse(b, r, refusal.Other, a.body)
		return true
	}
	if !s.keeps() {
		s.countNamed(b, r, refusals, a.body)
		return true
	}
	if found, ok := s.verdictsOn(r, refusals); ok {
		n := s.refuseSome(b, r, found, a.body)
		s.accept(b, r, int64(r.entries())-n)
		return true
	}
	if first, second, ok := r.split(); ok && s.narrow > 0 {
		s.narrow--
		return s.sendAll(b, first, second)
	}
	s.refuse(b, r, refusals[0].Reason, "Loki accepted some of these entries: "+a.body)
	return true
}

// countNamed counts the entries that Loki names.
func (s *sending) countNamed(b *batch, r request, refusals []refusal.Refusal, example string) {
	left := int64(r.entries())
	for _, f := range refusals {
		n := int64(f.Count)
		if at := r.find(f.Stream); f.WholeStream && at >= 0 {
			n = int64(r[at].to - r[at].from)
		}
		n = min(left, n)
		left -= n
		s.refused += n
		s.refusal = example
		s.exporter.logRefusal(s.ctx, f.Reason, n, example)
	}
	s.accept(b, r, left)
}

// tooMany handles a 429. If it is about the tenant's rate, it applies to all following entries; if it is about one stream, only to that
// one, but Loki names at most one of several streams, so several are sent again one by one.
func (s *sending) tooMany(b *batch, r request, a answer) bool {
	refusals, understood := refusal.Parse(a.body)
	oneStream := understood && (refusals[0].Reason == refusal.StreamLimit || refusals[0].Reason == refusal.StreamRate)
	if oneStream && len(r) > 1 {
		return s.sendAll(b, r.byStream()...)
	}
	s.failed(r, &statusError{a, b.tenant}, a.retryAfter)
	if !oneStream {
		return false
	}
	if refusals[0].Reason == refusal.StreamLimit {
		b.limit.Full(r[0].stream.Stream, s.now)
	}
	r[0].stream.failed = true
	return true
}

// post encodes and sends.
func (s *sending) post(b *batch, r request) (answer, error) {
	if err := s.ctx.Err(); err != nil {
		return answer{}, err
	}
	s.plain = s.encode(s.plain[:0], r)
	body, err := s.exporter.pusher.encode(s.compressed, s.plain)
	if err != nil {
		return answer{}, err
	}
	s.compressed = body
	a, err := s.exporter.pusher.post(s.ctx, b.tenant, body, s.exporter.now)
	if err != nil {
		s.compressed = nil // without an answer the transport may still read it
		return answer{}, err
	}
	s.bytes += int64(len(body))
	return a, nil
}

func (s *sending) encode(dst []byte, r request) []byte {
	for _, part := range r {
		s.entries = s.entries[:0]
		for _, e := range part.entries() {
			s.entries = append(s.entries, pushrequest.Entry{Nanos: e.nanos, Body: s.arena[e.start:e.end]})
		}
		dst = pushrequest.AppendStream(dst, part.stream.Labels, s.entries)
	}
	clear(s.entries)
	return dst
}

func bytesOf(entries []entry) (n int) {
	for i := range entries {
		n += entries[i].end - entries[i].start
	}
	return n
}

// accept notes that Loki has n of r's entries.
func (s *sending) accept(b *batch, r request, n int64) {
	s.accepted += n
	if n == 0 {
		return
	}
	for _, part := range r {
		entries := part.entries()
		b.limit.Accepted(part.stream.Stream, entries[len(entries)-1].nanos, bytesOf(entries), s.now)
	}
}

// failed notes that r is to be sent again, and why.
func (s *sending) failed(r request, err error, retryIn time.Duration) {
	var status *statusError
	s.answered = (s.err == nil || s.answered) && errors.As(err, &status)
	s.err = errors.Join(s.err, err)
	s.retryIn = max(s.retryIn, retryIn)
	s.later(r)
}

// later notes that r is to be sent again.
func (s *sending) later(r request) {
	for _, part := range r {
		part.stream.failed = true
	}
	s.note(r)
}

// note adds the records of r to the open ones.
func (s *sending) note(r request) {
	if s.resend == nil {
		s.resend = make(map[int32]int64)
	}
	for _, part := range r {
		for _, e := range part.entries() {
			if e.nudged {
				s.resend[e.record] = e.nanos
			} else if _, ok := s.resend[e.record]; !ok {
				s.resend[e.record] = 0
			}
		}
	}
}

// result is the result of the push: nil if nothing is left to do, an error with the records to send again, or a permanent one if
// everything was refused and nothing is in a dead letter. Entries that the configuration discards are no error, whatever else is in the push: a follower
// would send its range again record by record, and write each to the dead letter.
func (s *sending) result(ld plog.Logs) error {
	if s.err == nil {
		if s.refused > s.unwanted && s.accepted == 0 && len(s.aside) == 0 {
			return consumererror.NewPermanent(errors.New(s.refusal))
		}
		return nil
	}
	err := s.err
	if s.retryIn > 0 {
		err = exporterhelper.NewThrottleRetry(err, s.retryIn)
	}
	if len(s.resend) == int(s.records) {
		return err
	}
	return consumererror.NewLogs(err, pick(ld, s.resend))
}
