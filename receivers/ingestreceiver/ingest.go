package ingestreceiver

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/internal/decompress"
	"github.com/penstockhq/penstock/internal/inflight"
	"github.com/penstockhq/penstock/internal/quota/door"
	"github.com/penstockhq/penstock/internal/tenant"
	"github.com/penstockhq/penstock/internal/verdict"
	"github.com/penstockhq/penstock/receivers/ingestreceiver/internal/metadata"
)

// retryAfter is the delay sent to refused clients, in seconds.
const retryAfter = "5"

// badTenant is the answer to a client whose header has an invalid tenant name.
var badTenant = fmt.Sprintf("%s is not the name of a tenant: 1 to %d bytes of UTF-8 without slashes and control characters", tenant.MetadataKey, tenant.MaxBytes)

// maxErrors is how many rejected items an answer lists; the others are only counted.
const maxErrors = 100

// ingest is the receiver: one listener for all signals. It is safe for concurrent use.
type ingest struct {
	cfg       *Config
	set       receiver.Settings
	telemetry *metadata.TelemetryBuilder
	report    *receiverhelper.ObsReport
	slots     *inflight.Budget // max_concurrent_requests slots
	reading   *inflight.Readers
	acks      *ackIDs
	door      door.Door
	gone      func()

	logs    consumer.Logs
	metrics consumer.Metrics

	started, stopped sync.Once
	undeclare        func() // set together with server
	server           *http.Server
	wg               sync.WaitGroup
}

func newIngest(cfg *Config, set receiver.Settings) (*ingest, error) {
	t, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	report, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{ReceiverID: set.ID, Transport: "http", ReceiverCreateSettings: set})
	if err != nil {
		return nil, err
	}
	return &ingest{cfg: cfg, set: set, telemetry: t, report: report, slots: inflight.NewBudget(int64(cfg.MaxConcurrent)), reading: inflight.NewReaders(0, patience), acks: newAckIDs(time.Now()), door: door.Open}, nil
}

// Start starts the listener. The signals share it, so Start may be called for each.
func (r *ingest) Start(ctx context.Context, host component.Host) error {
	var err error
	r.started.Do(func() { err = r.listen(ctx, host) })
	return err
}

// routes are the paths of the listener. A path must match exactly: a redirect would lose the body.
func (r *ingest) routes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"/api/v1/logs/ingest":    r.post(func(req *http.Request, b *batch) error { return r.takeLogs(req, b, "logs") }),
		"/api/v1/events/ingest":  r.post(func(req *http.Request, b *batch) error { return r.takeLogs(req, b, "events") }),
		"/api/v1/metrics/ingest": r.post(r.takeMetrics),
		"/api/v1/openapi.yaml":   describe,
	}
}

// declared are the routes for the admin extension's list. All of them receive telemetry, and show none.
func (r *ingest) declared() (all []admin.Route) {
	sends := admin.Need{Scopes: []string{access.Ingest, access.Forward}}
	for path := range r.routes() {
		all = append(all, admin.Route{Path: path, Need: sends})
	}
	for _, path := range []string{"/loki/", hecPath, hecPath + "/", "/_bulk"} {
		all = append(all, admin.Route{Path: path, Need: sends})
	}
	return all
}

func (r *ingest) listen(ctx context.Context, host component.Host) error {
	r.door = door.Find(host)
	routes := r.routes()
	mux := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if serve, ok := routes[req.URL.Path]; ok {
			serve(w, req)
			return
		}
		if d := dialectOf(req.URL.Path); d != nil {
			r.shipper(d, w, req)
			return
		}
		fail(w, http.StatusNotFound, "unknown path: /api/v1/openapi.yaml lists all paths")
	})
	if r.cfg.HTTP.MaxRequestBodySize <= 0 {
		r.cfg.HTTP.MaxRequestBodySize = 20 << 20 // which confighttp treats as none
	}
	bounds := r.cfg.HTTP
	bounds.MaxRequestBodySize = max(bounds.MaxRequestBodySize, r.cfg.Shippers.MaxBody) // each path has its own, smaller limit
	server, err := bounds.ToServer(ctx, host.GetExtensions(), r.set.TelemetrySettings, mux, confighttp.WithErrorHandler(r.middlewareError))
	if err != nil {
		return err
	}
	listener, err := r.cfg.HTTP.ToListener(ctx)
	if err != nil {
		return err
	}
	r.server = server
	r.undeclare = admin.Declare(host, r.set.ID.String(), r.declared())
	r.wg.Go(func() {
		if err := server.Serve(listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
			componentstatus.ReportStatus(host, componentstatus.NewFatalErrorEvent(err))
		}
	})
	return nil
}

