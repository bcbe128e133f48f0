package ingestreceiver

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/receivers/ingestreceiver/internal/splunkhec"
)

const hecPath = "/services/collector"

// hecAnswer is an answer of the collector.
type hecAnswer struct {
	Text string         `json:"text"`
	Code splunkhec.Code `json:"code"`
	// Invalid is the number, from 0, of the first refused event.
	Invalid *int `json:"invalid-event-number,omitempty"`
	// AckID is for clients that ask with it whether the events are stored. They already are when the id is sent.
	AckID *int64 `json:"ackId,omitempty"`
}

func answerHEC(w http.ResponseWriter, status int, code splunkhec.Code) {
	write(w, status, hecAnswer{Text: code.String(), Code: code})
}

// hecDialect answers with the collector's own codes, and with a text if the code has none.
var hecDialect = &dialect{"splunk_hec", func(w http.ResponseWriter, req *http.Request, status int, text string) {
	answer := hecAnswer{Code: splunkhec.InvalidFormat, Text: text}
	switch status {
	case http.StatusUnauthorized:
		answer.Code = splunkhec.InvalidToken
		if req.Header.Get("Authorization") == "" {
			answer.Code = splunkhec.TokenRequired
		} else {
			status = http.StatusForbidden
		}
		answer.Text = answer.Code.String()
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		answer.Code, answer.Text = splunkhec.Busy, splunkhec.Busy.String()
	case http.StatusRequestEntityTooLarge:
		answer.Code = splunkhec.RequestTooLarge
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		answer.Code = splunkhec.Code(status)
	}
	write(w, status, answer)
}}

func (r *ingest) serveHEC(w http.ResponseWriter, req *http.Request) {
	path := strings.TrimSuffix(strings.TrimPrefix(req.URL.Path, hecPath), "/1.0")
	switch path {
	case "", "/", "/event":
		r.hecPost(w, req, r.hecEvents)
	case "/raw":
		r.hecPost(w, req, r.hecRaw)
	case "/ack":
		r.hecPost(w, req, r.hecAcks)
	case "/health":
		if req.Method != http.MethodGet && req.Method != http.MethodHead {
			allow(hecDialect, w, req, http.MethodGet, http.MethodHead)
			return
		}
		answerHEC(w, http.StatusOK, splunkhec.Healthy)
	default:
		hecDialect.fail(w, req, http.StatusNotFound, "unknown path: send events to "+hecPath+"/event and lines to "+hecPath+"/raw")
	}
}

func (r *ingest) hecPost(w http.ResponseWriter, req *http.Request, use func(http.ResponseWriter, *http.Request, *batch) error) {
	if req.Method != http.MethodPost {
		allow(hecDialect, w, req, http.MethodPost)
		return
	}
	r.take(hecDialect, w, req, func(req *http.Request, b *batch) error { return use(w, req, b) })
}

// channel is the client's name for its connection; with one it may request acknowledgements.
func channel(req *http.Request) string {
	if name := req.Header.Get("X-Splunk-Request-Channel"); name != "" {
		return name
	}
	return req.URL.Query().Get("channel")
}

// ackIDs are increasing ids, also across restarts if the clock increases. An id is sent after the pipeline has accepted the events, so
// every sent id is acknowledged and none has to be remembered.
type ackIDs struct{ last atomic.Int64 }

func newAckIDs(now time.Time) *ackIDs {
	var a ackIDs
	a.last.Store(now.UnixMicro())
	return &a
}

func (a *ackIDs) next() int64               { return a.last.Add(1) }
func (a *ackIDs) acknowledged(n int64) bool { return n > 0 && n <= a.last.Load() }

// hecAcks answers which ids are acknowledged.
func (r *ingest) hecAcks(w http.ResponseWriter, req *http.Request, b *batch) error {
	if channel(req) == "" {
		answerHEC(w, http.StatusBadRequest, splunkhec.ChannelMissing)
		return nil
	}
	var asked struct {
		Acks []json.Number `json:"acks"`
	}
	if err := json.Unmarshal(b.body, &asked); err != nil {
		answerHEC(w, http.StatusBadRequest, splunkhec.InvalidFormat)
		return nil
	}
	if len(asked.Acks) > r.cfg.Shippers.MaxItems {
		return r.tooMany()
	}
	acks := make(map[string]bool, len(asked.Acks))
	for _, id := range asked.Acks {
		n, err := id.Int64()
		acks[id.String()] = err == nil && r.acks.acknowledged(n)
	}
	write(w, http.StatusOK, map[string]any{"acks": acks})
	return nil
}

