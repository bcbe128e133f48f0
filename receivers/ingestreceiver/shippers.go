package ingestreceiver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/decompress"
	"github.com/penstockhq/penstock/internal/inflight"
	"github.com/penstockhq/penstock/internal/quota/door"
	"github.com/penstockhq/penstock/internal/tenant"
)

// dialect is the protocol of a log shipper, which defines how refusals are written. text never contains data of the request.
type dialect struct {
	format string // the receiver's own counters
	fail   func(w http.ResponseWriter, req *http.Request, code int, text string)
}

// dialectOf returns the protocol of a path; nil: plain JSON.
func dialectOf(path string) *dialect {
	switch {
	case strings.HasPrefix(path, "/loki/"):
		return lokiDialect
	case path == hecPath || strings.HasPrefix(path, hecPath+"/"):
		return hecDialect
	case isElastic(path):
		return elasticDialect
	}
	return nil
}

// shipper serves the protocols of log shippers.
func (r *ingest) shipper(d *dialect, w http.ResponseWriter, req *http.Request) {
	switch d {
	case lokiDialect:
		r.serveLoki(w, req)
	case hecDialect:
		r.serveHEC(w, req)
	default:
		r.serveElastic(w, req)
	}
}

// take handles every request of a shipper: slot, body, and the answer after the pipeline has accepted it. A request uses one slot of
// max_concurrent_requests for each started max_request_body_size of its body.
func (r *ingest) take(d *dialect, w http.ResponseWriter, req *http.Request, use func(*http.Request, *batch) error) {
	if r.logs == nil && r.metrics == nil {
		d.fail(w, req, http.StatusNotFound, "this receiver is in no pipeline for logs")
		return
	}
	if _, err := tenant.Client(req.Context()); err != nil {
		r.count("tenant", 1)
		d.fail(w, req, http.StatusBadRequest, badTenant)
		return
	}
	admitted, done, err := r.door.Request(req, "")
	if err != nil {
		r.refuse(d, w, req, err)
		return
	}
	req = admitted
	p := places{hold: r.slots.Open(parties(req)...), size: int(r.cfg.HTTP.MaxRequestBodySize)}
	defer p.hold.Release()
	if err := p.grow(1); err != nil {
		done(false)
		r.refuse(d, w, req, err)
		return
	}
	kind, _, _ := mime.ParseMediaType(req.Header.Get("Content-Type")) // the protocol decides about an unknown one
	b := &batch{id: newID(), now: time.Now(), source: sourceOf(req), kind: kind, cfg: r.cfg, count: r.count}
	arrived := r.arriving(w, req)
	body, err := readWithin(req, min(int(r.cfg.Shippers.MaxBody), p.size*r.cfg.MaxConcurrent-1), p.grow)
	arrived()
	if err == nil {
		b.body = body
		err = use(req, b)
	}
	if err != nil {
		r.refuse(d, w, req, err)
	}
	done(err == nil || forGood(err))
}

var (
	errBusy     = errors.New("too many requests at once (max_concurrent_requests)")
	errUnfair   = fmt.Errorf("%w: this client or its tenant already uses its share", errBusy)
	errEmptied  = errors.New("the body can't be read: its length or encoding is wrong, or it took too long to arrive")
	errMisnamed = errors.New("the body does not match its Content-Encoding")
)

// busy is the error of a request without a free slot.
func busy(v inflight.Verdict) error {
	if v == inflight.Unfair {
		return errUnfair
	}
	return errBusy
}

// places are a request's slots of max_concurrent_requests.
type places struct {
	hold       *inflight.Hold
	size, used int
}

// grow takes slots for n further bytes, or returns errBusy or errUnfair.
func (p *places) grow(n int) error {
	for p.used += n; int(p.hold.Held())*p.size < p.used; {
		before := p.hold.Held()
		if v := p.hold.Take(1); v != inflight.Taken || p.hold.Held() == before {
			return busy(v)
		}
	}
	return nil
}