// Shutdown stops the listener and waits for the requests in progress. It may be repeated.
func (r *ingest) Shutdown(ctx context.Context) error {
	var err error
	r.stopped.Do(func() {
		r.gone()
		if r.server != nil {
			r.undeclare()
			err = r.server.Shutdown(ctx)
		}
		r.wg.Wait()
		r.telemetry.Shutdown()
	})
	return err
}

func (r *ingest) count(reason string, n int) {
	r.telemetry.ReceiverIngestRejectedItems.Add(context.Background(), int64(n), metric.WithAttributes(attribute.String("reason", reason)))
}

// middlewareError answers requests that confighttp refuses: authentication, and the encodings that it decompresses if
// compression_algorithms names some.
func (r *ingest) middlewareError(w http.ResponseWriter, req *http.Request, text string, code int) {
	if d := dialectOf(req.URL.Path); d != nil {
		if code == http.StatusBadRequest {
			r.refuse(d, w, req, decompress.ErrUnknown)
			return
		}
		d.fail(w, req, code, text)
		return
	}
	if code == http.StatusBadRequest {
		r.encoding(w)
		return
	}
	fail(w, code, text)
}

// post handles every request: method, slot, body, and the answer after the pipeline has accepted it.
func (r *ingest) post(take func(*http.Request, *batch) error) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			fail(w, http.StatusMethodNotAllowed, "only POST is allowed")
			return
		}
		place := r.slots.Open(parties(req)...)
		defer place.Release()
		if v := place.Take(1); v != inflight.Taken {
			err := busy(v)
			r.count("busy", 1)
			r.crowded(w, req, err)
			w.Header().Set("Retry-After", retryAfter)
			fail(w, http.StatusTooManyRequests, err.Error())
			return
		}
		if _, err := tenant.Client(req.Context()); err != nil {
			r.count("tenant", 1)
			fail(w, http.StatusBadRequest, badTenant)
			return
		}
		admitted, done, err := r.door.Request(req, "")
		if err != nil {
			r.unread(w, err)
			return
		}
		req = admitted
		b := &batch{id: newID(), now: time.Now(), source: sourceOf(req), cfg: r.cfg, count: r.count}
		kind, params, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
		if err != nil && req.Header.Get("Content-Type") != "" {
			kind = "application/octet-stream"
		}
		b.kind, b.charset, b.contentType = kind, params["charset"], req.Header.Get("Content-Type")
		arrived := r.arriving(w, req)
		b.body, err = r.read(req)
		if arrived(); err != nil {
			r.unread(w, err)
			done(false)
			return
		}
		err = take(req, b)
		r.answer(w, b, err)
		done(err == nil || forGood(err))
	}
}

// pastQuota answers a request past a quota. It returns false if err is something else.
func (r *ingest) pastQuota(w http.ResponseWriter, err error) bool {
	var past *door.Error
	if !errors.As(err, &past) {
		return false
	}
	r.count("quota", 1)
	door.Hint(w.Header(), past)
	fail(w, http.StatusTooManyRequests, past.Error())
	return true
}

// read returns the body, decompressed. confighttp bounds the received bytes, read the decompressed ones.
func (r *ingest) read(req *http.Request) ([]byte, error) {
	encoding, err := decompress.Encoding(req.Header)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, req.Body, r.cfg.HTTP.MaxRequestBodySize))
	if err != nil || encoding == "" {
		return body, err
	}
	body, err = decompress.Body(req.Context(), encoding, body, int(r.cfg.HTTP.MaxRequestBodySize), func(int) error { return nil })
	if err != nil && !errors.Is(err, decompress.ErrTooLarge) && req.Context().Err() == nil {
		err = fmt.Errorf("%w: %w", errEncoded, err)
	}
	return body, err
}

// errEncoded says that a body does not match its encoding.
var errEncoded = errors.New("the body does not match its Content-Encoding")

