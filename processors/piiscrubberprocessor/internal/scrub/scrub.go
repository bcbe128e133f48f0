// Package scrub applies detectors and actions to pdata values: text, maps and arrays of any depth, and numbers.
package scrub

import (
	"regexp"
	"slices"
	"strings"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/detect"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/protect"
)

// Settings of a Scrubber.
type Settings struct {
	Scanner *detect.Scanner
	// Rules and Names by detector: built-in kinds first, then custom ones from detect.FirstCustom on.
	Rules map[detect.Kind]protect.Rule
	Names map[detect.Kind]string
	// IdentityRules replace Rules in fields that tell streams and resources apart, so that two of them don't become one: attributes of
	// resources, scopes and data points. Kinds that are missing keep their rule. Those of Sensitive and Beyond are for whole values.
	IdentityRules map[detect.Kind]protect.Rule
	// SensitiveRule is applied to whole values under sensitive keys; Off turns that off.
	SensitiveRule protect.Rule
	// BuiltinKeys uses detect.SecretKey; SensitiveKeys are further keys, matched in any case against the whole key.
	BuiltinKeys   bool
	SensitiveKeys []string
	// AllowKeys are attribute keys whose values are not searched; '*' matches anything.
	AllowKeys []string
	// AllowValues are findings that stay.
	AllowValues []*regexp.Regexp
	// Include and Exclude are paths ("resource.host.name", "body.user.*"); without Include all are included.
	Include, Exclude []string
	// KeyScanner searches attribute keys; nil: they are not searched. KeyTokens says that it finds only e-mail addresses and tokens, which
	// short keys can't contain.
	KeyScanner *detect.Scanner
	KeyTokens  bool
	// MaxDepth of nesting and MaxBytes of one text; values beyond are redacted whole if FailClosed, else passed unsearched.
	MaxDepth, MaxBytes int
	FailClosed         bool
	Keys               *protect.Keyring
}

// Sensitive is the kind under which values of sensitive keys are counted, Beyond that of values that can't be searched.
const (
	Sensitive detect.Kind = detect.FirstCustom - 1
	Beyond    detect.Kind = detect.FirstCustom - 2
)

// Scrubber holds the rules. It is immutable and safe for concurrent use; the work is done by a Batch.
type Scrubber struct {
	Settings
	rules     []protect.Rule // by kind
	identity  []protect.Rule // by kind, for fields that tell streams apart
	names     []string       // by kind
	sensitive map[string]bool
	paths     bool
}

// New prepares s for use.
func New(s Settings) *Scrubber {
	n := int(detect.FirstCustom)
	for k := range s.Names {
		n = max(n, int(k)+1)
	}
	x := &Scrubber{Settings: s, rules: make([]protect.Rule, n), names: make([]string, n), sensitive: map[string]bool{},
		paths: len(s.Include)+len(s.Exclude) > 0}
	for k, r := range s.Rules {
		x.rules[k] = r
	}
	for k, name := range s.Names {
		x.names[k] = name
	}
	x.rules[Sensitive], x.names[Sensitive] = s.SensitiveRule, "sensitive_key"
	x.names[Beyond] = "limit"
	x.identity = slices.Clone(x.rules)
	for k, r := range s.IdentityRules {
		x.identity[k] = r
	}
	for _, k := range s.SensitiveKeys {
		x.sensitive[strings.ToLower(k)] = true
	}
	return x
}

// Limit is why a value was not searched.
type Limit uint8

// The reasons, and how many there are.
const (
	Depth Limit = iota
	Size
	Binary
	Failed // a detector panicked: a bug, which must neither end the process nor reveal the data
	Limits
)

// Tally counts the work of a Batch: findings by kind, and values that were not searched.
type Tally struct {
	Found  []int64
	Missed [Limits]int64
	// Hashed counts findings in fields that tell streams apart, by kind; their rule may be another.
	Hashed []int64
	// Failures are the detectors that panicked, which Missed counts as Failed; nil if none did.
	Failures map[Failure]*Failing
}

