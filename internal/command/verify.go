package command

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstockhq/penstock/internal/command/internal/adminclient"
	"github.com/penstockhq/penstock/internal/command/internal/lake"
	"github.com/penstockhq/penstock/internal/command/internal/verify"
	"github.com/penstockhq/penstock/internal/lakestore/bucket"
	"github.com/penstockhq/penstock/internal/lakestore/place"
	"github.com/penstockhq/penstock/internal/ledger"
)

// verifying are the flags of the verify command.
type verifying struct {
	hour, signal, tenant string
	hours                int
	admin                adminFlags
	lakes, lokis, proms  []string
	logsql               []string
	selector             string
	storeHeaders         []string
	tenantHeaders        []string
	timeout              time.Duration
}

func newVerifyCommand() *cobra.Command {
	v := &verifying{}
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Counts the items that the stores hold of an hour, and compares them with the ledger",
		Long: `Asks the stores what they hold of an hour (of the items' own times), and compares it with the ledger of a
running collector. Where a store holds less than the ledger has stored, it says how many items are missing
and prints the replay job that fills the gap. It changes nothing.

The sinks lake, tsdb, logs and loki are looked for where PENSTOCK_LAKE_URL, PENSTOCK_DATA_DIR, PENSTOCK_TSDB_ENDPOINT,
PENSTOCK_QUERY_ENDPOINT and PENSTOCK_LOKI_URL say. Other sinks, and other places, are named by flags: --prometheus remote_write=http://...

It ends with 0 when every store holds what the ledger says, and with 1 otherwise.`,
		Example: "  penstock verify                                    the hour before last\n  penstock verify --hour 2026-11-30T05:00:00Z --prometheus remote_write=http://mimir/prometheus",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return v.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&v.hour, "hour", "", "the first `hour`, RFC 3339; default: the hour before last")
	f.IntVar(&v.hours, "hours", 1, "how many hours")
	f.StringVar(&v.signal, "signal", "", "metrics, logs or traces (default all)")
	f.StringVar(&v.tenant, "tenant", "", "one tenant (default all)")
	v.admin.declare(f)
	f.StringArrayVar(&v.lakes, "lake", nil, "[sink=]`url` or directory of a lake")
	f.StringArrayVar(&v.proms, "prometheus", nil, "[sink=]`url` of a store that answers PromQL")
	f.StringArrayVar(&v.lokis, "loki", nil, "[sink=]`url` of a Loki")
	f.StringArrayVar(&v.logsql, "logsql", nil, "[sink=]`url` of an embedded_logs")
	f.StringVar(&v.selector, "loki-selector", `{service_name=~".+"}`, "LogQL `selector` of all streams")
	f.StringArrayVar(&v.storeHeaders, "store-header", nil, "sink=`Name: value`: a header for the store of that sink alone, such as remote_write=Authorization: Bearer KEY")
	f.StringArrayVar(&v.tenantHeaders, "tenant-header", nil, "sink=`Name`: a store that answers PromQL distinguishes tenants by this header, as Mimir does: remote_write=X-Scope-OrgID")
	f.DurationVar(&v.timeout, "timeout", time.Minute, "timeout of one query")
	return cmd
}

func (v *verifying) run(cmd *cobra.Command) error {
	first, err := v.first(time.Now())
	if err != nil {
		return err
	}
	if v.signal != "" && !slices.Contains([]string{"metrics", "logs", "traces"}, v.signal) {
		return fmt.Errorf("--signal: %q is not metrics, logs or traces", v.signal)
	}
	admin, err := adminclient.Address(v.admin.url)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: v.timeout}
	header, err := adminclient.Header(v.admin.headers)
	if err != nil {
		return err
	}
	asked := &verify.Ledger{URL: admin, Client: client, Header: header}
	stores, err := v.stores(asked, client)
	if err != nil {
		return err
	}
	var all verify.Result
	for i := range v.hours {
		hour := first.Add(time.Duration(i) * time.Hour)
		_, _ = fmt.Fprintln(cmd.OutOrStdout(), hour.Format(time.RFC3339))
		r, err := verify.Run(cmd.Context(), cmd.OutOrStdout(), verify.Settings{Ledger: asked, Stores: stores, Hour: hour, Signal: v.signal, Tenant: v.tenant})
		if err != nil {
			return err
		}
		if end := hour.Add(time.Hour); r.Gaps > 0 && time.Now().Before(end) {
			_, _ = fmt.Fprintf(cmd.OutOrStdout(), "this hour is not over: a job into a pipeline with rollups can fill its gaps after %s\n", end.Format(time.RFC3339))
		}
		all.Compared, all.Gaps, all.Unknown = all.Compared+r.Compared, all.Gaps+r.Gaps, all.Unknown+r.Unknown
	}
	switch {
	case all.Gaps > 0:
		return fmt.Errorf("%d gaps", all.Gaps)
	case all.Unknown > 0:
		return fmt.Errorf("%d things could not be checked", all.Unknown)
	case all.Compared == 0 && time.Since(first) > ledger.MaxHours*time.Hour:
		return fmt.Errorf("the ledger has nothing of that time: it keeps the latest %d hours apart", ledger.MaxHours)
	case all.Compared == 0:
		_, _ = fmt.Fprintln(cmd.OutOrStdout(), "the ledger has nothing of that time")
	}
	return nil
}

