package scrub_test

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/corpus"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/detect"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/protect"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/scrub"
)

// settings give every detector one action.
func settings(tb testing.TB, rule protect.Rule) scrub.Settings {
	tb.Helper()
	keys, err := protect.NewKeyring([]protect.Key{{ID: "k1", Secret: bytes.Repeat([]byte{7}, 32)}})
	require.NoError(tb, err)
	s := scrub.Settings{
		Scanner:       detect.New(detect.Options{Detectors: detect.Precise, Regions: []string{"US", "DE"}}),
		Rules:         map[detect.Kind]protect.Rule{},
		Names:         map[detect.Kind]string{},
		SensitiveRule: rule,
		BuiltinKeys:   true,
		MaxDepth:      8,
		MaxBytes:      1 << 20,
		FailClosed:    true,
		Keys:          keys,
	}
	for i, n := range detect.Names() {
		s.Rules[detect.Kind(i)], s.Names[detect.Kind(i)] = rule, n
	}
	return s
}

func TestActions(t *testing.T) {
	const in = "mail jane@example.com now"
	for action, want := range map[protect.Action]string{
		protect.Redact:   `^mail \[REDACTED:email\] now$`,
		protect.Mask:     `^mail \*{4}@\*{7}\.\*{3} now$`,
		protect.Hash:     `^mail \[HMAC:email:k1:[a-p]{32}\] now$`,
		protect.Tokenize: `^mail [a-p]{64}@k1\.tok\.invalid now$`,
		protect.Encrypt:  `^mail \[ENC:email:k1:[a-p]{64}\] now$`,
		protect.Count:    `^` + in + `$`,
	} {
		b := scrub.New(settings(t, protect.Rule{Action: action})).NewBatch()
		v := pcommon.NewValueStr(in)
		b.Value("body", v)
		assert.Regexp(t, regexp.MustCompile(want), v.Str(), action)
		assert.EqualValues(t, 1, b.Found[detect.Email], action)
	}
	b := scrub.New(settings(t, protect.Rule{Action: protect.Drop})).NewBatch()
	m := pcommon.NewMap()
	m.PutStr("a", in)
	m.PutStr("password", "hunter2")
	m.PutStr("keep", "x")
	b.Map("attributes", m)
	assert.Equal(t, map[string]any{"keep": "x"}, m.AsRaw())
}

// Nested too deep, or too long: replaced and counted, or passed and counted; a thousand levels do no harm.
func TestLimits(t *testing.T) {
	deep := func() (pcommon.Map, pcommon.Map) {
		m := pcommon.NewMap()
		inner := m
		for range 1000 {
			inner = inner.PutEmptyMap("m")
		}
		inner.PutStr("x", "jane@example.com")
		return m, inner
	}
	for _, closed := range []bool{true, false} {
		s := settings(t, protect.Rule{})
		s.FailClosed = closed
		b := scrub.New(s).NewBatch()
		m, inner := deep()
		b.Map("attributes", m)
		assert.EqualValues(t, 1, b.Missed[scrub.Depth])
		text := pcommon.NewValueMap()
		m.CopyTo(text.Map())
		assert.Equal(t, closed, strings.Contains(text.AsString(), "[REDACTED:limit]"))
		if !closed {
			v, ok := inner.Get("x")
			require.True(t, ok)
			assert.Equal(t, "jane@example.com", v.Str())
		}

		long := pcommon.NewValueStr(strings.Repeat("x", s.MaxBytes) + "jane@example.com")
		b.Value("body", long)
		raw := pcommon.NewValueBytes()
		raw.Bytes().FromRaw(bytes.Repeat([]byte("x"), s.MaxBytes+1))
		b.Value("body", raw)
		assert.EqualValues(t, 2, b.Missed[scrub.Size])
		assert.Equal(t, closed, long.Str() == "[REDACTED:limit]")
		assert.Equal(t, closed, string(raw.Bytes().AsRaw()) == "[REDACTED:limit]")

		latin := pcommon.NewValueBytes()
		latin.Bytes().FromRaw([]byte("\xff\xfe"))
		b.Value("body", latin)
		assert.EqualValues(t, 1, b.Missed[scrub.Binary])
	}
}