// Each calls f with every kind that has findings.
func (b *Batch) Each(f func(name string, action protect.Action, n int64)) {
	for k, n := range b.Found {
		if n > 0 {
			f(b.s.names[k], b.s.rules[k].Action, n)
		}
	}
	for k, n := range b.Hashed {
		if n > 0 {
			f(b.s.names[k], b.s.identity[k].Action, n)
		}
	}
}

// Identify sets whether the following values tell streams or resources apart.
func (b *Batch) Identify(on bool) { b.identify = on }

// rule returns the action for findings of a kind.
func (b *Batch) rule(k detect.Kind) protect.Rule {
	if b.identify {
		return b.s.identity[k]
	}
	return b.s.rules[k]
}

// count counts a finding.
func (b *Batch) count(k detect.Kind) {
	if b.identify {
		b.Hashed[k]++
		return
	}
	b.Found[k]++
}

// Batch scrubs the values of one batch. It is not safe for concurrent use; a Batch may be used again after Reset.
type Batch struct {
	Tally
	// Tenant scopes hashes, tokens and ciphertexts.
	Tenant string
	// Tap, if not nil, is called with every text that is searched, in its original form, with the attribute's key and whether something
	// was found.
	Tap   func(key, text string, found bool)
	s     *Scrubber
	spans []detect.Span
	buf   []byte
	path  []byte
	place string   // field of the value that is being scrubbed
	num   [20]byte // digits of a number
	again bool
	// searched reports that the last scan succeeded; its findings are in spans.
	searched bool
	clean    *cleanSet

	identify bool
	// Constants counts the values that were replaced by a constant, or by less than they were, which may have made two streams one.
	// ConstantKey is the last attribute of them.
	Constants   int64
	ConstantKey string
}

// NewBatch returns an empty Batch.
func (s *Scrubber) NewBatch() *Batch {
	return &Batch{s: s, clean: newCleanSet(), Tally: Tally{Found: make([]int64, len(s.rules)), Hashed: make([]int64, len(s.rules))}}
}

// The sizes up to which a Batch keeps its buffers for the next use: 4 MiB and 6 MiB.
const (
	keepBytes = 4 << 20
	keepSpans = 1 << 18
)

// Reset clears counts and tenant. It also frees buffers that grew large.
func (b *Batch) Reset() {
	clear(b.Found)
	clear(b.Hashed)
	b.identify, b.Constants, b.ConstantKey = false, 0, ""
	b.Missed, b.Failures = [Limits]int64{}, nil
	b.Tenant, b.Tap = "", nil
	if cap(b.buf) > keepBytes {
		b.buf = nil
	}
	if cap(b.spans) > keepSpans {
		b.spans = nil
	}
}

// outcome of scrubbing one value.
type outcome uint8

const (
	kept outcome = iota
	changed
	dropped
)

// Text scrubs a text outside attributes: a span name, a status message. path is "place" or "place.key". The result is "", true if a
// finding's action is drop.
func (b *Batch) Text(path, text string) (string, bool) {
	b.place = path
	if b.s.paths && !b.s.selected(path) {
		return text, false
	}
	var hash uint64
	var slot *uint64
	if b.Tap == nil && len(text) <= maxRemembered { // severities, names of scopes and metrics repeat often
		if hash, slot = b.clean.of(b.clean.noKey, text); *slot == hash {
			return text, false
		}
	}
	b.searched = false
	switch out, o := b.text("", text); o {
	case changed:
		return out, true
	case dropped:
		return "", true
	default:
		if slot != nil && b.searched && len(b.spans) == 0 {
			*slot = hash
		}
		return text, false
	}
}

// text scrubs text under an attribute key.
func (b *Batch) text(key, text string) (string, outcome) {
	s := b.s
	if len(text) > s.MaxBytes {
		b.Missed[Size]++
		if s.FailClosed {
			return b.beyond(key, text), changed
		}
		return text, kept
	}
	return b.search(s.Scanner, key, text)
}

