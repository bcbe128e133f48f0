package target

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Flags in the answer of /api/v1/status/flags. The second is embedded_tsdb's: its deletion first moves affected data out of the head.
const (
	flagAdmin       = "web.enable-admin-api"
	flagCompacts    = "storage.tsdb.delete-compacts-head"
	rollupLabel     = "rollup_window"
	emptyHeadMillis = math.MaxInt64
	blockMillis     = 2 * 3600 * 1000
)

// Prometheus is a Prometheus, or an embedded_tsdb.
type Prometheus struct {
	Label  string
	URL    string // without a path
	Client *http.Client
	MaxAge time.Duration // 0: the age that the store reports
	// TenantLabel is the label that separates tenants; empty: none.
	TenantLabel string
}

var _ Target = (*Prometheus)(nil)

// Name implements Target.
func (p *Prometheus) Name() string { return p.Label }

// Oldest implements Target: a sample may be older than the newest of all series by the out-of-order window.
func (p *Prometheus) Oldest(ctx context.Context, now time.Time) (time.Time, string, error) {
	var answer struct{ YAML string }
	if err := p.get(ctx, "/api/v1/status/config", nil, &answer); err != nil {
		return time.Time{}, "", err
	}
	window, err := outOfOrderWindow(answer.YAML)
	if err != nil {
		return time.Time{}, "", err
	}
	head, err := p.head(ctx)
	if err != nil {
		return time.Time{}, "", err
	}
	var oldest time.Time
	why := ""
	if head.MinTime != emptyHeadMillis { // An empty head accepts anything.
		newest := time.UnixMilli(head.MaxTime).UTC()
		oldest = newest.Add(-window)
		why = fmt.Sprintf("storage.tsdb.out_of_order_time_window is %s, and its newest sample is from %s", window, newest.Format(time.RFC3339))
	}
	oldest, why = bounded(oldest, why, now, p.MaxAge)
	return oldest, why, nil
}

func outOfOrderWindow(text string) (time.Duration, error) {
	var conf struct {
		Storage struct {
			TSDB struct {
				Window duration `yaml:"out_of_order_time_window"`
			} `yaml:"tsdb"`
		} `yaml:"storage"`
	}
	if err := yaml.Unmarshal([]byte(text), &conf); err != nil {
		return 0, fmt.Errorf("its configuration: %w", err)
	}
	return conf.Storage.TSDB.Window.or(0), nil
}

type headStats struct{ MinTime, MaxTime int64 }

func (p *Prometheus) head(ctx context.Context) (headStats, error) {
	var answer struct{ HeadStats headStats }
	err := p.get(ctx, "/api/v1/status/tsdb", url.Values{"limit": {"1"}}, &answer)
	return answer.HeadStats, err
}

// CanReplace implements Target. Prometheus deletes in its head by tombstones, which also hide later samples of that time until the head
// becomes a block; so the range must have left the head. An embedded_tsdb writes the head's two-hour blocks to disk before it deletes,
// except the last one: its chunks are open, and if one were cut in two, a restart would bring the deleted half back.
func (p *Prometheus) CanReplace(ctx context.Context, _, to time.Time) error {
	var flags map[string]string
	if err := p.get(ctx, "/api/v1/status/flags", nil, &flags); err != nil {
		return fmt.Errorf("%s did not answer: %w", p.Label, err)
	}
	if flags[flagAdmin] != "true" {
		return fmt.Errorf("%w: the admin API of %s is off: start Prometheus with --web.enable-admin-api, set admin_api on embedded_tsdb", ErrCannotReplace, p.Label)
	}
	head, err := p.head(ctx)
	if err != nil {
		return fmt.Errorf("%s did not answer: %w", p.Label, err)
	}
	if head.MinTime == emptyHeadMillis {
		return nil
	}
	compacts := flags[flagCompacts] == "true"
	begins := head.MinTime // beginning of the time that can't be replaced
	if compacts {
		begins = head.MaxTime - head.MaxTime%blockMillis
	}
	if to.UnixMilli() < begins {
		return nil
	}
	shown := time.UnixMilli(begins).UTC()
	if compacts {
		return fmt.Errorf("%w: %s holds samples newer than %s in its head, in the two-hour block that it is still writing; a deletion there would also hide the replayed "+
			"samples, and a restart would bring the deleted ones back. Let the range end before %s (the rollup of a window that ends then is stamped with that time), "+
			"or create the job after samples of %s have arrived: then the block is finished", ErrCannotReplace, p.Label, shown.Format(time.RFC3339), shown.Format(time.RFC3339), shown.Add(blockMillis*time.Millisecond).Format(time.RFC3339))
	}
	return fmt.Errorf("%w: %s holds samples newer than %s in its head, where a deletion also hides samples that are written afterwards; "+
		"let the range end before that time, or wait until the head has become a block (two to three hours)", ErrCannotReplace, p.Label, shown.Format(time.RFC3339))
}