func TestPathsAndAllowLists(t *testing.T) {
	s := settings(t, protect.Rule{})
	s.Exclude = []string{"attributes.raw.*", "body"}
	s.AllowKeys = []string{"k8s.*"}
	s.AllowValues = []*regexp.Regexp{regexp.MustCompile(`^support@example\.com$`)}
	s.SensitiveKeys = []string{"User.Full_Name"}
	b := scrub.New(s).NewBatch()
	m := pcommon.NewMap()
	m.PutEmptyMap("raw").PutStr("x", "jane@example.com")
	m.PutStr("k8s.x", "jane@example.com")
	m.PutStr("a", "support@example.com jane@example.com")
	m.PutStr("user.full_name", "Jane Doe")
	m.PutBool("password", true)
	m.PutStr("token", "12")
	m.PutInt("order", 4111111111111111)
	m.PutInt("pan", 4111111111111111)
	m.PutInt("n", 4111111111111111)
	b.Map("attributes", m)
	assert.Equal(t, map[string]any{
		"raw": map[string]any{"x": "jane@example.com"}, "k8s.x": "jane@example.com", "a": "support@example.com [REDACTED:email]",
		"user.full_name": "[REDACTED:sensitive_key]", "password": true, "token": "12", "order": int64(4111111111111111), "pan": "[REDACTED:payment_card]", "n": int64(4111111111111111),
	}, m.AsRaw())
	body := pcommon.NewValueStr("jane@example.com")
	b.Value("body", body)
	assert.Equal(t, "jane@example.com", body.Str())

	s = settings(t, protect.Rule{})
	s.Include = []string{"attributes.only"}
	b = scrub.New(s).NewBatch()
	m = pcommon.NewMap()
	m.PutStr("only", "jane@example.com")
	m.PutStr("other", "jane@example.com")
	b.Map("attributes", m)
	assert.Equal(t, map[string]any{"only": "[REDACTED:email]", "other": "jane@example.com"}, m.AsRaw())
}

// A detector that panics neither ends the process nor reveals the secret.
func TestPanic(t *testing.T) {
	s := settings(t, protect.Rule{})
	s.Scanner = nil
	for _, closed := range []bool{true, false} {
		s.FailClosed = closed
		b := scrub.New(s).NewBatch()
		out, changed := b.Text("name", "jane@example.com")
		assert.Equal(t, closed, changed)
		assert.Equal(t, closed, out == "[REDACTED:limit]")
		assert.EqualValues(t, 1, b.Missed[scrub.Failed])
	}
}

// The report of a panic names the detector, the field and the line of code, and contains nothing of the data.
func TestPanicsAreNamed(t *testing.T) {
	s := settings(t, protect.Rule{})
	s.Scanner = detect.New(detect.Options{Custom: []detect.Custom{{}}}) // it has no expression
	b := scrub.New(s).NewBatch()
	_, _ = b.Text("name", "GET /")
	m := pcommon.NewMap()
	m.PutStr("user.name", "jane")
	m.PutInt("order", 123456789)
	b.Map("attributes", m)
	require.Len(t, b.Failures, 2)
	name := b.Failures[scrub.Failure{Detector: "custom", Place: "name"}]
	require.NotNil(t, name)
	assert.Regexp(t, `^custom\.go:\d+ \(\*scan\)\.customSpans$`, name.At)
	assert.Equal(t, scrub.Failing{Values: 1, At: name.At, Cause: "runtime error: invalid memory address or nil pointer dereference"}, *name)
	attributes := b.Failures[scrub.Failure{Detector: "custom", Place: "attributes"}]
	require.NotNil(t, attributes)
	assert.EqualValues(t, 2, attributes.Values)
	assert.Empty(t, attributes.Key, "the same detector can't say whether it may be quoted")
	b.Reset()
	assert.Nil(t, b.Failures)
	assert.Zero(t, b.Missed[scrub.Failed])
}