// search scrubs the findings of scanner in text.
func (b *Batch) search(scanner *detect.Scanner, key, text string) (string, outcome) {
	out, o := b.round(scanner, key, text, true)
	// Text next to a finding may match only now ("a number with no other number beside it"): repeat until nothing changes, so that a
	// second scrubber finds nothing.
	for n := 0; n < maxRounds && o == changed && b.again; n++ {
		next, o := b.round(scanner, key, out, false)
		if o == dropped {
			return "", dropped
		}
		out = next
	}
	return out, o
}

// maxRounds bounds how often a text with findings is searched again.
const maxRounds = 4

// round scrubs text once. b.again reports whether another round may find more. Dry runs are counted in the first round only.
func (b *Batch) round(scanner *detect.Scanner, key, text string, first bool) (string, outcome) {
	s := b.s
	b.again = false
	if !b.scan(scanner, key, text) {
		b.Missed[Failed]++
		if s.FailClosed {
			return b.beyond(key, text), changed
		}
		return text, kept
	}
	if b.Tap != nil && first && scanner == s.Scanner {
		b.Tap(key, text, len(b.spans) > 0)
	}
	if len(b.spans) == 0 {
		return text, kept
	}
	from, o := 0, kept
	if b.buf = b.buf[:0]; cap(b.buf) < len(text) {
		b.buf = make([]byte, 0, len(text)+len(text)/4)
	}
	for _, sp := range b.spans {
		v := text[sp.Start:sp.End]
		if s.allowed(v) {
			continue
		}
		rule := b.rule(sp.Kind)
		if rule.Action == protect.Count {
			if first {
				b.count(sp.Kind)
			}
			continue
		}
		if rule.Action == protect.Drop {
			b.count(sp.Kind)
			b.constant(key, rule)
			o = dropped
			continue
		}
		n := len(b.buf) + sp.Start - from
		b.buf = append(b.buf, text[from:sp.Start]...)
		b.buf = b.apply(b.buf, sp.Kind, rule, v)
		from = sp.End
		if string(b.buf[n:]) == v { // masked before
			continue
		}
		b.count(sp.Kind)
		b.constant(key, rule)
		o = max(o, changed)
	}
	if o != changed {
		return text, o
	}
	b.again = true
	b.buf = append(b.buf, text[from:]...)
	return string(b.buf), changed
}

// scan looks for findings in text; false if a detector panicked.
func (b *Batch) scan(scanner *detect.Scanner, key, text string) (ok bool) {
	defer func() {
		r := recover()
		if ok = r == nil; !ok {
			b.fail(r, key)
		}
		b.searched = ok
	}()
	b.spans = scanner.Scan(b.spans[:0], key, text)
	return true
}

// apply appends what is kept of v.
func (b *Batch) apply(dst []byte, k detect.Kind, r protect.Rule, v string) []byte {
	name := b.s.names[k]
	switch r.Action {
	case protect.Mask:
		return protect.AppendMasked(dst, v, r.KeepFirst, r.KeepLast)
	case protect.Hash:
		return b.s.Keys.AppendHashed(dst, b.Tenant, name, v)
	case protect.Tokenize:
		return b.s.Keys.AppendToken(dst, b.Tenant, k, name, v)
	case protect.Encrypt:
		return b.s.Keys.AppendEncrypted(dst, b.Tenant, name, v)
	default:
		return protect.AppendRedacted(dst, name)
	}
}

// constant notes that a value under key can no longer be distinguished from others.
func (b *Batch) constant(key string, rule protect.Rule) {
	if !rule.Action.Keyed() {
		b.Constants++
		b.ConstantKey = key
	}
}

// beyond returns the replacement of a value that can't be searched.
func (b *Batch) beyond(key, text string) string {
	rule := b.rule(Beyond)
	b.constant(key, rule)
	return string(b.apply(nil, Beyond, rule, text))
}
