package windowrollupprocessor

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"

	"github.com/penstockhq/penstock/internal/readmetest"
	"github.com/penstockhq/penstock/internal/window"
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

// ruleWith is a rule that is valid but for what text changes.
func ruleWith(text string) string {
	return "rules: [{windows: [{size: 1m}], aggregates: [sum], " + text + "}]"
}

func TestRulesBecomeSpecs(t *testing.T) {
	cfg, err := load(t, `
rules:
  - match: {metric: "http_*", type: [histogram, sum], attributes: {service.name: "a*"}}
    windows: [{size: 1m}, {size: 1h, hop: 10m}]
    by: [service.name]
    aggregates: [sum, p99.9]
    keep_raw: false
    max_streams: 7
  - {windows: [{size: 1m}], without: [host.name], aggregates: [count]}
`)
	require.NoError(t, err)
	rules := cfg.spec().Rules
	require.Len(t, rules, 2)
	assert.Equal(t, []window.Spec{{Size: time.Minute, Hop: time.Minute}, {Size: time.Hour, Hop: 10 * time.Minute}}, rules[0].Windows)
	assert.Equal(t, []string{"histogram", "sum"}, rules[0].Match.Types)
	assert.Equal(t, "a*", rules[0].Match.Attributes["service.name"])
	assert.Equal(t, 7, rules[0].MaxStreams)
	assert.False(t, rules[0].KeepRaw)
	assert.True(t, rules[1].KeepRaw, "raw points stay unless somebody says otherwise")
	assert.Equal(t, time.Minute, cfg.shortest())
}

func TestInvalidConfig(t *testing.T) {
	cases := map[string]string{
		"{}":                                                           `rules: none, want at least one`,
		ruleWith("metrics: a"):                                         `invalid keys: metrics`,
		ruleWith(`match: {metric: "["}`):                               `rules::0::match::metric: pattern "["`,
		ruleWith(`match: {type: [gage]}`):                              `rules::0::match::type::0: unknown type "gage"`,
		ruleWith(`match: {attributes: {a: "[" }}`):                     `rules::0::match::attributes::a: pattern "["`,
		ruleWith(`by: [a], without: [b]`):                              `rules::0::by, without: set only one of them`,
		ruleWith(`max_streams: -1`):                                    `rules::0::max_streams: must not be negative, got -1`,
		`rules: [{aggregates: [sum]}]`:                                 `rules::0::windows: at least one is needed`,
		`rules: [{windows: [{size: 1m}]}]`:                             `rules::0::aggregates: at least one is needed`,
		`rules: [{windows: [{size: 0s}], aggregates: [sum]}]`:          `rules::0::windows::0: size must be above zero, is 0s`,
		`rules: [{windows: [{size: 1m, hop: 7s}], aggregates: [sum]}]`: `rules::0::windows::0: size 1m0s is not a multiple of hop 7s`,
		`rules: [{windows: [{size: 1m}, {size: 1m, hop: 10s}], aggregates: [sum]}]`:     `rules::0::windows::1::size: 1m0s is listed twice`,
		`rules: [{windows: [{size: 1000000s, hop: 1s}], aggregates: [sum]}]`:            `rules::0::windows::0::hop: 1s is too small`,
		`rules: [{windows: [{size: 1500ms}, {size: 1s}], aggregates: [sum]}]`:           `rules::0::windows: the greatest common divisor of their sizes and hops is 500ms`,
		`rules: [{windows: [{size: 1m}], aggregates: [median]}]`:                        `rules::0::aggregates::0: unknown aggregate "median"`,
		`rules: [{windows: [{size: 1m}], aggregates: [p101]}]`:                          `rules::0::aggregates::0: unknown aggregate "p101"`,
		`rules: [{windows: [{size: 1m}], aggregates: [sum, sum]}]`:                      `rules::0::aggregates::1: "sum" is listed twice`,
		`rules: [{match: {type: [summary]}, windows: [{size: 1m}], aggregates: [p50]}]`: `rules::0::aggregates::0: "p50" can't be computed from metrics of type [summary]`,
		ruleWith("") + "\non_late: keep":                                                `on_late: "keep", want one of ["drop" "route" "correct"]`,
		ruleWith("") + "\ntime: mine":                                                   `time: "mine", want one of ["event" "processing"]`,
		ruleWith("") + "\ntemporality: none":                                            `temporality: "none", want one of ["delta" "cumulative" "gauge"]`,
		ruleWith("") + "\njournal: maybe":                                               `journal: "maybe", want one of ["optional" "required"]`,
		ruleWith("") + "\n{on_late: correct, temporality: cumulative}":                  `temporality: "cumulative", want "delta" or "gauge" with on_late "correct"`,
		ruleWith("") + "\nallowed_lateness: -1s":                                        `allowed_lateness: -1s, want 0s or more`,
		ruleWith("") + "\ncorrect_for: 0s":                                              `correct_for: 0s, want 1s or more`,
		ruleWith("") + "\nidle_timeout: 0s":                                             `idle_timeout: 0s, want 1s or more`,
		ruleWith("") + "\nmax_future: -1s":                                              `max_future: -1s, want 0s or more`,
		ruleWith("") + "\nstream_timeout: 1s":                                           `stream_timeout: 1s, want 1m0s or more`,
		ruleWith("") + "\ncheckpoint_interval: 0s":                                      `checkpoint_interval: 0s, want 1s or more`,
		ruleWith("") + "\nemit: {spread: -1s}":                                          `emit::spread: -1s, want 0s or more`,
		ruleWith("") + "\nemit: {batch_points: 0}":                                      `emit::batch_points: 0, want 1 or more`,
		ruleWith("") + "\nmax_streams: 0":                                               `max_streams: 0, want 1 or more`,
		ruleWith("") + "\nmax_input_streams: 0":                                         `max_input_streams: 0, want 1 or more`,
		ruleWith("") + "\nmax_sources: 0":                                               `max_sources: 0, want 1 or more`,
		ruleWith("") + "\nmax_buckets: 7":                                               `max_buckets: 7, want 8 or more`,
	}
	for text, want := range cases {
		t.Run(text, func(t *testing.T) {
			_, err := load(t, flow(text))
			require.Error(t, err)
			assert.ErrorContains(t, err, want)
		})
	}
}

// flow joins a second line in braces into the first map.
func flow(text string) string {
	if m := regexp.MustCompile(`(?s)^(.*)\n\{(.*)\}$`).FindStringSubmatch(text); m != nil {
		return "{" + m[1] + ", " + m[2] + "}"
	}
	return text
}

func TestAllProblemsAreTold(t *testing.T) {
	_, err := load(t, "{on_late: a, rules: [{windows: [{size: 1m}], aggregates: [sum]}, {max_streams: -1}]}")
	assert.ErrorContains(t, err, "on_late:")
	for _, key := range []string{"windows", "aggregates", "max_streams"} {
		assert.ErrorContains(t, err, "rules::1::"+key)
	}
	assert.NotContains(t, err.Error(), "rules::0")
}

// Every YAML block in the README that shows the processor loads.
func TestReadmeExamples(t *testing.T) {
	readmetest.Load(t, "processors", NewFactory(), nil)
}