// first returns the first hour.
func (v *verifying) first(now time.Time) (time.Time, error) {
	if v.hours < 1 {
		return now, errors.New("--hours: must be at least 1")
	}
	if v.hour == "" {
		return now.UTC().Truncate(time.Hour).Add(-2 * time.Hour), nil
	}
	t, err := time.Parse(time.RFC3339, v.hour)
	if err != nil || !t.Equal(t.Truncate(time.Hour)) {
		return t, fmt.Errorf("--hour: %q is not a whole hour such as 2026-11-30T05:00:00Z", v.hour)
	}
	return t.UTC(), nil
}

// stores are the stores that the flags and variables name.
func (v *verifying) stores(l *verify.Ledger, client *http.Client) (map[string]verify.Store, error) {
	all := map[string]verify.Store{"tsdb": &verify.Prometheus{URL: "http://" + cmp.Or(os.Getenv("PENSTOCK_TSDB_ENDPOINT"), "127.0.0.1:9090"), Header: l.Header, Client: client}}
	all["logs"] = &verify.Logs{URL: "http://" + cmp.Or(os.Getenv("PENSTOCK_QUERY_ENDPOINT"), "127.0.0.1:9428"), Header: l.Header, Client: client}
	root := cmp.Or(os.Getenv("PENSTOCK_LAKE_URL"), filepath.Join(cmp.Or(os.Getenv(dataDirVariable), defaultDataDir), "lake"))
	if root != "off" {
		files, err := lakeAt(root)
		if err != nil {
			return nil, fmt.Errorf("PENSTOCK_LAKE_URL: %w", err)
		}
		all["lake"] = &verify.Lake{Files: files, Ledger: l, Sink: "lake"}
	}
	if url := os.Getenv("PENSTOCK_LOKI_URL"); url != "" {
		all["loki"] = &verify.Loki{URL: url, Selector: v.selector, Client: client}
	}
	for _, kind := range []struct {
		flag, sink string
		given      []string
		make       func(sink, place string) (verify.Store, error)
	}{
		{"lake", "lake", v.lakes, func(sink, place string) (verify.Store, error) {
			files, err := lakeAt(place)
			return &verify.Lake{Files: files, Ledger: l, Sink: sink}, err
		}},
		{"prometheus", "tsdb", v.proms, func(sink, place string) (verify.Store, error) {
			store := &verify.Prometheus{URL: place, Client: client}
			if sink == "tsdb" { // of the collector: with API keys it needs one, too. Other servers must not see it.
				store.Header = l.Header
			}
			return store, nil
		}},
		{"logsql", "logs", v.logsql, func(_, place string) (verify.Store, error) {
			return &verify.Logs{URL: place, Header: l.Header, Client: client}, nil
		}},
		{"loki", "loki", v.lokis, func(_, place string) (verify.Store, error) {
			return &verify.Loki{URL: place, Selector: v.selector, Client: client}, nil
		}},
	} {
		for _, text := range kind.given {
			sink, place, named := strings.Cut(text, "=")
			if !named || strings.ContainsAny(sink, ":/") {
				sink, place = kind.sink, text
			}
			store, err := kind.make(sink, place)
			if err != nil {
				return nil, fmt.Errorf("--%s: %w", kind.flag, err)
			}
			all[sink] = store
		}
	}
	return all, v.setHeaders(all)
}

// setHeaders gives stores the headers of the flags. A header for one store is not sent to another.
func (v *verifying) setHeaders(stores map[string]verify.Store) error {
	for _, text := range v.storeHeaders {
		sink, line, _ := strings.Cut(text, "=")
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return fmt.Errorf("--store-header: %q has no sink, name and value, as in remote_write=Authorization: Bearer KEY", sink)
		}
		set := func(h http.Header) http.Header {
			h = h.Clone() // the collector's own stores share it
			if h == nil {
				h = http.Header{}
			}
			h.Add(strings.TrimSpace(name), strings.TrimSpace(value))
			return h
		}
		switch store := stores[sink].(type) {
		case *verify.Prometheus:
			store.Header = set(store.Header)
		case *verify.Loki:
			store.Header = set(store.Header)
		case *verify.Logs:
			store.Header = set(store.Header)
		default:
			return fmt.Errorf("--store-header: no store of a sink %q is asked over HTTP", sink)
		}
	}
	for _, text := range v.tenantHeaders {
		sink, name, _ := strings.Cut(text, "=")
		store, ok := stores[sink].(*verify.Prometheus)
		if !ok || name == "" {
			return fmt.Errorf("--tenant-header: %q is not the sink of a store that answers PromQL and a header, as in remote_write=X-Scope-OrgID", text)
		}
		store.TenantHeader = name
	}
	return nil
}

// lakeAt returns the files of the lake at a URL or path. Keys of an object store are searched like AWS's tools do.
func lakeAt(url string) (lake.Files, error) {
	if !bucket.Is(url) {
		root, err := place.Directory(url)
		return lake.Dir(root), err
	}
	store, err := place.Open(url, place.S3Config{})
	return lake.Objects{Store: store}, err
}
