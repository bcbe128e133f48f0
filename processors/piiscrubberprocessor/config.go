package piiscrubberprocessor

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/nyaruka/phonenumbers"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/detect"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/protect"
)

// Config of pii_scrubber. The default detects all precise kinds of personal data and secrets, everywhere, and redacts them.
type Config struct {
	// DefaultAction is the action of detectors that Detectors doesn't name. Default: redact. With "off" only the named ones run.
	DefaultAction RuleConfig `mapstructure:"default_action"`

	// Detectors by name: an action, or a block with an action and its settings.
	Detectors map[string]RuleConfig `mapstructure:"detectors"`

	// Custom are further detectors, each an RE2 pattern. Default: none.
	Custom []CustomConfig `mapstructure:"custom"`

	// SensitiveKeys are attribute keys whose values are removed whole.
	SensitiveKeys SensitiveKeysConfig `mapstructure:"sensitive_keys"`

	// Allow lists exceptions.
	Allow AllowConfig `mapstructure:"allow"`

	// Keys for hash, tokenize and encrypt. The first makes new values, all can read old ones: to rotate, add a new one in front. An entry
	// with an empty secret is ignored, so that a profile can refer to an unset variable.
	Keys []KeyConfig `mapstructure:"keys"`

	// KeyFile holds the key if Keys has none; the first start creates it, readable only by its owner. Default: none. Without any key,
	// values that tell streams apart are redacted, and streams that become one are counted.
	KeyFile string `mapstructure:"key_file"`

	// KeyExtension is the extension that shares one key among all collectors, if Keys has none. KeyFile then holds a copy. Default: none.
	KeyExtension *component.ID `mapstructure:"key_extension"`

	// Instances says that several collectors with this configuration receive the streams of one sender, so that each must write the same
	// hashes: then a key that only this machine has causes a warning. Default: false.
	Instances bool `mapstructure:"instances"`

	// Places that are scrubbed.
	Places PlacesConfig `mapstructure:"places"`

	// Include are the paths that are scrubbed; '*' matches anything: "attributes.user.*", "resource.host.name", "body.request.*". Default:
	// empty, all.
	Include []string `mapstructure:"include"`

	// Exclude are the paths that are not scrubbed. Default: none.
	Exclude []string `mapstructure:"exclude"`

	// PhoneRegions are the ISO 3166 codes of regions whose national telephone numbers are detected.
	PhoneRegions []string `mapstructure:"phone_regions"`

	// IDRegions are the ISO 3166 codes of countries whose national identifiers are detected without a word beside them; one in 10 to 100
	// random numbers of the same form passes their check. Default: none.
	IDRegions []string `mapstructure:"id_regions"`

	// HostNames detects IP addresses inside host names that providers build from them ("ec2-93-184-41-253.compute-1.example.net").
	// Default: false.
	HostNames bool `mapstructure:"host_names"`

	// SpecialAddresses detects private, loopback and documentation IP addresses too. Default: false.
	SpecialAddresses bool `mapstructure:"special_addresses"`

	// Limits bound the work per value.
	Limits LimitsConfig `mapstructure:"limits"`
}

// RuleConfig is an action and its settings; in YAML the name of an action is enough.
type RuleConfig struct {
	// Action is one of redact, mask, hash, tokenize, encrypt, drop, count, off.
	Action string `mapstructure:"action"`
	// KeepFirst is how many letters and digits mask keeps at the beginning. Default: 0.
	KeepFirst int `mapstructure:"keep_first"`
	// KeepLast is how many letters and digits mask keeps at the end. Default: 0.
	KeepLast int `mapstructure:"keep_last"`
}

// UnmarshalText parses the short form, an action's name.
func (r *RuleConfig) UnmarshalText(text []byte) error {
	*r = RuleConfig{Action: string(text)}
	return nil
}

