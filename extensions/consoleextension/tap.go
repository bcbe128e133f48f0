package consoleextension

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/tap"
	"github.com/penstockhq/penstock/internal/tap/sampler"
)

const (
	// countsEvery is how often a tap says how many records passed.
	countsEvery = time.Second
	// tapPatience is how long a viewer may take for one line.
	tapPatience = 10 * time.Second
)

// TapSampler is how components find whom to show records to, and whom to offer a scrubber.
func (c *console) TapSampler() *sampler.Sampler { return c.sampler }

// serveTaps says where a tap can look.
func (c *console) serveTaps(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]any{"places": c.sampler.Hub().Places(), "scrubbers": c.sampler.Scrubbers(), "max_taps": c.sampler.Hub().MaxTaps(), "max_rate": tap.MaxRate})
}

// serveTap answers with records as they pass, one JSON line each, and every second with a line of how many passed, until the client goes or
// has its limit, or its key is revoked.
func (c *console) serveTap(w http.ResponseWriter, r *http.Request) {
	asked, err := parseTap(r.URL.Query(), access.Of(r.Context()))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if len(c.sampler.Scrubbers()) == 0 {
		http.Error(w, "nothing is shown, because no pii_scrubber runs in this collector: a tap shows what a scrubber has cleaned, and nothing else. Name pii_scrubber in a pipeline, and a tap shows records of all pipelines", http.StatusConflict)
		return
	}
	viewer, err := c.sampler.Hub().Open(asked.filter, asked.rate)
	if err != nil {
		status := http.StatusBadRequest
		if errors.Is(err, tap.ErrTooMany) {
			err, status = fmt.Errorf("%w: close one, or set max_taps of the console higher", err), http.StatusTooManyRequests
		}
		http.Error(w, err.Error(), status)
		return
	}
	defer c.sampler.Hub().Close(viewer)
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	ctx, stop := access.WhileValid(r.Context())
	defer stop()
	follow(ctx, w, viewer, asked.limit)
}

// asked is what the client wants to see.
type asked struct {
	filter tap.Filter
	rate   int
	limit  int // 0: no end
}

func parseTap(q url.Values, who access.Client) (a asked, err error) {
	a.filter = tap.Filter{Side: q.Get("side"), Kind: q.Get("kind"), Component: q.Get("component"), Signal: q.Get("signal"), Pipeline: q.Get("pipeline"), Tenant: q.Get("tenant")}
	a.filter.OneTenant = a.filter.Tenant != ""
	if own, one := who.Tenant(); one {
		if a.filter.OneTenant && a.filter.Tenant != own {
			return a, errors.New("tenant: the API key is another tenant's")
		}
		a.filter.Tenant, a.filter.OneTenant = own, true
	}
	if s := a.filter.Side; s != "" && s != tap.Before && s != tap.After {
		return a, fmt.Errorf("side: %q is neither before nor after", s)
	}
	if a.rate, err = number(q, "rate", tap.DefaultRate); err != nil {
		return a, err
	}
	a.limit, err = number(q, "limit", 0)
	return a, err
}

func number(q url.Values, name string, fallback int) (int, error) {
	text := q.Get(name)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s: %q is not a number", name, text)
	}
	return n, nil
}

// follow writes what the viewer sees until ctx ends, the client has limit records, or does not read.
func follow(ctx context.Context, w http.ResponseWriter, viewer *tap.Tap, limit int) {
	to := http.NewResponseController(w)
	write := func(line []byte) bool {
		_ = to.SetWriteDeadline(time.Now().Add(tapPatience)) // a writer that knows none has none
		if _, err := w.Write(append(line, '\n')); err != nil {
			return false
		}
		return to.Flush() == nil
	}
	counts := func() bool {
		line, err := json.Marshal(map[string]any{"counts": viewer.Counts()})
		return err == nil && write(line)
	}
	tick := time.NewTicker(countsEvery)
	defer tick.Stop()
	if !counts() {
		return
	}
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if !counts() {
				return
			}
		case line := <-viewer.Lines():
			if !write(line) {
				return
			}
			if n++; n == limit {
				counts()
				return
			}
		}
	}
}
