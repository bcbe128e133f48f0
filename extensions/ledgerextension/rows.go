package ledgerextension

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/penstockhq/penstock/internal/ledger"
)

// query is the scope of an answer; empty and zero values mean everything.
type query struct {
	signal, tenant string
	from, to       time.Time
	view           ledger.View
	confined       bool // to tenant: the answer has no positions, which are about all tenants
}

// wants says whether a cell belongs in the answer. A cell without its own hour does if the range is open on its side.
func (q *query) wants(k ledger.Key) bool {
	if q.tenant != "" && k.Tenant != q.tenant {
		return false
	}
	switch k.Hour {
	case ledger.Earlier:
		return q.from.IsZero()
	case ledger.Later:
		return q.to.IsZero()
	}
	return (q.from.IsZero() || !k.Hour.Time().Before(q.from)) && (q.to.IsZero() || k.Hour.Time().Before(q.to))
}

// answer is what GET /v1/ledger returns.
type answer struct {
	By       string     `json:"by"`
	Balanced bool       `json:"balanced"`
	Rows     []row      `json:"rows"`
	Created  []created  `json:"created"`
	Position []position `json:"partitions"`
	Missing  []missing  `json:"missing"`
}

// row is the fate of the items of one signal, tenant and hour. Every sink receives all of them, so the stored, folded, dropped and buffered items
// of all sinks together are received times the number of sinks.
type row struct {
	Signal   string              `json:"signal"`
	Tenant   string              `json:"tenant"`
	Hour     string              `json:"hour"`
	Received int64               `json:"received"`
	Stored   map[string]int64    `json:"stored"`
	Folded   int64               `json:"folded"`
	Dropped  map[string]int64    `json:"dropped"`
	Buffered int64               `json:"buffered"`
	Sinks    map[string]*sinkRow `json:"sinks"`

	key ledger.Key
}

// sinkRow is a row's part for one sink: received = stored + folded + dropped + buffered + unseen, unless some are unaccounted.
type sinkRow struct {
	Stored   int64            `json:"stored"`
	Folded   int64            `json:"folded"`
	Dropped  map[string]int64 `json:"dropped"`
	Buffered int64            `json:"buffered"`
	// Unseen items reached other sinks only: they are from before this one's ledger, or this sink lost them.
	Unseen      int64 `json:"unseen"`
	Unaccounted int64 `json:"unaccounted"`

	received int64 // by this sink, buffered items included
}

// created counts items that a sink was sent and no client had sent.
type created struct {
	Signal  string           `json:"signal"`
	Sink    string           `json:"sink"`
	Hour    string           `json:"hour"`
	Stored  int64            `json:"stored"`
	Dropped map[string]int64 `json:"dropped"`
}

// position is a sink's progress in a partition of the journal.
type position struct {
	Signal    string `json:"signal"`
	Sink      string `json:"sink"`
	Partition int32  `json:"partition"`
	// Since is the offset at which the ledger begins, Next the one up to which it counts; the journal holds the records from Start up to End.
	Since       int64 `json:"since"`
	Next        int64 `json:"next"`
	Start       int64 `json:"start"`
	End         int64 `json:"end"`
	LostRecords int64 `json:"lost_records"`
}

// missing is a part of the counts that the answer lacks.
type missing struct {
	Signal    string `json:"signal"`
	Sink      string `json:"sink,omitempty"`
	Partition *int32 `json:"partition,omitempty"`
	From      *int64 `json:"from_offset,omitempty"`
	To        *int64 `json:"to_offset,omitempty"`
	Why       string `json:"why"`
}

// place is a partition of the journal, with the books of all sinks.
type place struct {
	journal string
	index   int32
}

// sheet is a sink's book of a place.
type sheet struct {
	source ledger.Source
	ledger.Partition
	buffered map[ledger.Key]int64
}