// CustomConfig is a user-defined detector.
type CustomConfig struct {
	// Name of the detector: lower-case letters, digits (four at most) and underscores.
	Name string `mapstructure:"name"`
	// Pattern in RE2 syntax. If it has a group, the first group is the finding.
	Pattern string `mapstructure:"pattern"`
	// Validator is one of luhn, mod97, verhoeff. Default: none.
	Validator string `mapstructure:"validator"`
	// Keywords, one of which must be near the match, in any case. Default: none.
	Keywords []string `mapstructure:"keywords"`
	// Within is the maximum distance of a keyword, in bytes. Default: 64.
	Within int `mapstructure:"within"`
	// Rule is the action and its settings. Default: default_action.
	Rule RuleConfig `mapstructure:",squash"`
}

// SensitiveKeysConfig configures which values are removed whole because of their key.
type SensitiveKeysConfig struct {
	// Rule is the action and its settings. Default: redact.
	Rule RuleConfig `mapstructure:",squash"`
	// Builtin uses the built-in names: passwords, tokens, authorization, cookies and similar names, in any spelling. Default: true.
	Builtin bool `mapstructure:"builtin"`
	// Keys are further attribute keys, whole, in any case. Default: none.
	Keys []string `mapstructure:"keys"`
}

// AllowConfig lists exceptions.
type AllowConfig struct {
	// Keys of attributes that are not searched; '*' matches anything. Default: none.
	Keys []string `mapstructure:"keys"`
	// Values are RE2 patterns; a finding stays if one of them matches all of it. Default: none.
	Values []string `mapstructure:"values"`
}

// KeyConfig is a secret with a name.
type KeyConfig struct {
	// ID is part of the values: lower-case letters, digits (four at most) and dashes, 32 at most.
	ID string `mapstructure:"id"`
	// Secret is at least 32 bytes in base64, preferably from an environment variable or a file.
	Secret configopaque.String `mapstructure:"secret"`
}

// PlacesConfig switches places on and off. All are on.
type PlacesConfig struct {
	// Resource attributes and schema URLs.
	Resource bool `mapstructure:"resource"`
	// Scope names, versions, attributes and schema URLs.
	Scope bool `mapstructure:"scope"`
	// Attributes of log records, spans, data points and samples.
	Attributes bool `mapstructure:"attributes"`
	// Body of log records.
	Body bool `mapstructure:"body"`
	// SpanNames, and names of log events.
	SpanNames bool `mapstructure:"span_names"`
	// StatusMessages of spans, and their trace state.
	StatusMessages bool `mapstructure:"status_messages"`
	// Events of spans, names and attributes.
	Events bool `mapstructure:"events"`
	// Links of spans, attributes and trace state.
	Links bool `mapstructure:"links"`
	// Exemplars' attributes.
	Exemplars bool `mapstructure:"exemplars"`
	// Descriptions, names, units and metadata of metrics.
	Descriptions bool `mapstructure:"descriptions"`
	// AttributeKeys selects the detectors that search the keys of attributes: "tokens" (e-mail addresses and credentials with a form of
	// their own), "all" or "off". Default: tokens.
	AttributeKeys string `mapstructure:"attribute_keys"`
}

// LimitsConfig bounds the work per value.
type LimitsConfig struct {
	// MaxDepth is how many maps and arrays deep a value is searched. Default: 64.
	MaxDepth int `mapstructure:"max_depth"`
	// MaxValueBytes is the longest text that is searched. Default: 4194304 (4 MiB).
	MaxValueBytes int `mapstructure:"max_value_bytes"`
	// OnLimit is redact (a value that can't be searched is replaced whole) or pass. Default: redact.
	OnLimit string `mapstructure:"on_limit"`
}

// Values of places::attribute_keys.
const keysOff, keysTokens, keysAll = "off", "tokens", "all"

var (
	nameForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	keyForm  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
)

