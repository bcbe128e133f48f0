package ledgerextension

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/ledger"
	"github.com/penstockhq/penstock/internal/receipt"
)

// maxRecords bounds the records of a receipt's answer.
const maxRecords = 64

// States of a record in a sink.
const (
	stateBuffered  = "buffered"  // in the journal, not delivered, or not yet known to be delivered
	stateStored    = "stored"    // all of its items
	stateFolded    = "folded"    // all are part of a series or window that the guard or a rollup sends
	stateDropped   = "dropped"   // all were dropped, for the reasons
	statePartly    = "partly"    // not all items of the batch with which it was delivered were stored
	stateDelivered = "delivered" // nothing more is known: its batch is forgotten, or older than the ledger
	stateLost      = "lost"      // the journal deleted it before it was delivered
	stateUnknown   = "unknown"   // see why
)

// receiptAnswer is the answer of GET /v1/receipts/ID.
type receiptAnswer struct {
	ID     string `json:"id"`
	Signal string `json:"signal"`
	// Whole is false if the request is in more places than an id can hold.
	Whole   bool      `json:"whole"`
	Records []located `json:"records"`
}

// located is one record of the journal. Tenant, Hour and Items are known while the journal holds it.
type located struct {
	Partition int32                `json:"partition"`
	Offset    int64                `json:"offset"`
	InJournal bool                 `json:"in_journal"`
	Tenant    string               `json:"tenant,omitempty"`
	Hour      string               `json:"hour,omitempty"`
	Items     int64                `json:"items,omitempty"`
	Sinks     map[string]sinkState `json:"sinks"`

	asked, had bool // the ends of the journal, and whether one of them lies behind the record, or is unknown
}

// sinkState is the record's state for one sink. If the record was delivered in one batch with others, and not all items of the batch were stored,
// the counts are those of the batch, which holds the records from First up to Next.
type sinkState struct {
	State   string           `json:"state"`
	Why     string           `json:"why,omitempty"`
	Stored  int64            `json:"stored,omitempty"`
	Folded  int64            `json:"folded,omitempty"`
	Dropped map[string]int64 `json:"dropped,omitempty"`
	First   int64            `json:"first,omitempty"`
	Next    int64            `json:"next,omitempty"`
}

// serveReceipt answers GET /v1/receipts/ID.
func (l *ledgerExtension) serveReceipt(w http.ResponseWriter, r *http.Request) {
	if !reads(w, r) {
		return
	}
	id := strings.Trim(r.URL.Path, "/")
	signal, places, whole, err := receipt.Parse(id)
	if err != nil {
		answerJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	if len(l.all()) == 0 {
		answerJSON(w, http.StatusNotFound, map[string]string{"error": noJournal})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), l.cfg.Timeout)
	defer cancel()
	found := l.locate(ctx, id, signal, places, whole)
	c := access.Of(r.Context())
	if _, one := c.Tenant(); one && slices.ContainsFunc(found.Records, func(l located) bool { return !c.Sees(l.Tenant) }) {
		answerJSON(w, http.StatusNotFound, map[string]string{"error": "the API key's tenant has no such receipt, or the journal no longer holds its records"})
		return
	}
	if !slices.ContainsFunc(found.Records, func(l located) bool { return !l.asked || l.had }) {
		answerJSON(w, http.StatusNotFound, map[string]string{"error": "the journal never had a record of this receipt"})
		return
	}
	answerJSON(w, http.StatusOK, found)
}

// locate queries all followers of the signal.
func (l *ledgerExtension) locate(ctx context.Context, id, signal string, places []receipt.Place, whole bool) *receiptAnswer {
	a := &receiptAnswer{ID: id, Signal: signal, Whole: whole, Records: []located{}}
	for _, p := range places {
		for o := p.First; o < p.First+p.Records; o++ {
			if len(a.Records) == maxRecords {
				a.Whole = false
				break
			}
			a.Records = append(a.Records, located{Partition: p.Partition, Offset: o, Sinks: map[string]sinkState{}})
		}
	}
	for _, s := range l.all() {
		if s.Signal() != signal {
			continue
		}
		parts, err := s.All(ctx)
		for i := range a.Records {
			r := &a.Records[i]
			if err != nil {
				r.had = true
				r.Sinks[s.Sink()] = sinkState{State: stateUnknown, Why: err.Error()}
				continue
			}
			r.query(ctx, s, parts)
		}
	}
	return a
}

// query determines the record's state for one sink.
func (r *located) query(ctx context.Context, s ledger.Source, parts []ledger.Partition) {
	r.Sinks[s.Sink()] = sinkState{State: stateUnknown, Why: "the journal has no such partition"}
	r.asked = true
	for _, p := range parts {
		if p.Index != r.Partition {
			continue
		}
		if !r.InJournal && p.Start <= r.Offset && r.Offset < p.End {
			_, _ = s.Scan(ctx, p.Index, r.Offset, r.Offset+1, 1, func(_ int64, c ledger.Content) { // without the content, the answer has less information
				r.InJournal, r.Tenant, r.Hour, r.Items = true, c.Tenant, c.Hour.String(), c.Items
			})
		}
		r.had = r.had || r.Offset < p.End // sinks can follow different journals, or see the end at different moments
		r.Sinks[s.Sink()] = r.in(p)
	}
}

// in returns the state according to the book of a partition.
func (r *located) in(p ledger.Partition) sinkState {
	switch {
	case r.Offset >= p.End:
		return sinkState{State: stateUnknown, Why: "the journal does not have this offset"}
	case p.Book == nil:
		return sinkState{State: stateUnknown, Why: p.Missing}
	case r.Offset >= p.Book.Next && r.Offset < p.Start:
		return sinkState{State: stateLost}
	case r.Offset >= p.Book.Next:
		return sinkState{State: stateBuffered}
	case r.Offset < p.Book.First:
		return sinkState{State: stateDelivered, Why: "before the ledger began"}
	}
	exceptions, known := p.Book.Exceptions(r.Offset)
	for _, e := range exceptions {
		if r.Tenant == "" || e.Tenant == r.Tenant {
			return exceptional(e)
		}
	}
	if !known {
		return sinkState{State: stateDelivered, Why: "the ledger remembers only the latest batches that were not stored completely"}
	}
	return sinkState{State: stateStored}
}

func exceptional(e ledger.Exception) sinkState {
	s := sinkState{State: statePartly, Stored: e.Stored, Folded: e.Folded, First: e.First, Next: e.Next}
	for _, d := range e.Dropped {
		if s.Dropped == nil {
			s.Dropped = map[string]int64{}
		}
		s.Dropped[d.Reason] += d.Items
	}
	switch {
	case s.Stored == 0 && s.Folded == 0:
		s.State = stateDropped
	case s.Stored == 0 && len(s.Dropped) == 0:
		s.State = stateFolded
	}
	return s
}