func (r *ingest) unread(w http.ResponseWriter, err error) {
	var large *http.MaxBytesError
	if r.pastQuota(w, err) {
		return
	}
	switch {
	case errors.As(err, &large), errors.Is(err, decompress.ErrTooLarge):
		r.count("request_size", 1)
		fail(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes (max_request_body_size)", r.cfg.HTTP.MaxRequestBodySize))
	case errors.Is(err, decompress.ErrUnknown):
		r.encoding(w)
	case errors.Is(err, errEncoded):
		r.count("encoding", 1)
		fail(w, http.StatusBadRequest, "the body does not match its Content-Encoding")
	case errors.Is(err, os.ErrDeadlineExceeded):
		r.count("slow", 1)
		fail(w, http.StatusRequestTimeout, "the body took too long to arrive (read_timeout): send it again")
	default:
		r.count("malformed", 1)
		fail(w, http.StatusBadRequest, "the body can't be read: its length or encoding is wrong")
	}
}

// encoding refuses a Content-Encoding, and lists the accepted ones (RFC 9110, 12.5.3).
func (r *ingest) encoding(w http.ResponseWriter) {
	r.count("encoding", 1)
	known := strings.Join(decompress.Encodings, ", ")
	w.Header().Set("Accept-Encoding", known)
	fail(w, http.StatusUnsupportedMediaType, "the Content-Encoding must be one of "+known)
}

// refused is why a request is refused as a whole.
type refused struct {
	code int
	text string
}

func (e *refused) Error() string { return e.text }

// itemError is one rejected item in an answer.
type itemError struct {
	Index  int    `json:"index"`
	Reason string `json:"reason"`
}

// result is the answer to a request.
type result struct {
	Status   string      `json:"status"`
	Received int         `json:"received"`
	Rejected int         `json:"rejected"`
	BatchID  string      `json:"batch_id"`
	Errors   []itemError `json:"errors"`
}

func (r *ingest) answer(w http.ResponseWriter, b *batch, err error) {
	var whole *refused
	if r.pastQuota(w, err) {
		return
	}
	switch {
	case errors.As(err, &whole):
		reason := "malformed"
		switch whole.code {
		case http.StatusRequestEntityTooLarge:
			reason = "request_size"
		case http.StatusUnsupportedMediaType:
			reason = "encoding"
			w.Header().Set("Accept-Post", jsonTypes)
		}
		r.count(reason, 1)
		fail(w, whole.code, whole.text)
		return
	case err != nil && forGood(err):
		r.count("pipeline", b.received-b.rejected)
		fail(w, http.StatusBadRequest, "the pipeline refused the request permanently")
		return
	case err != nil:
		w.Header().Set("Retry-After", retryAfter)
		fail(w, http.StatusServiceUnavailable, laterText(err))
		return
	}
	out := result{Status: "accepted", Received: b.received, Rejected: b.rejected, BatchID: b.id, Errors: b.errors}
	code := http.StatusAccepted
	if b.received > 0 && b.rejected == b.received {
		out.Status, code = "rejected", http.StatusBadRequest
	}
	if out.Errors == nil {
		out.Errors = []itemError{}
	}
	write(w, code, out)
}

// forGood reports whether the pipeline will refuse the request every time.
func forGood(err error) bool {
	s, ok := status.FromError(err)
	return consumererror.IsPermanent(err) || ok && verdict.GRPC(s.Code(), s.Message()).Verdict == verdict.Data
}

// laterText is the text of a retryable error: that of the component which has no room, if it is meant for clients.
func laterText(err error) string {
	const text = "the request can't be stored now: send it again later"
	var s interface{ GRPCStatus() *status.Status }
	if errors.As(err, &s) && s.GRPCStatus().Code() == codes.Unavailable {
		return text + ": " + s.GRPCStatus().Message()
	}
	return text
}

func fail(w http.ResponseWriter, code int, text string) {
	write(w, code, map[string]string{"status": "error", "error": text})
}

func write(w http.ResponseWriter, code int, v any) {
	text, _ := json.Marshal(v) // consists of strings and numbers: can't fail
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n')) // the client has disconnected
}

func newID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func sourceOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return strings.Trim(host, "[]")
}
