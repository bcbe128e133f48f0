package send

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
)

// requestTimeout bounds one plain request, so that a hanging receiver fails a test instead of stopping it.
const requestTimeout = time.Minute

// Answer is what an OTLP/HTTP receiver answered.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Post sends body to http://<endpoint><path>. header holds pairs of name and value.
func Post(endpoint, path string, body []byte, header ...string) (Answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+endpoint+path, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: string(text)}, err
}

// Logs posts logs as OTLP/HTTP protobuf. Only status 200 means that they are acknowledged.
func Logs(endpoint string, logs plog.Logs) (Answer, error) {
	body, err := plogotlp.NewExportRequestFromLogs(logs).MarshalProto()
	if err != nil {
		return Answer{}, err
	}
	return Post(endpoint, "/v1/logs", body, "Content-Type", "application/x-protobuf")
}

// Metrics posts metrics as OTLP/HTTP protobuf. Only status 200 means that they are acknowledged.
func Metrics(endpoint string, metrics pmetric.Metrics) (Answer, error) {
	body, err := pmetricotlp.NewExportRequestFromMetrics(metrics).MarshalProto()
	if err != nil {
		return Answer{}, err
	}
	return Post(endpoint, "/v1/metrics", body, "Content-Type", "application/x-protobuf")
}

// LogBatch returns one request of n records of service with the bodies "id <first>", "id <first+1>", ...
func LogBatch(service string, first, n int) plog.Logs {
	logs := plog.NewLogs()
	resource := logs.ResourceLogs().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", service)
	records := resource.ScopeLogs().AppendEmpty().LogRecords()
	now := pcommon.NewTimestampFromTime(time.Now())
	for i := range n {
		r := records.AppendEmpty()
		r.SetTimestamp(now)
		r.SetObservedTimestamp(now)
		r.SetSeverityNumber(plog.SeverityNumberInfo)
		r.SetSeverityText("INFO")
		r.Body().SetStr("id " + strconv.Itoa(first+i))
		r.Attributes().PutStr("http.route", "/cart/{id}")
	}
	return logs
}
