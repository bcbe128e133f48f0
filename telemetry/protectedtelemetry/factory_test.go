package protectedtelemetry_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	otelconf "go.opentelemetry.io/contrib/otelconf/v0.3.0"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configtelemetry"
	"go.opentelemetry.io/collector/service/telemetry"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"

	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/telemetry/protectedtelemetry"
)

// provider makes what factory makes of a configuration with one pull reader on a free port.
func provider(t *testing.T, factory telemetry.Factory, change func(*otelconf.Prometheus)) (telemetry.MeterProvider, string) {
	t.Helper()
	address := freeport.One(t)
	_, text, err := net.SplitHostPort(address)
	require.NoError(t, err)
	port, err := strconv.Atoi(text)
	require.NoError(t, err)

	cfg := factory.CreateDefaultConfig().(*otelconftelemetry.Config)
	host := "127.0.0.1"
	reader := cfg.Metrics.Readers[0].Pull.Exporter.Prometheus
	reader.Host, reader.Port = &host, &port
	if change != nil {
		change(reader)
	}
	build := telemetry.Settings{BuildInfo: component.BuildInfo{Command: "penstock", Version: "1"}}
	cfg.Resource.Attributes = []otelconf.AttributeNameValue{{Name: "service.instance.id", Value: "a"}, {Name: "team", Value: "b"}}
	resource, err := factory.CreateResource(t.Context(), build, cfg)
	require.NoError(t, err)
	build.Resource = &resource
	made, err := factory.CreateMeterProvider(t.Context(), telemetry.MeterSettings{Settings: build, Logger: zap.NewNop(),
		DefaultViews: func(configtelemetry.Level) []otelconf.View { return nil }}, cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		require.NoError(t, made.Shutdown(context.Background()))
	})
	return made, address
}

func get(t *testing.T, address, host, method string, header http.Header) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+"/metrics", nil)
	require.NoError(t, err)
	r.Host = host
	for key, values := range header {
		r.Header[key] = values
	}
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(body)
}

// Scrapes can't tell the two factories apart, however the reader is configured.
func TestTheMetricsAreThoseOfTheStockFactory(t *testing.T) {
	yes, no := true, false
	for name, change := range map[string]func(*otelconf.Prometheus){
		"default":  nil,
		"suffixes": func(p *otelconf.Prometheus) { p.WithoutTypeSuffix, p.WithoutUnits, p.WithoutScopeInfo = &no, &no, &no },
		"half":     func(p *otelconf.Prometheus) { p.WithoutTypeSuffix, p.WithoutUnits, p.WithoutScopeInfo = &yes, nil, nil },
		"included": func(p *otelconf.Prometheus) {
			p.WithResourceConstantLabels = &otelconf.IncludeExclude{Included: []string{"team", "service.name"}}
		},
		"excluded": func(p *otelconf.Prometheus) {
			p.WithResourceConstantLabels = &otelconf.IncludeExclude{Excluded: []string{"team"}}
		},
		"IPv6 brackets are taken off": func(p *otelconf.Prometheus) { host := "[127.0.0.1]"; p.Host = &host },
	} {
		t.Run(name, func(t *testing.T) {
			var pages []string
			for _, factory := range []telemetry.Factory{otelconftelemetry.NewFactory(), protectedtelemetry.NewFactory()} {
				p, address := provider(t, factory, change)
				meter := p.Meter("scope", metric.WithInstrumentationVersion("1"))
				counter, err := meter.Int64Counter("requests", metric.WithUnit("{request}"), metric.WithDescription("Requests."))
				require.NoError(t, err)
				counter.Add(t.Context(), 5, metric.WithAttributes(attribute.String("reason.code", "full")))
				histogram, err := meter.Float64Histogram("latency", metric.WithUnit("s"))
				require.NoError(t, err)
				histogram.Record(t.Context(), 0.1)
				status, page := get(t, address, "", http.MethodGet, nil)
				require.Equal(t, http.StatusOK, status)
				require.Contains(t, page, "requests")
				pages = append(pages, regexp.MustCompile(`promhttp_metric_handler_requests_total\{.*`).ReplaceAllString(page, ""))
			}
			assert.Equal(t, pages[0], pages[1])
		})
	}
}

func TestWebPagesCantUseTheListener(t *testing.T) {
	_, address := provider(t, protectedtelemetry.NewFactory(), nil)
	crossSite := http.Header{"Origin": {"http://evil.example"}, "Sec-Fetch-Site": {"cross-site"}}
	for _, c := range []struct {
		name, host, method string
		header             http.Header
		want               int
	}{
		{"Prometheus", address, http.MethodGet, nil, http.StatusOK},
		{"localhost", "localhost:8888", http.MethodGet, nil, http.StatusOK},
		{"a rebound name", "evil.example:8888", http.MethodGet, nil, http.StatusForbidden},
		{"a form of another site", address, http.MethodPost, crossSite, http.StatusForbidden},
	} {
		status, page := get(t, address, c.host, c.method, c.header)
		assert.Equal(t, c.want, status, c.name)
		assert.Equal(t, c.want == http.StatusOK, strings.Contains(page, "target_info"), c.name)
	}
	_, page := get(t, address, "", http.MethodGet, nil)
	assert.Regexp(t, `(?m)^otelcol_telemetry_refused_requests\{reason="host"[^}]*\} 1$`, page)
	assert.Regexp(t, `(?m)^otelcol_telemetry_refused_requests\{reason="cross_site"[^}]*\} 1$`, page)
}

func TestWrongConfigurationIsAnError(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	for want, change := range map[string]func(*otelconf.Prometheus){
		"host must be specified": func(p *otelconf.Prometheus) { p.Host = nil },
		"port must be specified": func(p *otelconf.Prometheus) { p.Port = nil },
		"address already in use": func(p *otelconf.Prometheus) { host := "127.0.0.1"; p.Host, p.Port = &host, &port },
		"both include and exclude list: team": func(p *otelconf.Prometheus) {
			p.WithResourceConstantLabels = &otelconf.IncludeExclude{Included: []string{"team"}, Excluded: []string{"team"}}
		},
	} {
		factory := protectedtelemetry.NewFactory()
		cfg := factory.CreateDefaultConfig().(*otelconftelemetry.Config)
		change(cfg.Metrics.Readers[0].Pull.Exporter.Prometheus)
		resource, err := factory.CreateResource(t.Context(), telemetry.Settings{}, cfg)
		require.NoError(t, err)
		_, err = factory.CreateMeterProvider(t.Context(), telemetry.MeterSettings{Settings: telemetry.Settings{Resource: &resource}, Logger: zap.NewNop()}, cfg)
		assert.ErrorContains(t, err, want)
	}
}

// What has no listener is the stock factory's.
func TestWithoutPullReadersNothingIsServed(t *testing.T) {
	factory := protectedtelemetry.NewFactory()
	cfg := factory.CreateDefaultConfig().(*otelconftelemetry.Config)
	cfg.Metrics.Level = configtelemetry.LevelNone
	made, err := factory.CreateMeterProvider(t.Context(), telemetry.MeterSettings{Logger: zap.NewNop()}, cfg)
	require.NoError(t, err)
	require.NoError(t, made.Shutdown(t.Context()))
}
