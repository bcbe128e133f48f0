package shop

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const version = "2.4.0"

// Users is how many values the exploding label has.
const Users = 400

// How often something goes wrong, of a thousand orders.
const (
	slowOrders    = 60
	refusedOrders = 30
)

// Shop sends what four services do. Close it.
type Shop struct {
	storefront, checkout, payment, inventory *service
	random                                   *rand.Rand
	orders                                   int
}

// service is one process of the shop: an SDK with its own resource.
type service struct {
	tracing  *sdktrace.TracerProvider
	metrics  *sdkmetric.MeterProvider
	logging  *sdklog.LoggerProvider
	tracer   trace.Tracer
	logger   log.Logger
	duration metric.Float64Histogram // of requests that the service answers
	requests metric.Int64Counter     // with the label that explodes
	orders   metric.Int64Counter
}

// Open sets up the services' SDKs for OTLP/HTTP to endpoint (host:port).
func Open(ctx context.Context, endpoint string) (*Shop, error) {
	s := &Shop{random: rand.New(rand.NewPCG(1, 2))}
	for name, of := range map[string]**service{"storefront": &s.storefront, "checkout": &s.checkout, "payment": &s.payment, "inventory": &s.inventory} {
		var err error
		if *of, err = open(ctx, name, endpoint); err != nil {
			return nil, errors.Join(err, s.Close(ctx))
		}
	}
	return s, nil
}

func open(ctx context.Context, name, endpoint string) (*service, error) {
	spans, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpoint(endpoint), otlptracehttp.WithInsecure())
	if err != nil {
		return nil, err
	}
	points, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpoint(endpoint), otlpmetrichttp.WithInsecure())
	if err != nil {
		return nil, err
	}
	records, err := otlploghttp.New(ctx, otlploghttp.WithEndpoint(endpoint), otlploghttp.WithInsecure())
	if err != nil {
		return nil, err
	}
	of := resource.NewSchemaless(attribute.String("service.name", name), attribute.String("service.version", version))
	s := &service{
		tracing: sdktrace.NewTracerProvider(sdktrace.WithResource(of), sdktrace.WithBatcher(spans, sdktrace.WithBatchTimeout(time.Second))),
		metrics: sdkmetric.NewMeterProvider(sdkmetric.WithResource(of), sdkmetric.WithReader(sdkmetric.NewPeriodicReader(points, sdkmetric.WithInterval(5*time.Second)))),
		logging: sdklog.NewLoggerProvider(sdklog.WithResource(of), sdklog.WithProcessor(sdklog.NewBatchProcessor(records))),
	}
	s.tracer, s.logger = s.tracing.Tracer("shop"), s.logging.Logger("shop")
	meter := s.metrics.Meter("shop")
	var errs [3]error
	s.duration, errs[0] = meter.Float64Histogram("http.server.request.duration", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5))
	s.requests, errs[1] = meter.Int64Counter("shop.requests", metric.WithUnit("{request}"), metric.WithDescription("Requests to the shop, by user: the label that explodes"))
	s.orders, errs[2] = meter.Int64Counter("shop.orders", metric.WithUnit("{order}"))
	return s, errors.Join(errs[:]...)
}

// Run sends perSecond orders a second until ctx ends.
func (s *Shop) Run(ctx context.Context, perSecond int) {
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.Order(now)
		}
	}
}