func createDefaultConfig() component.Config {
	return &Config{
		DefaultAction: RuleConfig{Action: "redact"},
		SensitiveKeys: SensitiveKeysConfig{Rule: RuleConfig{Action: "redact"}, Builtin: true},
		Places: PlacesConfig{Resource: true, Scope: true, Attributes: true, Body: true, SpanNames: true, StatusMessages: true,
			Events: true, Links: true, Exemplars: true, Descriptions: true, AttributeKeys: keysTokens},
		PhoneRegions: []string{"US", "GB", "DE", "FR", "ES", "IT", "NL", "BE", "CH", "AT", "SE", "PL", "PT", "IE", "IN", "BR", "MX", "AU", "JP", "CN", "FI", "CZ",
			"GR", "TR", "RU", "UA", "RO", "IL", "ZA", "KR", "NZ", "DK", "NO"},
		Limits: LimitsConfig{MaxDepth: 64, MaxValueBytes: 4 << 20, OnLimit: "redact"},
	}
}

// Validate reports all problems at once.
func (c *Config) Validate() error {
	keyring, err := c.keyring()
	keyed := keyring != nil && keyring.Len() > 0 || c.KeyFile != ""
	errs := errors.Join(err, c.DefaultAction.validate("default_action", keyed), c.SensitiveKeys.Rule.validate("sensitive_keys", keyed), c.validateKeys())
	for _, name := range sortedNames(c.Detectors) {
		key := "detectors::" + name
		if _, ok := detect.KindOf(name); !ok {
			errs = errors.Join(errs, fmt.Errorf("%s: no such detector, want one of %s", key, strings.Join(detect.Names(), ", ")))
			continue
		}
		rule := c.Detectors[name]
		errs = errors.Join(errs, rule.validate(key, keyed))
	}
	errs = errors.Join(errs, c.validateCustom(keyed), validatePaths("include", c.Include), validatePaths("exclude", c.Exclude))
	for i, v := range c.Allow.Values {
		if _, err := regexp.Compile(v); err != nil {
			errs = errors.Join(errs, fmt.Errorf("allow::values[%d]: %q: %w", i, v, err))
		}
	}
	known := phonenumbers.GetSupportedRegions()
	for i, r := range c.PhoneRegions {
		if !known[r] {
			errs = errors.Join(errs, fmt.Errorf("phone_regions[%d]: %q is not an ISO 3166 code of a region with telephone numbers", i, r))
		}
	}
	countries := detect.IDRegions()
	for i, r := range c.IDRegions {
		if !slices.Contains(countries, r) {
			errs = errors.Join(errs, fmt.Errorf("id_regions[%d]: %q: no identifiers of this country are known, want %s", i, r, strings.Join(countries, ", ")))
		}
	}
	if k := c.Places.AttributeKeys; k != keysOff && k != keysTokens && k != keysAll {
		errs = errors.Join(errs, fmt.Errorf("places::attribute_keys: must be tokens, all or off, got %q", k))
	}
	if c.Limits.MaxDepth < 1 {
		errs = errors.Join(errs, fmt.Errorf("limits::max_depth: must be at least 1, got %d", c.Limits.MaxDepth))
	}
	if c.Limits.MaxValueBytes < 1024 {
		errs = errors.Join(errs, fmt.Errorf("limits::max_value_bytes: must be at least 1024, got %d", c.Limits.MaxValueBytes))
	}
	if c.Limits.OnLimit != "redact" && c.Limits.OnLimit != "pass" {
		errs = errors.Join(errs, fmt.Errorf("limits::on_limit: must be redact or pass, got %q", c.Limits.OnLimit))
	}
	return errs
}

// roots are the possible beginnings of a path.
var roots = []string{"resource", "scope", "attributes", "body", "severity_text", "event_name", "name", "status", "trace_state", "events", "links",
	"exemplars", "description", "unit", "schema_url", "metadata", "strings"}