// readWithin returns the body, decompressed, of at most limit bytes. It calls grow before it allocates more memory.
func readWithin(req *http.Request, limit int, grow func(int) error) ([]byte, error) {
	encoding, err := decompress.Encoding(req.Header)
	if err != nil {
		return nil, err
	}
	if req.ContentLength > int64(limit) {
		return nil, decompress.ErrTooLarge
	}
	body, err := decompress.ReadAll(req.Body, min(max(512, int(req.ContentLength)), 64<<10), limit, grow)
	if err != nil {
		var past *door.Error
		if errors.Is(err, errBusy) || errors.Is(err, decompress.ErrTooLarge) || errors.As(err, &past) {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w", errEmptied, err)
	}
	if encoding == "" {
		return body, nil
	}
	body, err = decompress.Body(req.Context(), encoding, body, limit, grow)
	if err != nil && !errors.Is(err, errBusy) && !errors.Is(err, decompress.ErrTooLarge) && req.Context().Err() == nil {
		return nil, fmt.Errorf("%w: %w", errMisnamed, err)
	}
	return body, err
}

// refuse answers a request of which nothing was accepted, and counts it.
func (r *ingest) refuse(d *dialect, w http.ResponseWriter, req *http.Request, err error) {
	var whole *refused
	var large *http.MaxBytesError
	var past *door.Error
	code, reason, text := http.StatusServiceUnavailable, "", "the request can't be stored now: send it again later"
	switch {
	case errors.As(err, &past):
		code, reason, text = http.StatusTooManyRequests, "quota", past.Error()
		door.Hint(w.Header(), past)
	case errors.Is(err, errBusy):
		code, reason, text = http.StatusTooManyRequests, "busy", err.Error()
		r.crowded(w, req, err)
	case errors.Is(err, decompress.ErrTooLarge), errors.As(err, &large):
		code, reason, text = http.StatusRequestEntityTooLarge, "request_size", "the body has too many bytes (shippers::max_request_body_size)"
	case errors.Is(err, decompress.ErrUnknown):
		code, reason, text = http.StatusUnsupportedMediaType, "encoding", "the Content-Encoding must be one of "+strings.Join(decompress.Encodings, ", ")
	case errors.Is(err, errMisnamed):
		code, reason, text = http.StatusBadRequest, "encoding", errMisnamed.Error()
	case errors.Is(err, os.ErrDeadlineExceeded):
		reason, text = "slow", "the body took too long to arrive: send it again" // 503, because shippers do not retry after 408
	case errors.Is(err, errEmptied):
		code, reason, text = http.StatusBadRequest, "malformed", errEmptied.Error()
	case errors.As(err, &whole):
		code, reason, text = whole.code, "malformed", whole.text
		if code == http.StatusRequestEntityTooLarge {
			reason = "request_size"
		}
	case forGood(err):
		code, text = http.StatusBadRequest, "the pipeline refused the request permanently" // counted by send
	}
	if reason != "" {
		r.count(reason, 1)
	}
	if w.Header().Get("Retry-After") == "" && (code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable) {
		w.Header().Set("Retry-After", retryAfter)
	}
	d.fail(w, req, code, text)
}

// tooMany refuses a request with too many items.
func (r *ingest) tooMany() error {
	return &refused{http.StatusRequestEntityTooLarge, fmt.Sprintf("the request has more than %d items (shippers::max_items)", r.cfg.Shippers.MaxItems)}
}

// sendLogs passes logs to the pipeline and returns when it has accepted them.
func (r *ingest) sendLogs(ctx context.Context, d *dialect, logs plog.Logs) error {
	n := logs.LogRecordCount()
	if n == 0 {
		return nil
	}
	ctx = r.report.StartLogsOp(ctx)
	err := r.logs.ConsumeLogs(ctx, logs)
	r.report.EndLogsOp(ctx, d.format, n, err)
	if err != nil && forGood(err) {
		r.count("pipeline", n)
	}
	return err
}

// sendMetrics passes metrics to the pipeline and returns when it has accepted them.
func (r *ingest) sendMetrics(ctx context.Context, d *dialect, metrics pmetric.Metrics) error {
	n := metrics.DataPointCount()
	if n == 0 {
		return nil
	}
	ctx = r.report.StartMetricsOp(ctx)
	err := r.metrics.ConsumeMetrics(ctx, metrics)
	r.report.EndMetricsOp(ctx, d.format, n, err)
	if err != nil && forGood(err) {
		r.count("pipeline", n)
	}
	return err
}

// allow answers a request whose method the path doesn't support.
func allow(d *dialect, w http.ResponseWriter, req *http.Request, methods ...string) {
	w.Header().Set("Allow", strings.Join(methods, ", "))
	d.fail(w, req, http.StatusMethodNotAllowed, "allowed methods: "+strings.Join(methods, ", "))
}

// blank reports whether a body is empty.
func blank(body []byte) bool { return len(bytes.TrimSpace(body)) == 0 }