// rows adds up the books of all followers.
func (l *ledgerExtension) rows(ctx context.Context, q query) *answer {
	a := &answer{By: "receipt", Balanced: true, Rows: []row{}, Created: []created{}, Position: []position{}, Missing: []missing{}}
	if q.view == ledger.ByEvent {
		a.By = "event"
	}
	places := l.gather(ctx, q, a)
	all := map[string]map[ledger.Key]*row{} // by signal
	for _, at := range slices.SortedFunc(maps.Keys(places), func(a, b place) int { return cmp.Or(cmp.Compare(a.journal, b.journal), cmp.Compare(a.index, b.index)) }) {
		sheets := places[at]
		l.buffer(ctx, q, at, sheets, a)
		signal := sheets[0].source.Signal()
		if all[signal] == nil {
			all[signal] = map[ledger.Key]*row{}
		}
		add(all[signal], signal, q, sheets)
		for _, s := range sheets {
			if why := s.without(q); why != "" {
				a.Missing = append(a.Missing, missing{Signal: signal, Sink: s.source.Sink(), Partition: &s.Index, Why: why})
			}
		}
		for _, s := range sheets {
			for h, c := range s.Book.Created() {
				if q.tenant == "" && q.wants(ledger.Key{Hour: h}) {
					a.Created = append(a.Created, created{Signal: signal, Sink: s.source.Sink(), Hour: h.String(), Stored: c.Stored, Dropped: orEmpty(c.Dropped)})
				}
			}
		}
	}
	for _, signal := range slices.Sorted(maps.Keys(all)) {
		for _, k := range slices.SortedFunc(maps.Keys(all[signal]), func(a, b ledger.Key) int { return cmp.Or(cmp.Compare(a.Hour, b.Hour), cmp.Compare(a.Tenant, b.Tenant)) }) {
			r := all[signal][k]
			r.finish()
			for _, s := range r.Sinks {
				a.Balanced = a.Balanced && s.Unaccounted == 0
			}
			a.Rows = append(a.Rows, *r)
		}
	}
	a.Created = joined(a.Created)
	if q.confined {
		a.Position = []position{}
	}
	return a
}

// joined adds up the created items of partitions by signal, sink and hour.
func joined(all []created) []created {
	var sums []created
	for _, c := range all {
		i := slices.IndexFunc(sums, func(s created) bool { return s.Signal == c.Signal && s.Sink == c.Sink && s.Hour == c.Hour })
		if i < 0 {
			c.Dropped = maps.Clone(c.Dropped)
			sums = append(sums, c)
			continue
		}
		sums[i].Stored += c.Stored
		for reason, n := range c.Dropped {
			sums[i].Dropped[reason] += n
		}
	}
	return append([]created{}, sums...)
}

func orEmpty(m map[string]int64) map[string]int64 {
	if m == nil {
		return map[string]int64{}
	}
	return m
}

// gather collects the books of all followers.
func (l *ledgerExtension) gather(ctx context.Context, q query, a *answer) map[place][]*sheet {
	places := map[place][]*sheet{}
	for _, s := range l.all() {
		if q.signal != "" && s.Signal() != q.signal {
			continue
		}
		parts, err := s.All(ctx)
		if err != nil {
			a.Missing = append(a.Missing, missing{Signal: s.Signal(), Sink: s.Sink(), Why: err.Error()})
			continue
		}
		for _, p := range parts {
			if p.Book == nil {
				a.Missing = append(a.Missing, missing{Signal: s.Signal(), Sink: s.Sink(), Partition: &p.Index, Why: p.Missing})
				continue
			}
			a.Position = append(a.Position, position{Signal: s.Signal(), Sink: s.Sink(), Partition: p.Index, Since: p.Book.First, Next: p.Book.Next,
				Start: p.Start, End: p.End, LostRecords: p.Book.Lost})
			at := place{s.Journal(), p.Index}
			places[at] = append(places[at], &sheet{source: s, Partition: p, buffered: map[ledger.Key]int64{}})
		}
	}
	return places
}

