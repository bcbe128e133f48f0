package piiscrubberprocessor

import (
	"regexp"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/detect"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/protect"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/scrub"
)

// build makes the scrubber that a validated configuration describes. keys are those of the configuration, or the one of key_file, or
// nil.
func (c *Config) build(keys *protect.Keyring) (*scrub.Scrubber, error) {
	s := scrub.Settings{
		Rules:         map[detect.Kind]protect.Rule{},
		IdentityRules: map[detect.Kind]protect.Rule{},
		Names:         map[detect.Kind]string{},
		SensitiveRule: c.SensitiveKeys.Rule.rule(),
		BuiltinKeys:   c.SensitiveKeys.Builtin,
		SensitiveKeys: c.SensitiveKeys.Keys,
		AllowKeys:     c.Allow.Keys,
		Include:       c.Include,
		Exclude:       c.Exclude,
		MaxDepth:      c.Limits.MaxDepth,
		MaxBytes:      c.Limits.MaxValueBytes,
		FailClosed:    c.Limits.OnLimit == "redact",
		Keys:          keys,
	}
	// told sets the replacement in fields that tell streams apart, if the user has not chosen one.
	told := func(k detect.Kind, rule protect.Rule) {
		if keys != nil && rule.Action == protect.Redact {
			s.IdentityRules[k] = protect.Rule{Action: protect.Hash}
		}
	}
	told(scrub.Sensitive, s.SensitiveRule)
	told(scrub.Beyond, protect.Rule{})
	for _, v := range c.Allow.Values {
		re, err := regexp.Compile(`^(?:` + v + `)$`)
		if err != nil {
			return nil, err
		}
		s.AllowValues = append(s.AllowValues, re)
	}
	o := detect.Options{Regions: c.PhoneRegions, IDRegions: c.IDRegions, HostNames: c.HostNames, SpecialAddresses: c.SpecialAddresses}
	for i, name := range detect.Names() {
		k := detect.Kind(i)
		rule, named := c.Detectors[name]
		if !named {
			if rule = c.DefaultAction; !detect.Precise.Has(k) {
				continue
			}
		}
		s.Rules[k], s.Names[k] = rule.rule(), name
		if !named {
			told(k, s.Rules[k])
			if keys != nil && s.Rules[k].Action == protect.Redact && (k == detect.IPv4 || k == detect.IPv6 || k == detect.MAC) {
				s.Rules[k] = protect.Rule{Action: protect.Hash} // for joins and distinct counts
			}
		}
		if s.Rules[k].Action != protect.Off {
			o.Detectors = o.Detectors.With(k)
		}
	}
	for i := range c.Custom {
		x := &c.Custom[i]
		custom, err := detect.NewCustom(x.Pattern, x.Validator, x.Keywords, x.Within)
		if err != nil {
			return nil, err
		}
		rule := x.Rule
		if rule.Action == "" {
			rule = c.DefaultAction
		}
		if rule.rule().Action == protect.Off {
			continue
		}
		k := detect.FirstCustom + detect.Kind(len(o.Custom))
		s.Rules[k], s.Names[k] = rule.rule(), x.Name
		if x.Rule.Action == "" {
			told(k, s.Rules[k])
		}
		o.Custom = append(o.Custom, custom)
	}
	s.Scanner = detect.New(o)
	switch c.Places.AttributeKeys {
	case keysAll:
		s.KeyScanner = s.Scanner
	case keysTokens:
		s.KeyScanner, s.KeyTokens = detect.New(detect.Options{Detectors: o.Detectors & detect.Tokens}), true
	}
	return scrub.New(s), nil
}