// hecEvents handles JSON events. It accepts the good ones; the answer names the first bad one, as Splunk's does.
func (r *ingest) hecEvents(w http.ResponseWriter, req *http.Request, b *batch) error {
	h := &hecRequest{shipped: newShipped(b), r: r, metrics: pmetric.NewMetrics(), series: map[string]pmetric.MetricSlice{}}
	err := splunkhec.Events(b.body, r.cfg.Shippers.MaxItems, func(number int, e splunkhec.Event, code splunkhec.Code) {
		b.received++
		reason := "malformed"
		if code == splunkhec.Success {
			reason, code = h.event(number, e)
		}
		if code != splunkhec.Success {
			r.count(reason, 1)
			if b.rejected++; b.rejected == 1 {
				h.code, h.invalid = code, number
			}
		}
	})
	if errors.Is(err, splunkhec.ErrTooMany) {
		return r.tooMany()
	}
	if b.received == 0 {
		r.count("malformed", 1)
		answerHEC(w, http.StatusBadRequest, splunkhec.NoData)
		return nil
	}
	return h.send(w, req)
}

// hecRaw handles lines. Their source, time and other properties are parameters of the request.
func (r *ingest) hecRaw(w http.ResponseWriter, req *http.Request, b *batch) error {
	if r.logs == nil {
		return &refused{http.StatusNotFound, "this receiver is in no pipeline for logs"}
	}
	h := &hecRequest{shipped: newShipped(b), r: r, metrics: pmetric.NewMetrics()}
	q := req.URL.Query()
	e := splunkhec.Event{Time: q.Get("time"), Host: q.Get("host"), Source: q.Get("source"), Sourcetype: q.Get("sourcetype"), Index: q.Get("index")}
	at, mark, _, code := h.time(e)
	if code != splunkhec.Success {
		r.count("malformed", 1)
		answerHEC(w, http.StatusBadRequest, code)
		return nil
	}
	for line := range splunkhec.Lines(b.body) {
		if b.received == r.cfg.Shippers.MaxItems {
			return r.tooMany()
		}
		to := h.add(hecKey(e, ""), func(to pcommon.Map) { hecResource(to, e, "") })
		if utf8.Valid(line) {
			to.Body().SetStr(string(line))
		} else {
			to.Body().SetEmptyBytes().FromRaw(line)
		}
		h.stampShipped(to, at, mark, b.received)
		b.received++
	}
	if b.received == 0 {
		r.count("malformed", 1)
		answerHEC(w, http.StatusBadRequest, splunkhec.NoData)
		return nil
	}
	return h.send(w, req)
}

// hecRequest is a request in progress.
type hecRequest struct {
	*shipped
	r       *ingest
	metrics pmetric.Metrics
	series  map[string]pmetric.MetricSlice
	// code is the problem of the first refused event, and invalid its number.
	code    splunkhec.Code
	invalid int
}

// send passes the accepted events to the pipeline, and answers.
func (h *hecRequest) send(w http.ResponseWriter, req *http.Request) error {
	if err := h.r.sendMetrics(req.Context(), hecDialect, h.metrics); err != nil {
		return err
	}
	if h.logs.LogRecordCount() > 0 {
		if err := h.r.sendLogs(req.Context(), hecDialect, h.logs); err != nil {
			return err
		}
	}
	if h.rejected > 0 {
		write(w, http.StatusBadRequest, hecAnswer{Text: h.code.String(), Code: h.code, Invalid: &h.invalid})
		return nil
	}
	answer := hecAnswer{Text: splunkhec.Success.String()}
	if channel(req) != "" {
		id := h.r.acks.next()
		answer.AckID = &id
	}
	write(w, http.StatusOK, answer)
	return nil
}

// time is the time of an event; zero if it has none.
func (h *hecRequest) time(e splunkhec.Event) (at time.Time, mark, reason string, code splunkhec.Code) {
	if e.Time == "" {
		return at, "", "", splunkhec.Success
	}
	at, err := parseTime(strings.TrimSpace(e.Time))
	if err != nil {
		return at, "", "malformed", splunkhec.InvalidFormat
	}
	if mark, err = h.inRange(at); err != nil {
		return at, "", "time", splunkhec.InvalidFormat
	}
	return at, mark, "", splunkhec.Success
}

