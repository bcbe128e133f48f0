package piiscrubberprocessor

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"

	"github.com/penstockhq/penstock/internal/readmetest"
)

func load(t *testing.T, c *confmap.Conf) *Config {
	t.Helper()
	cfg := createDefaultConfig().(*Config)
	require.NoError(t, c.Unmarshal(cfg))
	return cfg
}

func TestConfig(t *testing.T) {
	all, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	require.NoError(t, err)

	sub, err := all.Sub("pii_scrubber")
	require.NoError(t, err)
	cfg := load(t, sub)
	require.NoError(t, confmap.Validate(cfg))
	assert.Equal(t, createDefaultConfig(), cfg)

	sub, err = all.Sub("pii_scrubber/full")
	require.NoError(t, err)
	cfg = load(t, sub)
	require.NoError(t, confmap.Validate(cfg))
	assert.Equal(t, RuleConfig{Action: "tokenize"}, cfg.Detectors["email"])
	assert.Equal(t, RuleConfig{Action: "mask", KeepLast: 4}, cfg.Detectors["payment_card"])
	assert.Equal(t, RuleConfig{Action: "hash"}, cfg.Custom[0].Rule)
	assert.True(t, cfg.SensitiveKeys.Builtin)
	assert.True(t, cfg.Places.Body)
	assert.NotContains(t, cfg.Keys[0].Secret.String(), "AAEC")
}

func TestInvalidConfig(t *testing.T) {
	for _, c := range []struct{ yaml, want string }{
		{"detectors: {emial: redact}", "detectors::emial: no such detector"},
		{"detectors: {email: shred}", `detectors::email: unknown action "shred"`},
		{"detectors: {email: hash}", `detectors::email: action "hash" needs a key`},
		{"detectors: {email: tokenize}", `detectors::email: action "tokenize" needs a key`},
		{"default_action: encrypt", `default_action: action "encrypt" needs a key`},
		{"detectors: {email: {action: redact, keep_last: 4}}", "detectors::email: keep_first and keep_last apply to action mask"},
		{"detectors: {email: {action: mask, keep_last: -1}}", "detectors::email: keep_first and keep_last must not be negative"},
		{"sensitive_keys: {action: nope}", `sensitive_keys: unknown action "nope"`},
		{"custom: [{name: x, pattern: '('}]", `custom[0]::pattern: "("`},
		{"custom: [{name: x, pattern: 'a*'}]", "matches the empty string"},
		{"custom: [{name: X, pattern: 'a'}]", "custom[0]::name"},
		{"custom: [{name: email, pattern: 'a'}]", `custom[0]::name: "email" is taken`},
		{"custom: [{name: x, pattern: 'a', validator: crc}]", `unknown validator "crc"`},
		{"custom: [{name: x, pattern: 'a', within: -3}]", "custom[0]::within: must not be negative"},
		{"allow: {values: ['[']}", "allow::values[0]"},
		{"keys: [{id: k1, secret: '%%%'}]", "keys[0]::secret: not base64"},
		{"keys: [{id: k1, secret: c2hvcnQ=}]", `key "k1": the secret has 5 bytes`},
		{"keys: [{id: 'a b', secret: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=}]", "keys[0]::id"},
		{"include: ['atributes.*']", `include[0]: "atributes.*" must begin with one of resource, scope, attributes`},
		{"exclude: ['', '*.ok', body.x]", `exclude[0]: "" must begin with one of`},
		{"phone_regions: [XX]", `phone_regions[0]: "XX"`},
		{"id_regions: [ES, XX]", `id_regions[1]: "XX": no identifiers of this country are known, want BE, BR, CA`},
		{"places: {attribute_keys: some}", `places::attribute_keys: must be tokens, all or off, got "some"`},
		{"limits: {max_depth: 0}", "limits::max_depth"},
		{"limits: {max_value_bytes: 3}", "limits::max_value_bytes"},
		{"limits: {on_limit: explode}", `limits::on_limit: must be redact or pass, got "explode"`},
	} {
		conf, err := confmap.NewRetrievedFromYAML([]byte(c.yaml))
		require.NoError(t, err)
		sub, err := conf.AsConf()
		require.NoError(t, err)
		err = confmap.Validate(load(t, sub))
		require.Error(t, err, c.yaml)
		assert.Contains(t, err.Error(), c.want, c.yaml)
		assert.NotContains(t, err.Error(), "AAEC", "a secret in an error")
	}
}

// The README's examples must load.
func TestReadmeExamples(t *testing.T) {
	assert.GreaterOrEqual(t, len(readmetest.Load(t, "processors", NewFactory(), map[string]string{"PENSTOCK_PII_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="})), 2)
}
