package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstockhq/penstock/internal/ledger"
)

// points selects one sample of each data point of the named metric: not windows and the guard's overflow streams, which no client sent. A client
// can send overflow points of its own; only the guard adds the partition.
const points = `sum(count_over_time({__name__=%q,rollup_window="",penstock_partition=""%s}[1h]))`

// noQuantiles is the part of points that leaves out the quantiles of a summary: its count has a sample of each of its points.
const noQuantiles = `,quantile=""`

// Prometheus is a store that answers PromQL.
type Prometheus struct {
	URL    string
	Header http.Header
	// TenantHeader is the header that names the tenant to a store that distinguishes them, X-Scope-OrgID for Mimir; empty: the store does not.
	TenantHeader string
	Client       *http.Client
}

// Lists implements Store.
func (p *Prometheus) Lists() bool { return false }

// Name implements Store.
func (p *Prometheus) Name() string {
	if u, err := url.Parse(p.URL); err == nil {
		return "the store at " + u.Redacted()
	}
	return "the store"
}

// Held implements Store. A store without TenantHeader does not distinguish tenants.
func (p *Prometheus) Held(ctx context.Context, _ string, hour time.Time, tenants []string) (map[string]int64, bool, error) {
	if p.TenantHeader == "" {
		all, err := p.count(ctx, hour, p.Header)
		return map[string]int64{"": all}, true, err
	}
	held := map[string]int64{}
	for _, tenant := range tenants {
		if tenant == ledger.OtherTenants { // no tenant's name
			continue
		}
		n, err := p.count(ctx, hour, with(p.Header, p.TenantHeader, tenant))
		if err != nil {
			return nil, false, err
		}
		held[tenant] = n
	}
	return held, false, nil
}

// count counts the points of an hour metric by metric: a function over a range removes the names, and then series of two metrics can be equal.
func (p *Prometheus) count(ctx context.Context, hour time.Time, header http.Header) (all int64, err error) {
	base := strings.TrimSuffix(p.URL, "/") + "/api/v1"
	names, err := p.names(ctx, base, hour, header)
	if err != nil {
		return 0, err
	}
	// A range includes its end and excludes its beginning: a range that ends a millisecond (the resolution of samples) before the next hour is the
	// hour.
	end := hour.Add(time.Hour - time.Millisecond)
	at := strconv.FormatFloat(float64(end.UnixMilli())/1000, 'f', 3, 64)
	kinds := p.kinds(ctx, base, header)
	for _, name := range names {
		if name == "target_info" || partOfPoint(name, names, kinds) {
			continue
		}
		without := ""
		if kinds[name] == "summary" || kinds[name] == "" && slices.Contains(names, name+"_count") {
			without = noQuantiles
		}
		n, err := instant(ctx, p.Client, base+"/query", fmt.Sprintf(points, name, without), at, header)
		if err != nil {
			return 0, err
		}
		all += n
	}
	return all, nil
}

// names returns the names of all metrics. Those of the hour alone would do, but a Prometheus leaves out the ones whose samples are all older than what its
// head received in order, as those of a replay are. Others look only at recent data unless they are asked for a time.
func (p *Prometheus) names(ctx context.Context, base string, hour time.Time, header http.Header) ([]string, error) {
	var all []string
	for _, query := range []url.Values{{}, {"start": {strconv.FormatInt(hour.Unix(), 10)}, "end": {strconv.FormatInt(hour.Add(time.Hour).Unix(), 10)}}} {
		var names struct{ Data []string }
		if err := get(ctx, p.Client, base+"/label/__name__/values?"+query.Encode(), header, &names); err != nil {
			return nil, err
		}
		all = append(all, names.Data...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// kinds returns the types of metrics by name, of those whose type the store knows. Many stores know none.
func (p *Prometheus) kinds(ctx context.Context, base string, header http.Header) map[string]string {
	var a struct {
		Data map[string][]struct{ Type string }
	}
	kinds := map[string]string{}
	if err := get(ctx, p.Client, base+"/metadata", header, &a); err != nil {
		return kinds
	}
	for name, all := range a.Data {
		if len(all) == 1 { // of several, any can be the right one
			kinds[name] = all[0].Type
		}
	}
	return kinds
}

// partOfPoint says whether a metric's samples belong to points of which another metric, the count, has a sample. Where the store does not know the
// type, the names decide.
func partOfPoint(name string, names []string, kinds map[string]string) bool {
	if _, own := kinds[name]; own {
		return false
	}
	for _, end := range []string{"_bucket", "_sum"} {
		if base, ok := strings.CutSuffix(name, end); ok && slices.Contains(names, base+"_count") {
			return kinds[base] == "" || kinds[base] == "histogram" || kinds[base] == "summary"
		}
	}
	return false
}

// Loki is a store that answers LogQL.
type Loki struct {
	URL string
	// Selector of all streams.
	Selector string
	Header   http.Header
	Client   *http.Client
}

// Lists implements Store.
func (l *Loki) Lists() bool { return false }

// Name implements Store.
func (l *Loki) Name() string { return "Loki" }

// tenantOfLoki is the header that names Loki's tenant.
const tenantOfLoki = "X-Scope-Orgid"

// Held implements Store. A Loki without tenants answers for every tenant with everything that it has; so does one that Header names a tenant to.
func (l *Loki) Held(ctx context.Context, _ string, hour time.Time, tenants []string) (map[string]int64, bool, error) {
	at := strconv.FormatInt(hour.Add(time.Hour).UnixNano()-1, 10) // as for Prometheus, with the resolution of entries
	ask := func(header http.Header) (int64, error) {
		return instant(ctx, l.Client, strings.TrimSuffix(l.URL, "/")+"/loki/api/v1/query", "sum(count_over_time("+l.Selector+"[1h]))", at, header)
	}
	if l.Header[tenantOfLoki] != nil {
		all, err := ask(l.Header)
		return map[string]int64{"": all}, true, err
	}
	nobody, err := ask(with(l.Header, tenantOfLoki, "nobody-has-this-name"))
	if refused, ok := errors.AsType[*statusError](err); ok && (refused.status == http.StatusUnauthorized || refused.status == http.StatusForbidden) {
		err = nil // it lets nobody read whom it does not know
	}
	if err != nil {
		return nil, false, err
	}
	if nobody > 0 {
		return map[string]int64{"": nobody}, true, nil
	}
	held := map[string]int64{}
	for _, tenant := range tenants {
		if tenant == ledger.OtherTenants { // no tenant's name
			continue
		}
		if held[tenant], err = ask(with(l.Header, tenantOfLoki, tenant)); err != nil {
			return nil, false, err
		}
	}
	return held, false, nil
}

// with is header with one more.
func with(header http.Header, name, value string) http.Header {
	all := header.Clone()
	if all == nil {
		all = http.Header{}
	}
	all.Set(name, value)
	return all
}

// instant evaluates a query at a time, in the store's format, and returns its only value; 0 if there is none.
func instant(ctx context.Context, client *http.Client, address, query, at string, header http.Header) (int64, error) {
	q := url.Values{"query": {query}, "time": {at}}
	var a struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	if err := get(ctx, client, address+"?"+q.Encode(), header, &a); err != nil {
		return 0, err
	}
	if len(a.Data.Result) == 0 {
		return 0, nil
	}
	text, _ := a.Data.Result[0].Value[1].(string)
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("the answer %v is not a number", a.Data.Result[0].Value)
	}
	return int64(n), nil
}