// event makes a record or data points of an event.
func (h *hecRequest) event(number int, e splunkhec.Event) (string, splunkhec.Code) {
	at, mark, reason, code := h.time(e)
	if code != splunkhec.Success {
		return reason, code
	}
	samples := e.Samples()
	fields := make(map[string]any, len(e.Fields))
	for name, raw := range e.Fields {
		v, err := value(raw)
		if err != nil {
			return "malformed", splunkhec.FieldsError
		}
		if v != nil {
			fields[name] = v
		}
	}
	service := takeService(fields)
	if len(samples) > 0 {
		return h.samples(e, service, at, samples, fields)
	}
	if h.r.logs == nil {
		return "pipeline", splunkhec.InvalidFormat
	}
	body, err := value(e.Event)
	if err != nil {
		return "malformed", splunkhec.InvalidFormat
	}
	to := h.add(hecKey(e, service), func(to pcommon.Map) { hecResource(to, e, service) })
	setAny(to.Body(), body)
	hecLevel(to, body, fields)
	setAll(to.Attributes(), fields)
	h.stampShipped(to, at, mark, number)
	return "", splunkhec.Success
}

// hecLevel removes severity and ids from the fields, or reads the severity of an event that is an object.
func hecLevel(to plog.LogRecord, body any, fields map[string]any) {
	if traceID(to, textOf(fields["trace_id"])) {
		delete(fields, "trace_id")
	}
	if spanID(to, textOf(fields["span_id"])) {
		delete(fields, "span_id")
	}
	object, _ := body.(map[string]any)
	for _, name := range []string{"level", "severity", "log_level", "otel.log.severity.text"} {
		if text := textOf(fields[name]); text != "" {
			level(to, text)
			delete(fields, name)
			return
		}
		if text := textOf(object[name]); text != "" {
			level(to, text) // the event stays complete
			return
		}
	}
}

// takeService removes the name of the service from the fields.
func takeService(fields map[string]any) string {
	for _, name := range []string{"service.name", "service_name", "service"} {
		if text := textOf(fields[name]); text != "" {
			delete(fields, name)
			return text
		}
	}
	return ""
}

// samples makes data points of a metric event: gauges, because Splunk's metrics have no type.
func (h *hecRequest) samples(e splunkhec.Event, service string, at time.Time, samples []splunkhec.Sample, dimensions map[string]any) (string, splunkhec.Code) {
	if h.r.metrics == nil {
		return "pipeline", splunkhec.InvalidFormat
	}
	points := make([]pmetric.NumberDataPoint, 0, len(samples))
	if at.IsZero() {
		at = h.now
	}
	for _, s := range samples {
		v, err := value(s.Value)
		if err != nil {
			return "malformed", splunkhec.FieldsError
		}
		double, integer, isInteger, err := number(v)
		if err != nil {
			return "malformed", splunkhec.FieldsError
		}
		point := pmetric.NewNumberDataPoint()
		point.SetTimestamp(pcommon.NewTimestampFromTime(at))
		if isInteger {
			point.SetIntValue(integer)
		} else {
			point.SetDoubleValue(double)
		}
		setAll(point.Attributes(), dimensions)
		points = append(points, point)
	}
	key := hecKey(e, service)
	slice, ok := h.series[key]
	if !ok {
		resource := h.metrics.ResourceMetrics().AppendEmpty()
		hecResource(resource.Resource().Attributes(), e, service)
		scope := resource.ScopeMetrics().AppendEmpty()
		scope.Scope().SetName(scopeName)
		slice = scope.Metrics()
		h.series[key] = slice
	}
	for i, point := range points {
		m := slice.AppendEmpty()
		m.SetName(samples[i].Name)
		point.MoveTo(m.SetEmptyGauge().DataPoints().AppendEmpty())
	}
	return "", splunkhec.Success
}

func hecKey(e splunkhec.Event, service string) string {
	return url.Values{"": {e.Host, e.Source, e.Sourcetype, e.Index, service}}.Encode()
}

// hecResource names the source of an event as contrib's receiver and exporter for Splunk do.
func hecResource(to pcommon.Map, e splunkhec.Event, service string) {
	for _, a := range [...]struct{ name, value string }{
		{"service.name", service}, {"host.name", e.Host}, {"com.splunk.source", e.Source}, {"com.splunk.sourcetype", e.Sourcetype}, {"com.splunk.index", e.Index},
	} {
		if a.value != "" {
			to.PutStr(a.name, a.value)
		}
	}
}
