// Package send is the telemetry that tests send: the stock OpenTelemetry SDKs, and plain requests where the bytes on the
// wire are the point.
package send

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// GoSDK is the official Go SDK pointed at one OTLP endpoint, as an application would set it up.
type GoSDK struct {
	tracing *sdktrace.TracerProvider
	metrics *sdkmetric.MeterProvider
	logging *sdklog.LoggerProvider
}

// NewGoSDK returns an SDK for service that speaks OTLP/gRPC, or OTLP/HTTP with protobuf when http is true, to endpoint
// (host:port). It exports once, in Shutdown; what an exporter reports there fails the test.
func NewGoSDK(t testing.TB, service, endpoint string, http bool) *GoSDK {
	t.Helper()
	ctx := context.Background()
	var (
		spans   sdktrace.SpanExporter
		points  sdkmetric.Exporter
		records sdklog.Exporter
		errs    [3]error
	)
	if http {
		spans, errs[0] = otlptracehttp.New(ctx, otlptracehttp.WithEndpoint(endpoint), otlptracehttp.WithInsecure())
		points, errs[1] = otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpoint(endpoint), otlpmetrichttp.WithInsecure())
		records, errs[2] = otlploghttp.New(ctx, otlploghttp.WithEndpoint(endpoint), otlploghttp.WithInsecure())
	} else {
		spans, errs[0] = otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(endpoint), otlptracegrpc.WithInsecure())
		points, errs[1] = otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithEndpoint(endpoint), otlpmetricgrpc.WithInsecure())
		records, errs[2] = otlploggrpc.New(ctx, otlploggrpc.WithEndpoint(endpoint), otlploggrpc.WithInsecure())
	}
	for _, err := range errs {
		require.NoError(t, err)
	}
	res := resource.NewSchemaless(attribute.String("service.name", service))
	return &GoSDK{
		tracing: sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithBatcher(spans, sdktrace.WithMaxQueueSize(1<<20))),
		metrics: sdkmetric.NewMeterProvider(sdkmetric.WithResource(res), sdkmetric.WithReader(sdkmetric.NewPeriodicReader(points))),
		logging: sdklog.NewLoggerProvider(sdklog.WithResource(res),
			sdklog.WithProcessor(sdklog.NewBatchProcessor(records, sdklog.WithMaxQueueSize(1<<20)))),
	}
}

// Emit records n requests: n spans, n log records with body "request <i>", and n added to the counter `requests`.
func (s *GoSDK) Emit(t testing.TB, n int) {
	t.Helper()
	ctx := context.Background()
	counter, err := s.metrics.Meter("testbed").Int64Counter("requests", metric.WithUnit("{request}"))
	require.NoError(t, err)
	latency, err := s.metrics.Meter("testbed").Float64Histogram("latency", metric.WithUnit("s"))
	require.NoError(t, err)
	for i := range n {
		spanCtx, span := s.tracing.Tracer("testbed").Start(ctx, "GET /")
		counter.Add(spanCtx, 1, metric.WithAttributes(attribute.String("http.route", "/")))
		latency.Record(spanCtx, float64(i)/1000)
		var record log.Record
		record.SetSeverity(log.SeverityInfo)
		record.SetBody(attribute.StringValue(fmt.Sprintf("request %d", i)))
		s.logging.Logger("testbed").Emit(spanCtx, record)
		span.End()
	}
}

// Shutdown exports the recorded telemetry and fails the test on any error.
func (s *GoSDK) Shutdown(t testing.TB) {
	t.Helper()
	ctx := context.Background()
	require.NoError(t, s.tracing.Shutdown(ctx))
	require.NoError(t, s.metrics.Shutdown(ctx))
	require.NoError(t, s.logging.Shutdown(ctx))
}

// GoLogs sends n log records with body "request <i>" and a hundred bytes more with the official Go SDK, and returns when all are sent. It
// fails the test on any error.
func GoLogs(t testing.TB, service, endpoint string, http bool, headers map[string]string, n int) {
	t.Helper()
	ctx := context.Background()
	var records sdklog.Exporter
	var err error
	if http {
		records, err = otlploghttp.New(ctx, otlploghttp.WithEndpoint(endpoint), otlploghttp.WithInsecure(), otlploghttp.WithHeaders(headers), otlploghttp.WithTimeout(time.Minute))
	} else {
		records, err = otlploggrpc.New(ctx, otlploggrpc.WithEndpoint(endpoint), otlploggrpc.WithInsecure(), otlploggrpc.WithHeaders(headers), otlploggrpc.WithTimeout(time.Minute))
	}
	require.NoError(t, err)
	logging := sdklog.NewLoggerProvider(sdklog.WithResource(resource.NewSchemaless(attribute.String("service.name", service))),
		sdklog.WithProcessor(sdklog.NewBatchProcessor(records, sdklog.WithMaxQueueSize(1<<20), sdklog.WithExportTimeout(time.Minute))))
	for i := range n {
		var record log.Record
		record.SetSeverity(log.SeverityInfo)
		record.SetBody(attribute.StringValue(fmt.Sprintf("request %d %s", i, strings.Repeat("x", 100))))
		logging.Logger("testbed").Emit(ctx, record)
	}
	require.NoError(t, logging.Shutdown(ctx))
}
