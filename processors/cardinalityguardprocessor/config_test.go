package cardinalityguardprocessor

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"

	"github.com/penstockhq/penstock/internal/readmetest"
)

func load(t *testing.T, text string) (*Config, error) {
	t.Helper()
	var raw map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(text), &raw))
	cfg := createDefaultConfig().(*Config)
	if err := confmap.NewFromStringMap(raw).Unmarshal(cfg); err != nil {
		return nil, err
	}
	return cfg, confmap.Validate(cfg)
}

func TestDefaultsAreValid(t *testing.T) {
	cfg, err := load(t, "{}")
	require.NoError(t, err)
	assert.Equal(t, createDefaultConfig(), component.Config(cfg))
}

func TestInvalidConfig(t *testing.T) {
	cases := map[string]string{
		"on_limit: fall":                                `on_limit: "fall", want one of ["fold" "drop" "observe"]`,
		"gauge: median":                                 `gauge: "median", want one of ["last" "max" "mean" "min" "sum"]`,
		"journal: maybe":                                `journal: "maybe", want one of ["optional" "required"]`,
		"limits: {series: -1}":                          `limits::series: -1, want 0 or more`,
		"limits: {metrics: 0}":                          `limits::metrics: 0, want 1 or more`,
		"limits: {metrics: 20000000}":                   `limits::metrics: 20000000, want less than 16777216`,
		"limits: {contributors: 0}":                     `limits::contributors: 0, want 1 or more`,
		"limits: {overflow_streams: 0}":                 `limits::overflow_streams: 0, want 1 or more`,
		"limits: {overflow_streams_per_metric: 0}":      `limits::overflow_streams_per_metric: 0, want 1 or more`,
		"limits: {serie: 1}":                            `invalid keys: serie`,
		"flush_interval: 10ms":                          `flush_interval: 10ms, want 1s or more`,
		"idle_timeout: 20s":                             `idle_timeout: 20s, want four times flush_interval (15s) or more`,
		"checkpoint_interval: 0s":                       `checkpoint_interval: 0s, want 1s or more`,
		"exemplars: -1":                                 `exemplars: -1, want 0 or more`,
		"report: {interval: -1s}":                       `report::interval: -1000000000, want 0 or more`,
		"report: {top: 0}":                              `report::top: 0, want 1 or more`,
		"overrides: [{limits: {series_per_metric: 1}}]": `overrides::0: needs a pattern`,
		"overrides: [{metric: a}]":                      `overrides::0: limits: set at least one of`,
		"overrides: [{metric: a, limits: {series_per_metric: -1}}]": `overrides::0: limits::series_per_metric: -1, want 0 or more`,
		"overrides: [{metric: a, limits: {series_per_service: 1}}]": `overrides::0: limits::series_per_service: applies to whole services`,
		"overrides: [{service: a, limits: {series_per_tenant: 1}}]": `overrides::0: limits::series_per_tenant: applies to whole tenants`,
		"attributes: [{deny: [a]}]":                                 `attributes::0: metric: needs a pattern`,
		"attributes: [{metric: a}]":                                 `attributes::0: needs at least one of allow, deny and protect`,
		"attributes: [{metric: a, allow: [a], deny: [b]}]":          `attributes::0: allow, deny: set only one of them`,
		"attributes: [{metric: a, allow: [a], protect: [b]}]":       `attributes::0: protect: "b" is denied`,
	}
	for text, want := range cases {
		t.Run(text, func(t *testing.T) {
			_, err := load(t, text)
			require.Error(t, err)
			assert.ErrorContains(t, err, want)
		})
	}
}

func TestAllProblemsAreTold(t *testing.T) {
	_, err := load(t, "{on_limit: a, gauge: b}")
	assert.ErrorContains(t, err, "on_limit:")
	assert.ErrorContains(t, err, "gauge:")
}

// Every YAML block in the README that shows the processor loads.
func TestReadmeExamples(t *testing.T) {
	readmetest.Load(t, "processors", NewFactory(), nil)
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"", "anything", true}, {"*", "a/b\nc", true}, {"http_*", "http_requests", true}, {"http_*", "xhttp_", false},
		{"a.b", "axb", false}, {"*.total", "x.total", true}, {"a*c", "abc", true}, {"a*c", "abcd", false},
	} {
		assert.Equal(t, c.want, glob(c.pattern).MatchString(c.name), "%q on %q", c.pattern, c.name)
	}
}
