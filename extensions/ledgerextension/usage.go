package ledgerextension

import (
	"cmp"
	"context"
	"encoding/csv"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/usage"
)

var _ usage.Sink = (*ledgerExtension)(nil)

// Use counts items and bytes that were written into the journal.
func (l *ledgerExtension) Use(k usage.Key, s usage.Sum) { l.meter.Use(k, s) }

// bill is the answer of GET /v1/usage.
type bill struct {
	Currency string    `json:"currency,omitempty"`
	Since    time.Time `json:"since"` // of intake and queries
	// Intake is what this gateway has written into the journal since it started, by service.
	Intake []intake `json:"intake"`
	// Queries are the queries that the stores in this process have answered since it started.
	Queries []queried `json:"queries"`
	// Series are the active series in the partitions of this process.
	Series []series `json:"series"`
	// Tenants are sums of the ledger's rows, of all gateways.
	Tenants []consumed `json:"tenants"`
	Missing []missing  `json:"missing"`
}

// intake is the intake of one service of a tenant.
type intake struct {
	Tenant  string  `json:"tenant"`
	Service string  `json:"service"`
	Signal  string  `json:"signal"`
	Items   int64   `json:"items"`
	Bytes   int64   `json:"bytes"`
	Cost    float64 `json:"cost"`
}

// consumed is the fate of a tenant's items in the requested range.
type consumed struct {
	Tenant   string           `json:"tenant"`
	Signal   string           `json:"signal"`
	Received int64            `json:"received"`
	Stored   map[string]int64 `json:"stored"` // by sink
	Folded   int64            `json:"folded"`
	Dropped  map[string]int64 `json:"dropped"` // by reason
	Cost     float64          `json:"cost"`
}

// bill adds up the ledger's answer by tenant, and the metered numbers.
func (l *ledgerExtension) bill(ctx context.Context, q query) *bill {
	b := &bill{Currency: l.cfg.Prices.Currency, Since: l.since, Intake: []intake{}, Queries: l.queriesByStore(q), Series: l.active(q), Tenants: []consumed{}}
	l.meter.Each(func(k usage.Key, s usage.Sum) {
		if (q.tenant == "" || q.tenant == k.Tenant) && (q.signal == "" || q.signal == k.Signal) {
			b.Intake = append(b.Intake, intake{k.Tenant, k.Service, k.Signal, s.Items, s.Bytes, l.cfg.Prices.intake(s.Bytes)})
		}
	})
	slices.SortFunc(b.Intake, func(x, y intake) int {
		return cmp.Or(cmp.Compare(x.Tenant, y.Tenant), cmp.Compare(x.Service, y.Service), cmp.Compare(x.Signal, y.Signal))
	})
	answer := l.rows(ctx, q)
	b.Missing = answer.Missing
	sums := map[[2]string]*consumed{}
	for i := range answer.Rows {
		r := &answer.Rows[i]
		c := sums[[2]string{r.Tenant, r.Signal}]
		if c == nil {
			c = &consumed{Tenant: r.Tenant, Signal: r.Signal, Stored: map[string]int64{}, Dropped: map[string]int64{}}
			sums[[2]string{r.Tenant, r.Signal}] = c
		}
		c.Received += r.Received
		c.Folded += r.Folded
		for sink, n := range r.Stored {
			c.Stored[sink] += n
		}
		for reason, n := range r.Dropped {
			c.Dropped[reason] += n
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(sums), func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) }) {
		c := sums[key]
		c.Cost = l.cfg.Prices.items(c.Received, c.Stored)
		b.Tenants = append(b.Tenants, *c)
	}
	return b
}

// serveUsage answers GET /v1/usage, as CSV with format=csv.
func (l *ledgerExtension) serveUsage(w http.ResponseWriter, r *http.Request) {
	if !reads(w, r) || !whole(w, r) {
		return
	}
	values, err := parameters(r)
	asCSV := values.Get("format") == "csv"
	values.Del("format")
	var q query
	if err == nil {
		q, err = parse(values)
	}
	if err == nil {
		err = q.confine(access.Of(r.Context()))
	}
	if err != nil {
		answerJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), l.cfg.Timeout)
	defer cancel()
	b := l.bill(ctx, q)
	if !asCSV {
		answerJSON(w, http.StatusOK, b)
		return
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="usage.csv"`)
	w.Header().Set("Cache-Control", "no-store")
	out := csv.NewWriter(w)
	_ = out.WriteAll(b.lines()) // the client is gone
}

// lines are the bill as a table with one number per line; queries have two, their number and their time.
func (b *bill) lines() [][]string {
	all := [][]string{{"tenant", "service", "signal", "what", "of", "items", "bytes", "cost", "currency", "seconds"}}
	add := func(tenant, service, signal, what, of string, items, bytes int64, cost float64) {
		all = append(all, []string{cell(tenant), cell(service), signal, what, of, strconv.FormatInt(items, 10), strconv.FormatInt(bytes, 10), decimal(cost), b.Currency, ""})
	}
	for _, i := range b.Intake {
		add(i.Tenant, i.Service, i.Signal, "intake", "", i.Items, i.Bytes, i.Cost)
	}
	for _, s := range b.Series {
		add(s.Tenant, s.Service, "metrics", "series", cell(s.Attribute), s.Series, 0, 0)
	}
	for _, q := range b.Queries {
		add(q.Tenant, "", "", "queries", q.Store, q.Queries, 0, q.Cost)
		all[len(all)-1][9] = decimal(q.Seconds)
	}
	for _, c := range b.Tenants {
		add(c.Tenant, "", c.Signal, "received", "", c.Received, 0, c.Cost)
		for _, sink := range slices.Sorted(maps.Keys(c.Stored)) {
			add(c.Tenant, "", c.Signal, "stored", sink, c.Stored[sink], 0, 0)
		}
		add(c.Tenant, "", c.Signal, "folded", "", c.Folded, 0, 0)
		for _, reason := range slices.Sorted(maps.Keys(c.Dropped)) {
			add(c.Tenant, "", c.Signal, "dropped", reason, c.Dropped[reason], 0, 0)
		}
	}
	return all
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// cell is a text that a client chose, in a form that a spreadsheet does not take for a formula.
func cell(text string) string {
	if strings.IndexAny(text, "=+-@\t\r") == 0 {
		return "'" + text
	}
	return text
}

// observeUsage exports intake, if configured: tenants and services are names that clients choose.
func (l *ledgerExtension) observeUsage(of func(usage.Sum) int64) metric.Int64Callback {
	return func(_ context.Context, o metric.Int64Observer) error {
		if l.cfg.Usage.Metrics {
			l.meter.Each(func(k usage.Key, s usage.Sum) {
				o.Observe(of(s), metric.WithAttributes(attribute.String("service", k.Service), attribute.String("signal", k.Signal), attribute.String("tenant", k.Tenant)))
			})
		}
		return nil
	}
}