// Keys that become equal stay two.
func TestKeys(t *testing.T) {
	s := settings(t, protect.Rule{})
	s.KeyScanner = s.Scanner
	b := scrub.New(s).NewBatch()
	m := pcommon.NewMap()
	m.PutInt("seen.jane@example.com", 1)
	m.PutInt("seen.john@example.com", 2)
	b.Map("attributes", m)
	assert.Len(t, m.AsRaw(), 2)
	assert.NotContains(t, keysOf(m), "example.com")
}

// E-mail addresses and tokens are removed from keys by default; a key that only looks like a telephone number stays.
func TestTokensInKeys(t *testing.T) {
	s := settings(t, protect.Rule{})
	s.KeyScanner, s.KeyTokens = detect.New(detect.Options{Detectors: detect.Tokens}), true
	b := scrub.New(s).NewBatch()
	m := pcommon.NewMap()
	m.PutInt("jane@example.com", 1)
	m.PutInt("limits.sk_live_4eC39HqLyjWDarjtT1zdp7dc", 2)
	m.PutInt("calls.415-555-2671.in.the.last.hour", 3)
	m.PutInt("http.response.status_code.of.upstream", 4)
	b.Map("attributes", m)
	assert.Equal(t, map[string]any{"[REDACTED:email]": int64(1), "limits.[REDACTED:stripe_key]": int64(2), "calls.415-555-2671.in.the.last.hour": int64(3),
		"http.response.status_code.of.upstream": int64(4)}, m.AsRaw())
}

// Values that aren't strings are searched: numbers under a secret's key, bytes in an older encoding.
func TestOtherTypes(t *testing.T) {
	b := scrub.New(settings(t, protect.Rule{})).NewBatch()
	m := pcommon.NewMap()
	m.PutDouble("pin", 4821)
	m.PutDouble("password", 123456)
	m.PutDouble("password_age", 12.5)
	m.PutInt("pan", 4111111111111111)
	m.PutInt("seq", 4111111111111111)
	m.PutEmptyBytes("latin").FromRaw([]byte("J\xfcrgen jane@example.com"))
	b.Map("attributes", m)
	assert.Equal(t, map[string]any{"pin": "[REDACTED:sensitive_key]", "password": "[REDACTED:sensitive_key]", "password_age": 12.5, "pan": "[REDACTED:payment_card]",
		"seq": int64(4111111111111111), "latin": []byte("J\xfcrgen [REDACTED:email]")}, m.AsRaw())
	assert.EqualValues(t, 1, b.Missed[scrub.Binary])
}

func keysOf(m pcommon.Map) string {
	var all []string
	for k := range m.All() {
		all = append(all, k)
	}
	return strings.Join(all, " ")
}

// Clean data costs no allocation: a body, attributes, maps and numbers.
func TestNoAllocation(t *testing.T) {
	b := scrub.New(settings(t, protect.Rule{})).NewBatch()
	m := pcommon.NewMap()
	m.PutStr("http.route", "/api/v2/items/{id}")
	m.PutStr("message", "2024-03-11T10:22:33.123Z order 550e8400-e29b-41d4-a716-446655440000 took 35ms, status=200")
	m.PutInt("bytes", 4242424242424243)
	m.PutDouble("seconds", 1700000000)
	m.PutEmptyBytes("raw").FromRaw([]byte("clean bytes"))
	m.PutEmptyMap("nested").PutEmptySlice("list").AppendEmpty().SetStr("checkout-7d9f8b6c5d-x2k4q")
	body := pcommon.NewValueStr("10.1.2.3 - - [11/Mar/2024:10:22:33 +0000] \"GET /v1/items?page=2 HTTP/1.1\" 200 512")
	before := m.AsRaw()
	scrubAll := func() {
		b.Value("body", body)
		b.Map("attributes", m)
		_, _ = b.Text("name", "GET /api/v2/items")
		b.Reset()
	}
	scrubAll()
	// pdata returns bytes as a copy: the one allocation.
	assert.LessOrEqual(t, testing.AllocsPerRun(100, scrubAll), 1.0)
	assert.Equal(t, before, m.AsRaw())
}

