package querylimit

import (
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/penstockhq/penstock/internal/inflight"
)

// formPerQuery is how much longer than the query's text a form may be: percent-encoding takes three bytes for one, and there are other parameters.
const formPerQuery = 4

// Gate lets a bounded number of read requests run, and a bounded number wait. A request ends at its timeout, waiting included, and as soon as Close
// is called. A client that sends slowly loses its slot if others wait. Safe for concurrent use.
type Gate struct {
	slots     chan struct{}
	reading   *inflight.Readers
	waiting   atomic.Int64
	maxWait   int
	maxForm   int
	timeout   time.Duration
	refused   func(Reason)
	used      func(context.Context, time.Duration)
	closing   context.Context
	closeFunc context.CancelFunc
}

// NewGate returns a gate for at most running concurrent requests and waiting further ones; each ends after timeout. refused is called once for each
// request that the gate refuses. used is called before a request releases its slot, with the request's context and the time that it held the slot.
func NewGate(running, waiting int, timeout time.Duration, text Text, refused func(Reason), used func(context.Context, time.Duration)) *Gate {
	g := &Gate{slots: make(chan struct{}, running), reading: inflight.NewReaders(0, patience), maxWait: waiting, maxForm: formPerQuery * text.Length, timeout: timeout, refused: refused, used: used}
	g.closing, g.closeFunc = context.WithCancel(context.Background())
	return g
}

// Close cancels all running and waiting requests, and all later ones.
func (g *Gate) Close() { g.closeFunc() }

// Wait returns when no request runs, or with ctx's error. Call it after Close; nothing runs any more once it has returned nil.
func (g *Gate) Wait(ctx context.Context) error {
	for range cap(g.slots) {
		select {
		case g.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// ServeHTTP passes a request to next when it has a slot.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if !Reads(r.URL.Path) {
		next.ServeHTTP(w, r)
		return
	}
	came := time.Now()
	ctx, cancel := context.WithTimeout(r.Context(), g.timeout)
	defer cancel()
	defer context.AfterFunc(g.closing, cancel)()
	if !g.enter(ctx, w) {
		return
	}
	began := time.Now()
	defer func() {
		g.used(ctx, time.Since(began))
		<-g.slots
	}()
	r = r.WithContext(ctx)
	arrived := g.arriving(w, r, came)
	defer arrived()
	if isForm(r) {
		// Go's own bound on the body is that of remote write. Later calls find the form parsed.
		r.Body = http.MaxBytesReader(w, r.Body, int64(g.maxForm))
		var tooLarge *http.MaxBytesError
		if err := parseForm(r, int64(g.maxForm)); errors.As(err, &tooLarge) {
			g.refused(BodySize)
			answer(w, http.StatusRequestEntityTooLarge, "bad_data", (&Error{BodySize, g.maxForm}).Error())
			return
		}
	}
	if isForm(r) {
		arrived()
	}
	next.ServeHTTP(w, r)
}

// enter waits for a slot. If there is none, it answers the request and returns false.
func (g *Gate) enter(ctx context.Context, w http.ResponseWriter) bool {
	if ctx.Err() == nil {
		select {
		case g.slots <- struct{}{}:
			return true
		default:
		}
	}
	defer g.waiting.Add(-1)
	g.endSlow()
	if g.waiting.Add(1) > int64(g.maxWait) {
		g.refused(Busy)
		w.Header().Set("Retry-After", "1")
		answer(w, http.StatusServiceUnavailable, "unavailable", (&Error{Busy, g.maxWait}).Error())
		return false
	}
	tick := time.NewTicker(patience / 4)
	defer tick.Stop()
	for {
		select {
		case g.slots <- struct{}{}:
			return true
		case <-tick.C:
			g.endSlow()
		case <-ctx.Done():
			g.refused(Busy)
			w.Header().Set("Retry-After", "1")
			answer(w, http.StatusServiceUnavailable, "timeout", "the query waited for others until it timed out or was canceled (query::timeout, query::max_concurrency)")
			return false
		}
	}
}

// Reads says whether a path is a read route of the API, which parses or runs queries. Writes have their own bounds, and a stream of notifications
// lasts as long as the client wants.
func Reads(path string) bool {
	call, ok := strings.CutPrefix(path, "/api/v1/")
	if !ok {
		return false
	}
	return call != "write" && !strings.HasPrefix(call, "otlp/") && !strings.HasPrefix(call, "notifications")
}

// parseForm reads the form of either kind. The next handler reports all errors except a body that is too large.
func parseForm(r *http.Request, limit int64) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	return r.ParseMultipartForm(limit)
}

func isForm(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && (kind == "application/x-www-form-urlencoded" || kind == "multipart/form-data")
}

// answer writes an error in the form of Prometheus' API.
func answer(w http.ResponseWriter, code int, kind, text string) {
	body, err := json.Marshal(map[string]string{"status": "error", "errorType": kind, "error": text})
	if err != nil {
		http.Error(w, text, code)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(body) // the client is gone
}