// Order sends the telemetry of one order: a trace through the four services that ends at now, log records, and metrics.
func (s *Shop) Order(now time.Time) {
	s.orders++
	user := fmt.Sprintf("u%03d", s.random.IntN(Users))
	card := []string{"4111 1111 1111 1111", "5555-5555-5555-4444", "378282246310005"}[s.random.IntN(3)]
	bank := time.Duration(20+s.random.IntN(60)) * time.Millisecond
	dice := s.random.IntN(1000)
	if dice < slowOrders {
		bank = 1200*time.Millisecond + bank*10
	}
	refused := dice >= slowOrders && dice < slowOrders+refusedOrders
	total := bank + 25*time.Millisecond
	began := now.Add(-total)

	ctx, front := s.storefront.span(context.Background(), "POST /checkout", trace.SpanKindServer, began, attribute.String("http.route", "/checkout"))
	ctx, out := s.checkout.span(ctx, "POST /orders", trace.SpanKindServer, began.Add(2*time.Millisecond), attribute.String("http.route", "/orders"), attribute.Int("order.id", s.orders))
	_, reserve := s.inventory.span(ctx, "reserve", trace.SpanKindServer, began.Add(4*time.Millisecond), attribute.String("db.system.name", "postgresql"))
	reserve.End(trace.WithTimestamp(began.Add(16 * time.Millisecond)))
	ctxPay, pay := s.payment.span(ctx, "charge", trace.SpanKindServer, began.Add(18*time.Millisecond), attribute.String("payment.method", "card"))
	_, wait := s.payment.span(ctxPay, "POST bank.example", trace.SpanKindClient, began.Add(19*time.Millisecond), attribute.String("server.address", "bank.example"))
	wait.End(trace.WithTimestamp(began.Add(19*time.Millisecond + bank)))

	method := metric.WithAttributes(attribute.String("payment.method", "card"))
	status := 200
	switch {
	case refused:
		status = 502
		pay.SetStatus(codes.Error, "the bank refused the card")
		out.SetStatus(codes.Error, "payment failed")
		s.payment.say(ctxPay, now, log.SeverityError, fmt.Sprintf("payment of order %d refused: card %s of %s@example.com", s.orders, card, user))
		s.checkout.say(ctx, now, log.SeverityError, fmt.Sprintf("order %d failed: payment answered 502", s.orders))
	case dice < slowOrders:
		s.payment.say(ctxPay, now, log.SeverityWarn, fmt.Sprintf("bank.example answered after %d ms", bank.Milliseconds()))
		fallthrough
	default:
		s.checkout.say(ctx, now, log.SeverityInfo, fmt.Sprintf("order %d of %s@example.com paid", s.orders, user))
		s.checkout.orders.Add(ctx, 1, method)
	}
	pay.End(trace.WithTimestamp(began.Add(20*time.Millisecond + bank)))
	out.End(trace.WithTimestamp(began.Add(22*time.Millisecond + bank)))
	front.End(trace.WithTimestamp(now))

	s.checkout.requests.Add(ctx, 1, metric.WithAttributes(attribute.String("http.route", "/orders"), attribute.String("user.id", user)))
	of := func(route string) metric.RecordOption {
		return metric.WithAttributes(attribute.String("http.route", route), attribute.Int("http.response.status_code", status))
	}
	s.storefront.duration.Record(ctx, total.Seconds(), of("/checkout"))
	s.checkout.duration.Record(ctx, (bank + 20*time.Millisecond).Seconds(), of("/orders"))
	s.payment.duration.Record(ctxPay, (bank + 2*time.Millisecond).Seconds(), of("/charge"))
}

func (s *service) span(ctx context.Context, name string, kind trace.SpanKind, began time.Time, attributes ...attribute.KeyValue) (context.Context, trace.Span) {
	return s.tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithTimestamp(began), trace.WithAttributes(attributes...))
}

func (s *service) say(ctx context.Context, now time.Time, severity log.Severity, text string) {
	var r log.Record
	r.SetTimestamp(now)
	r.SetSeverity(severity)
	r.SetSeverityText(severity.String())
	r.SetBody(attribute.StringValue(text))
	s.logger.Emit(ctx, r)
}

// Close sends the rest.
func (s *Shop) Close(ctx context.Context) error {
	var errs []error
	for _, of := range []*service{s.storefront, s.checkout, s.payment, s.inventory} {
		if of != nil {
			errs = append(errs, of.metrics.ForceFlush(ctx), of.tracing.Shutdown(ctx), of.metrics.Shutdown(ctx), of.logging.Shutdown(ctx))
		}
	}
	return errors.Join(errs...)
}