// A custom pattern doesn't match inside a token.
func TestCustomPatternsLeaveTokens(t *testing.T) {
	s := settings(t, protect.Rule{Action: protect.Tokenize})
	custom, err := detect.NewCustom(`[a-z0-9.]+@[a-z0-9.]+`, "", nil, 0)
	require.NoError(t, err)
	word, err := detect.NewCustom(`tok\.invalid|[a-p]{8}`, "", nil, 0)
	require.NoError(t, err)
	s.Scanner = detect.New(detect.Options{Detectors: detect.Precise, Custom: []detect.Custom{custom, word}})
	s.Rules[detect.FirstCustom], s.Names[detect.FirstCustom] = protect.Rule{Action: protect.Redact}, "mailish"
	s.Rules[detect.FirstCustom+1], s.Names[detect.FirstCustom+1] = protect.Rule{Action: protect.Redact}, "word"
	b := scrub.New(s).NewBatch()
	once, changed := b.Text("name", "to jane@example.com, cc joe@example.com: x@y")
	require.True(t, changed)
	assert.Contains(t, once, "@k1.tok.invalid")
	assert.Contains(t, once, "[REDACTED:mailish]")
	twice, changed := b.Text("name", once)
	assert.False(t, changed)
	assert.Equal(t, once, twice)
}

// everyAction is a scrubber for each action that changes values.
func everyAction(tb testing.TB) (all []*scrub.Scrubber) {
	tb.Helper()
	for _, rule := range []protect.Rule{{Action: protect.Redact}, {Action: protect.Mask, KeepFirst: 1, KeepLast: 4}, {Action: protect.Hash}, {Action: protect.Tokenize}, {Action: protect.Encrypt}} {
		all = append(all, scrub.New(settings(tb, rule)))
	}
	return all
}

// Texts of people and programs need only one pass of scrubbing, under every action.
func TestIdempotentOnTheCorpora(t *testing.T) {
	f, err := os.Open("../corpus/testdata/handwritten.txt")
	require.NoError(t, err)
	defer f.Close()
	lines, err := corpus.Handwritten(f)
	require.NoError(t, err)
	lines = append(lines, corpus.Generate(7, 30)...)
	for _, s := range everyAction(t) {
		b := s.NewBatch()
		for _, l := range lines {
			v := pcommon.NewValueStr(l.Text)
			b.Attribute("attributes", l.Key, v)
			once := v.Str()
			b.Attribute("attributes", l.Key, v)
			assert.Equal(t, once, v.Str(), "%s: %s", s.SensitiveRule.Action, l.Text)
		}
	}
}

// Whatever the text, scrubbing it twice gives the same as once, under every action.
func FuzzIdempotent(f *testing.F) {
	f.Add("", "415-555-2671 4111 1111 1111 1111 jane@example.com")
	f.Add("phone", "4155552671 +14155552671")
	f.Add("", `{"password":"hunter2","Authorization":"Bearer abcdef0123456789"} postgres://u:p@h/d?token=abcdefgh12345678`)
	f.Add("", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- DE89370400440532013000")
	all := everyAction(f)
	f.Fuzz(func(t *testing.T, key, text string) {
		for _, s := range all {
			once := pcommon.NewMap()
			once.PutStr(key, text)
			s.NewBatch().Map("attributes", once)
			twice := pcommon.NewMap()
			once.CopyTo(twice)
			b := s.NewBatch()
			b.Map("attributes", twice)
			require.Zero(t, b.Missed[scrub.Failed])
			require.Equal(t, once.AsRaw(), twice.AsRaw(), "%s", s.SensitiveRule.Action)
		}
	})
}

func ExampleBatch_Map() {
	s := scrub.New(scrub.Settings{
		Scanner:       detect.New(detect.Options{Detectors: detect.Precise}),
		Names:         map[detect.Kind]string{detect.Email: "email"},
		SensitiveRule: protect.Rule{Action: protect.Redact},
		BuiltinKeys:   true,
		MaxDepth:      64,
		MaxBytes:      1 << 20,
	})
	m := pcommon.NewMap()
	m.PutStr("message", "mail to jane@example.com")
	m.PutStr("db.password", "hunter2")
	m.PutInt("status", 200)
	s.NewBatch().Map("attributes", m)
	fmt.Println(m.AsRaw())
	// Output: map[db.password:[REDACTED:sensitive_key] message:mail to [REDACTED:email] status:200]
}