// Replace implements Target. It also makes the store clean the blocks: if they have tombstones, queries that end in a deleted range fail
// (a panic in Prometheus 3.13).
func (p *Prometheus) Replace(ctx context.Context, match []string, from, to time.Time, fence Fence) error {
	type deletion struct {
		selector   string
		start, end int64 // both included, as in the API
	}
	var all []deletion
	for _, m := range match {
		all = append(all, deletion{narrow(m, rollupLabel+`=""`), from.UnixMilli(), to.UnixMilli() - 1},
			deletion{narrow(m, rollupLabel+`!=""`), from.UnixMilli() + 1, to.UnixMilli()})
	}
	for _, d := range all {
		form := url.Values{"match[]": {d.selector}, "start": {seconds(d.start)}, "end": {seconds(d.end)}}
		if err := p.delete(ctx, form, fence); err != nil {
			return fmt.Errorf("delete in %s: %w", p.Label, err)
		}
	}
	if err := p.post(ctx, "/api/v1/admin/tsdb/clean_tombstones", nil, nil); err != nil {
		return fmt.Errorf("clean the blocks of %s: %w", p.Label, err)
	}
	for _, d := range all {
		left, err := p.count(ctx, d.selector, d.start, d.end)
		if err != nil {
			return fmt.Errorf("check whether %s has deleted all samples: %w", p.Label, err)
		}
		if left > 0 {
			return fmt.Errorf("%w: %s still has %d samples of %s: they arrived out of order and are in its head; "+
				"retry when the head has become a block (two hours)", ErrLeft, p.Label, left, d.selector)
		}
	}
	return nil
}

// narrow adds a matcher to a selector.
func narrow(selector, matcher string) string {
	s := strings.TrimSpace(selector)
	if !strings.HasSuffix(s, "}") {
		return s + "{" + matcher + "}"
	}
	s = strings.TrimRight(strings.TrimSuffix(s, "}"), " ,")
	if !strings.HasSuffix(s, "{") {
		s += ","
	}
	return s + matcher + "}"
}

func seconds(ms int64) string { return strconv.FormatFloat(float64(ms)/1000, 'f', 3, 64) }

// count returns how many samples selector has from start to end, both included.
func (p *Prometheus) count(ctx context.Context, selector string, start, end int64) (int64, error) {
	query := fmt.Sprintf("sum(count_over_time(%s[%dms]))", selector, end-start+1)
	var answer struct {
		Result []struct{ Value [2]any }
	}
	if err := p.post(ctx, "/api/v1/query", url.Values{"query": {query}, "time": {seconds(end)}}, &answer); err != nil {
		return 0, err
	}
	if len(answer.Result) == 0 {
		return 0, nil
	}
	text, _ := answer.Result[0].Value[1].(string)
	n, err := strconv.ParseFloat(text, 64)
	return int64(n), err
}

func (p *Prometheus) get(ctx context.Context, path string, query url.Values, data any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	return p.do(req, data)
}

func (p *Prometheus) post(ctx context.Context, path string, form url.Values, data any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return p.do(req, data)
}

// delete sends a deletion, which must not be sent after its fence has ended.
func (p *Prometheus) delete(ctx context.Context, form url.Values, fence Fence) error {
	until, err := fence(ctx)
	if err != nil {
		return err
	}
	text := form.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+"/api/v1/admin/tsdb/delete_series", &fenced{strings.NewReader(text), until})
	if err != nil {
		return err
	}
	req.ContentLength = int64(len(text))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return p.do(req, nil)
}

// fenced is a body whose Read fails when it is too late. The headers may have been sent before: without selectors a store deletes nothing.
type fenced struct {
	io.Reader
	until time.Time
}

func (f *fenced) Read(p []byte) (int, error) {
	// Both clocks are checked: one stands still while a machine is suspended, the other can be set.
	if now := time.Now(); now.After(f.until) || now.Round(0).After(f.until.Round(0)) {
		return 0, ErrLate
	}
	return f.Reader.Read(p)
}

func (p *Prometheus) do(req *http.Request, data any) error {
	body, err := read(p.Client.Do(req))
	if err != nil || data == nil {
		return err
	}
	answer := struct{ Data any }{data}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("%s: %w", req.URL.Path, err)
	}
	return nil
}
