package ingestreceiver

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

const scopeName = "github.com/penstockhq/penstock/receivers/ingestreceiver"

// source distinguishes resources.
type source struct{ service, host string }

func (i item) source() source {
	s := source{pickText(i.fields, "service", "service.name"), pickText(i.fields, "host", "host.name", "hostname")}
	if s.service == "" {
		s.service = i.service
	}
	if s.host == "" {
		s.host = i.host
	}
	return s
}

func (s source) write(to pcommon.Map) {
	if s.service != "" {
		to.PutStr("service.name", s.service)
	}
	if s.host != "" {
		to.PutStr("host.name", s.host)
	}
}

// attributes writes an item's members under attributes, fields, labels or tags, and all its unknown fields.
func attributes(to pcommon.Map, fields map[string]any) error {
	for _, name := range []string{"attributes", "fields", "labels", "tags"} {
		v, ok := pick(fields, name)
		if !ok {
			continue
		}
		m, ok := v.(map[string]any)
		if !ok {
			if name == "tags" || name == "fields" {
				setAny(to.PutEmpty(name), v)
				continue
			}
			return fmt.Errorf("%s is not an object", name)
		}
		setAll(to, m)
	}
	setAll(to, fields)
	return nil
}

// takeLogs makes log records of items or of an opaque body, and returns when the pipeline has accepted them.
func (r *ingest) takeLogs(req *http.Request, b *batch, name string) error {
	if r.logs == nil {
		return &refused{http.StatusNotFound, "this receiver is in no pipeline for logs"}
	}
	logs := plog.NewLogs()
	records := map[source]plog.LogRecordSlice{}
	of := func(s source) plog.LogRecordSlice {
		slice, ok := records[s]
		if !ok {
			resource := logs.ResourceLogs().AppendEmpty()
			s.write(resource.Resource().Attributes())
			scope := resource.ScopeLogs().AppendEmpty()
			scope.Scope().SetName(scopeName)
			slice = scope.LogRecords()
			records[s] = slice
		}
		return slice
	}
	if !b.isJSON() {
		if len(b.body) == 0 {
			return &refused{http.StatusBadRequest, "the body is empty"}
		}
		b.received = 1
		record := of(source{}).AppendEmpty()
		record.SetTimestamp(pcommon.NewTimestampFromTime(b.now))
		record.Body().SetEmptyBytes().FromRaw(b.body)
		record.Attributes().PutStr("ingest.content_type", b.contentType)
		b.stamp(record, 0)
	} else if err := b.items(name, func(i item) error {
		from := i.source()
		record := plog.NewLogRecord()
		if err := b.record(record, i, name == "events"); err != nil {
			return err
		}
		record.MoveTo(of(from).AppendEmpty())
		return nil
	}); err != nil {
		return err
	}
	n := logs.LogRecordCount()
	if n == 0 {
		return nil
	}
	ctx := r.report.StartLogsOp(req.Context())
	err := r.logs.ConsumeLogs(ctx, logs)
	r.report.EndLogsOp(ctx, "json", n, err)
	return err
}

// stamp adds what the server knows: time of receipt, an id, and the sender's address.
func (b *batch) stamp(record plog.LogRecord, index int) {
	record.SetObservedTimestamp(pcommon.NewTimestampFromTime(b.now))
	record.Attributes().PutStr("log.record.uid", fmt.Sprintf("%s-%d", b.id, index))
	if b.source != "" {
		record.Attributes().PutStr("client.address", b.source)
	}
}

// record makes a log record of an item, or the record of an event.
func (b *batch) record(to plog.LogRecord, i item, event bool) error {
	at, mark, err := b.pickTime(i.fields)
	if err != nil {
		return err
	}
	to.SetTimestamp(pcommon.NewTimestampFromTime(at))
	if level := pickText(i.fields, "level", "severity", "lvl", "severity_text"); level != "" {
		to.SetSeverityText(level)
		to.SetSeverityNumber(severity(level))
	}
	bodies := []string{"message", "msg", "body"}
	if event {
		name := pickText(i.fields, "name", "event", "event_name", "type")
		if name == "" {
			return errors.New("the event has no name")
		}
		to.SetEventName(name)
		bodies = []string{"data", "payload", "body", "message"}
	}
	if v, ok := pick(i.fields, bodies...); ok {
		setAny(to.Body(), v)
	}
	trace, span := pickText(i.fields, "trace_id", "traceId"), pickText(i.fields, "span_id", "spanId")
	var traceID pcommon.TraceID
	var spanID pcommon.SpanID
	if err := hexID(traceID[:], trace); err != nil {
		return fmt.Errorf("trace_id %w", err)
	}
	if err := hexID(spanID[:], span); err != nil {
		return fmt.Errorf("span_id %w", err)
	}
	to.SetTraceID(traceID)
	to.SetSpanID(spanID)
	if err := attributes(to.Attributes(), i.fields); err != nil {
		return err
	}
	if mark != "" {
		to.Attributes().PutStr("ingest.time_out_of_range", mark)
	}
	b.stamp(to, i.index)
	return nil
}

