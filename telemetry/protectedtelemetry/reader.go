package protectedtelemetry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	otelconf "go.opentelemetry.io/contrib/otelconf/v0.3.0"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/penstockhq/penstock/internal/crossorigin"
)

const scopeName = "github.com/penstockhq/penstock/telemetry/protectedtelemetry"

// Limits of one connection, as otelconf has them.
const (
	readTimeout  = 5 * time.Second
	writeTimeout = 10 * time.Second
	idleTimeout  = 2 * time.Minute
)

// refusals counts refused requests, once their provider exists.
type refusals struct {
	refused atomic.Pointer[metric.Int64Counter]
}

func (f *refusals) count(provider metric.MeterProvider) error {
	counter, err := provider.Meter(scopeName).Int64Counter("otelcol_telemetry_refused_requests",
		metric.WithUnit("{request}"), metric.WithDescription("Requests for the collector's own metrics that a web page may have sent."))
	f.refused.Store(&counter)
	return err
}

func (f *refusals) add(r *http.Request, reason crossorigin.Reason) {
	if counter := f.refused.Load(); counter != nil {
		(*counter).Add(context.WithoutCancel(r.Context()), 1, metric.WithAttributes(attribute.String("reason", string(reason))))
	}
}

// pullReader serves /metrics until it is shut down. There is no authentication, so on loopback the Host must be localhost or an
// IP address.
type pullReader struct {
	sdkmetric.Reader
	server *http.Server
	served sync.WaitGroup
}

func newPullReader(c *otelconf.Prometheus, refused *refusals) (*pullReader, error) {
	if c.Host == nil {
		return nil, errors.New("host must be specified")
	}
	if c.Port == nil {
		return nil, errors.New("port must be specified")
	}
	options, err := exporterOptions(c)
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	exporter, err := otelprom.New(append(options, otelprom.WithRegisterer(registry))...)
	if err != nil {
		return nil, fmt.Errorf("make the Prometheus exporter: %w", err)
	}
	address := net.JoinHostPort(strings.Trim(*c.Host, "[]"), strconv.Itoa(*c.Port))
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("binding address %s for Prometheus exporter: %w", address, err), exporter.Shutdown(context.Background()))
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry}))
	rules := crossorigin.Rules{LocalNames: crossorigin.Loopback(listener.Addr())}
	r := &pullReader{Reader: exporter, server: &http.Server{
		Addr:        listener.Addr().String(),
		Handler:     rules.Handler(mux, refused.add),
		ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
	}}
	r.served.Go(func() {
		if err := r.server.Serve(listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
			otel.Handle(fmt.Errorf("the Prometheus HTTP server exited unexpectedly: %w", err))
		}
	})
	return r, nil
}

// Shutdown ends reader and listener.
func (r *pullReader) Shutdown(ctx context.Context) error {
	err := errors.Join(r.Reader.Shutdown(ctx), r.server.Shutdown(ctx))
	if ctx.Err() != nil {
		err = errors.Join(err, r.server.Close())
	}
	r.served.Wait()
	return err
}

// exporterOptions are the options that otelconf uses for its exporter.
func exporterOptions(c *otelconf.Prometheus) ([]otelprom.Option, error) {
	isTrue := func(b *bool) bool { return b != nil && *b }
	strategy := otlptranslator.NoUTF8EscapingWithSuffixes
	if isTrue(c.WithoutTypeSuffix) && isTrue(c.WithoutUnits) {
		strategy = otlptranslator.NoTranslation
	}
	options := []otelprom.Option{otelprom.WithTranslationStrategy(strategy)}
	if isTrue(c.WithoutScopeInfo) {
		options = append(options, otelprom.WithoutScopeInfo())
	}
	if labels := c.WithResourceConstantLabels; labels != nil {
		for _, name := range labels.Excluded {
			if slices.Contains(labels.Included, name) {
				return nil, fmt.Errorf("attribute cannot be in both include and exclude list: %s", name)
			}
		}
		options = append(options, otelprom.WithResourceAsConstantLabels(func(kv attribute.KeyValue) bool {
			name := string(kv.Key)
			return !slices.Contains(labels.Excluded, name) && (len(labels.Included) == 0 || slices.Contains(labels.Included, name))
		}))
	}
	return options, nil
}