// buffer counts the journal's items after the books, in one reading for all sinks.
func (l *ledgerExtension) buffer(ctx context.Context, q query, at place, sheets []*sheet, a *answer) {
	first, end := sheets[0].Book.Next, sheets[0].End
	for _, s := range sheets {
		first, end = min(first, s.Book.Next), max(end, s.End)
	}
	first = max(first, sheets[0].Start)
	if first >= end {
		return
	}
	upTo, err := first, error(nil)
	if l.cfg.MaxScan > 0 {
		upTo, err = sheets[0].source.Scan(ctx, at.index, first, end, l.cfg.MaxScan, func(offset int64, c ledger.Content) {
			for _, s := range sheets {
				if offset >= s.Book.Next {
					c.Each(q.view, func(k ledger.Key, items int64) { s.buffered[k] += items })
				}
			}
		})
	}
	if upTo >= end && err == nil {
		return
	}
	why := fmt.Sprintf("buffered records that were not counted: more than max_scan (%d bytes)", l.cfg.MaxScan)
	if err != nil {
		why = "buffered records that were not counted: " + err.Error()
	}
	m := missing{Signal: sheets[0].source.Signal(), Partition: &at.index, From: &upTo, To: &end, Why: why}
	if q.confined {
		m.From, m.To = nil, nil
	}
	a.Missing = append(a.Missing, m)
}

// add adds the sheets of one place to the rows of their signal. The received number is that of the sink that knows most, because all sinks read the
// same journal.
func add(rows map[ledger.Key]*row, signal string, q query, sheets []*sheet) {
	received := map[ledger.Key]int64{}
	for _, s := range sheets {
		own := map[ledger.Key]int64{}
		of := func(k ledger.Key) *sinkRow {
			r := rows[k]
			if r == nil {
				r = &row{Signal: signal, Tenant: k.Tenant, Hour: k.Hour.String(), Stored: map[string]int64{}, Dropped: map[string]int64{}, Sinks: map[string]*sinkRow{}, key: k}
				rows[k] = r
			}
			c := r.Sinks[s.source.Sink()]
			if c == nil {
				c = &sinkRow{Dropped: map[string]int64{}}
				r.Sinks[s.source.Sink()] = c
			}
			return c
		}
		for k, c := range s.Book.Cells(q.view) {
			if !q.wants(k) {
				continue
			}
			sr := of(k)
			sr.Stored += c.Stored
			sr.Folded += c.Folded
			for reason, n := range c.Dropped {
				sr.Dropped[reason] += n
			}
			sr.Unaccounted += c.Unaccounted()
			own[k] += c.Received
		}
		for k, n := range s.buffered {
			if q.wants(k) {
				of(k).Buffered += n
				own[k] += n
			}
		}
		for k, n := range own {
			of(k).received += n
			received[k] = max(received[k], n)
		}
	}
	for k, n := range received {
		rows[k].Received += n
		for _, s := range sheets { // A sink without a part of the row has not seen it.
			if c := rows[k].Sinks[s.source.Sink()]; c == nil {
				rows[k].Sinks[s.source.Sink()] = &sinkRow{Dropped: map[string]int64{}}
			}
		}
	}
}

// without says why a book may have items of the range that the answer lacks: hours that it does not keep apart are in the rows "earlier" and "later", which
// are in an answer whose range is open on their side.
func (s *sheet) without(q query) string {
	oldest, earlier, later := ledger.Later, false, false
	for k := range s.Book.Cells(q.view) {
		mine := q.tenant == "" || k.Tenant == q.tenant
		switch k.Hour {
		case ledger.Earlier:
			earlier = earlier || mine
		case ledger.Later:
			later = later || mine
		default:
			oldest = min(oldest, k.Hour)
		}
	}
	if earlier && !q.from.IsZero() && (oldest == ledger.Later || q.from.Before(oldest.Time())) {
		return fmt.Sprintf("hours before %s are counted in one row, %s, which an answer has without from", oldest, ledger.Earlier)
	}
	if later && q.to.After(time.Now().Add(time.Hour)) {
		return fmt.Sprintf("hours of the future are counted in one row, %s, which an answer has without to", ledger.Later)
	}
	return ""
}

// finish sums up the sinks.
func (r *row) finish() {
	for name, s := range r.Sinks {
		s.Unseen = r.Received - s.received
		r.Stored[name] = s.Stored
		r.Folded += s.Folded
		r.Buffered += s.Buffered
		for reason, n := range s.Dropped {
			r.Dropped[reason] += n
		}
	}
}