func hexID(to []byte, text string) error {
	if text == "" {
		return nil
	}
	id, err := hex.DecodeString(text)
	if err != nil || len(id) != len(to) {
		return fmt.Errorf("is not %d hexadecimal digits", 2*len(to))
	}
	copy(to, id)
	return nil
}

// takeMetrics makes data points of items, and returns when the pipeline has accepted them.
func (r *ingest) takeMetrics(req *http.Request, b *batch) error {
	switch {
	case r.metrics == nil:
		return &refused{http.StatusNotFound, "this receiver is in no pipeline for metrics"}
	case !b.isJSON():
		return &refused{http.StatusUnsupportedMediaType, "metrics are taken as " + jsonTypes}
	}
	metrics := pmetric.NewMetrics()
	slices := map[source]pmetric.MetricSlice{}
	if err := b.items("metrics", func(i item) error {
		from := i.source()
		m := pmetric.NewMetric()
		if err := b.metric(m, i); err != nil {
			return err
		}
		slice, ok := slices[from]
		if !ok {
			resource := metrics.ResourceMetrics().AppendEmpty()
			from.write(resource.Resource().Attributes())
			scope := resource.ScopeMetrics().AppendEmpty()
			scope.Scope().SetName(scopeName)
			slice = scope.Metrics()
			slices[from] = slice
		}
		m.MoveTo(slice.AppendEmpty())
		return nil
	}); err != nil {
		return err
	}
	n := metrics.DataPointCount()
	if n == 0 {
		return nil
	}
	ctx := r.report.StartMetricsOp(req.Context())
	err := r.metrics.ConsumeMetrics(ctx, metrics)
	r.report.EndMetricsOp(ctx, "json", n, err)
	return err
}

// metric makes a metric with one point of an item.
func (b *batch) metric(to pmetric.Metric, i item) error {
	name := pickText(i.fields, "name", "metric")
	if name == "" {
		return errors.New("the metric has no name")
	}
	v, ok := pick(i.fields, "value")
	if !ok {
		return errors.New("the metric has no value")
	}
	double, integer, isInteger, err := number(v)
	if err != nil {
		return err
	}
	at, _, err := b.pickTime(i.fields)
	if err != nil {
		return err
	}
	to.SetName(name)
	to.SetUnit(pickText(i.fields, "unit"))
	to.SetDescription(pickText(i.fields, "description"))
	point := pmetric.NewNumberDataPoint()
	point.SetTimestamp(pcommon.NewTimestampFromTime(at))
	if isInteger {
		point.SetIntValue(integer)
	} else {
		point.SetDoubleValue(double)
	}
	kind, temporality := strings.ToLower(pickText(i.fields, "type", "kind")), strings.ToLower(pickText(i.fields, "temporality"))
	if err := attributes(point.Attributes(), i.fields); err != nil {
		return err
	}
	switch kind {
	case "", "gauge":
		point.MoveTo(to.SetEmptyGauge().DataPoints().AppendEmpty())
		return nil
	case "counter", "updowncounter", "up_down_counter":
		sum := to.SetEmptySum()
		sum.SetIsMonotonic(kind == "counter")
		sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		switch temporality {
		case "delta":
			sum.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
		case "", "cumulative":
		default:
			return errors.New("the temporality must be cumulative or delta")
		}
		if kind == "counter" && (integer < 0 || double < 0) {
			return errors.New("the value of a counter is negative")
		}
		point.MoveTo(sum.DataPoints().AppendEmpty())
		return nil
	}
	return fmt.Errorf("the type must be one of %s", strings.Join(kinds, ", "))
}

var kinds = []string{"gauge", "counter", "updowncounter"}