// validatePaths refuses paths that match nothing, because a typing error in include would let everything through.
func validatePaths(key string, paths []string) (errs error) {
	for i, p := range paths {
		root, _, _ := strings.Cut(p, ".")
		if !strings.Contains(root, "*") && !slices.Contains(roots, root) {
			errs = errors.Join(errs, fmt.Errorf("%s[%d]: %q must begin with one of %s", key, i, p, strings.Join(roots, ", ")))
		}
	}
	return errs
}

func (c *Config) validateCustom(keyed bool) (errs error) {
	seen := map[string]bool{"sensitive_key": true, "limit": true}
	for i := range c.Custom {
		x := &c.Custom[i]
		key := fmt.Sprintf("custom[%d]", i)
		_, builtin := detect.KindOf(x.Name)
		switch {
		case !nameForm.MatchString(x.Name) || manyDigits(x.Name):
			errs = errors.Join(errs, fmt.Errorf("%s::name: want lower-case letters, underscores and up to four digits, got %q", key, x.Name))
		case builtin || seen[x.Name]:
			errs = errors.Join(errs, fmt.Errorf("%s::name: %q is taken", key, x.Name))
		}
		seen[x.Name] = true
		if _, err := detect.NewCustom(x.Pattern, x.Validator, x.Keywords, x.Within); err != nil {
			errs = errors.Join(errs, fmt.Errorf("%s::pattern: %q: %w", key, x.Pattern, err))
		}
		if x.Within < 0 {
			errs = errors.Join(errs, fmt.Errorf("%s::within: must not be negative, got %d", key, x.Within))
		}
		if x.Rule.Action != "" {
			errs = errors.Join(errs, x.Rule.validate(key, keyed))
		}
	}
	return errs
}

func (c *Config) validateKeys() (errs error) {
	for i, k := range c.Keys {
		if !keyForm.MatchString(k.ID) || manyDigits(k.ID) {
			errs = errors.Join(errs, fmt.Errorf("keys[%d]::id: want lower-case letters, dashes and up to four digits, got %q", i, k.ID))
		}
	}
	return errs
}

func manyDigits(s string) bool {
	n := 0
	for _, r := range s {
		if r >= '0' && r <= '9' {
			n++
		}
	}
	return n > 4
}

func (r *RuleConfig) validate(key string, keyed bool) error {
	a, err := protect.ParseAction(r.Action)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	if a.Keyed() && !keyed {
		return fmt.Errorf("%s: action %q needs a key: set keys (without one, trying all values reverses a hash)", key, r.Action)
	}
	if r.KeepFirst < 0 || r.KeepLast < 0 {
		return fmt.Errorf("%s: keep_first and keep_last must not be negative, got %d and %d", key, r.KeepFirst, r.KeepLast)
	}
	if a != protect.Mask && r.KeepFirst+r.KeepLast > 0 {
		return fmt.Errorf("%s: keep_first and keep_last apply to action mask, not to %q", key, r.Action)
	}
	return nil
}

// rule translates a validated RuleConfig.
func (r *RuleConfig) rule() protect.Rule {
	a, _ := protect.ParseAction(r.Action)
	return protect.Rule{Action: a, KeepFirst: r.KeepFirst, KeepLast: r.KeepLast}
}

// keyring decodes the secrets; nil without any. Its errors name the key, never the secret.
func (c *Config) keyring() (*protect.Keyring, error) {
	var keys []protect.Key
	for i, k := range c.Keys {
		if k.Secret == "" {
			continue
		}
		secret, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(k.Secret)))
		if err != nil {
			return nil, fmt.Errorf("keys[%d]::secret: not base64 (the value is not shown)", i)
		}
		keys = append(keys, protect.Key{ID: k.ID, Secret: secret})
	}
	if len(keys) == 0 {
		return nil, nil
	}
	ring, err := protect.NewKeyring(keys)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return ring, nil
}

func sortedNames(m map[string]RuleConfig) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
