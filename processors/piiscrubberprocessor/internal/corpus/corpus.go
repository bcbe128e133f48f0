// Package corpus makes and scores the labelled corpus with which pii_scrubber is measured: log lines, JSON, SQL, URLs and prose in several
// languages that contain personal data and secrets in many formats, and lines that only look as if they did.
//
// It generates its values itself, checksums included, and shares no code with the detectors.
package corpus

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Span labels Text[Start:End], in bytes, as the data of a detector.
type Span struct {
	Start    int    `json:"start"`
	End      int    `json:"end"`
	Detector string `json:"detector"`
}

// Line is a text, the attribute key of the text (empty for a body), and its labels.
type Line struct {
	Key   string `json:"key,omitempty"`
	Text  string `json:"text"`
	Spans []Span `json:"spans,omitempty"`
	// Negative names the generator of a line without findings.
	Negative string `json:"negative,omitempty"`
}

// gen is the random source; everything follows from its seed.
type gen struct{ *rand.Rand }

func newGen(seed uint64) gen { return gen{rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))} }

func pick[T any](g gen, list ...T) T { return list[g.IntN(len(list))] }

func (g gen) from(alphabet string, n int) string {
	var b strings.Builder
	r := []rune(alphabet)
	for range n {
		b.WriteRune(r[g.IntN(len(r))])
	}
	return b.String()
}

const (
	decimal  = "0123456789"
	hexa     = "0123456789abcdef"
	upper    = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	lowers   = "abcdefghijklmnopqrstuvwxyz"
	alnum    = upper + lowers + decimal
	base64ch = alnum + "-_"
)

func (g gen) digits(n int) string { return g.from(decimal, n) }

// between returns a number from lo to hi.
func (g gen) between(lo, hi int) int { return lo + g.IntN(hi-lo+1) }

// fill writes value into the "{}" of form and labels it.
func fill(form, value, detector string) Line {
	before, after, found := strings.Cut(form, "{}")
	if !found {
		panic("no place for a value in " + form)
	}
	return Line{Text: before + value + after, Spans: []Span{{len(before), len(before) + len(value), detector}}}
}

// Generate makes the corpus: perDetector lines for each detector, and half as many for each kind of negative.
func Generate(seed uint64, perDetector int) []Line {
	g := newGen(seed)
	var lines []Line
	for _, k := range kinds {
		for range perDetector {
			lines = append(lines, k.line(g))
		}
	}
	for _, n := range negatives {
		for range perDetector / 2 {
			l := n.line(g)
			l.Negative = n.name
			lines = append(lines, l)
		}
	}
	return lines
}

// kind makes lines with data of one detector: either whole lines, or values to be put into carriers.
type kind struct {
	detector string
	// value returns a value, and whether only a label identifies it.
	value  func(gen) (v string, needsLabel bool)
	labels []string
	whole  func(gen) Line
}

func (k kind) line(g gen) Line {
	if k.whole != nil {
		return k.whole(g)
	}
	v, needsLabel := k.value(g)
	label := pick(g, k.labels...)
	switch n := g.IntN(10); {
	case n == 0: // an attribute of its own
		l := Line{Text: v, Spans: []Span{{0, len(v), k.detector}}}
		if needsLabel || g.IntN(2) == 0 {
			l.Key = pick(g, "", "user.", "customer_", "app.request.") + strings.ToLower(strings.ReplaceAll(strings.TrimRight(label, ".:"), " ", "_"))
		}
		return l
	case needsLabel || n < 5:
		return fill(fmt.Sprintf(pick(g, labelled...), label), v, k.detector)
	default:
		return fill(pick(g, bare...), v, k.detector)
	}
}

// Carriers: "%s" is the label, "{}" the value.
var labelled = []string{
	`%s: {}`, `%s={} status=ok`, `{"%s":"{}","ok":true}`, `{"level":"info","%s": "{}"}`, `the %s is {}.`, `[INFO] %s {} was updated`,
	`level=warn msg="bad %s" value={}`, `2024-03-11T10:22:33.123Z INFO c.e.UserService - saved %s {} for tenant 42`,
	`INSERT INTO t (id, c) VALUES (17, '{}') -- %s`, `<%[1]s>{}</%[1]s>`, "- %s: '{}'", `update with %s="{}" took 35ms`,
	`%s {}`, `(%s: {})`, "field=%s\tvalue={}", `Exception: duplicate %s '{}' at UserDao.java:118`,
}

var bare = []string{
	`user {} logged in from web`, `processing {} for tenant 42`, `value {}`, `"{}"`, `[{}]`, `saved ({}) in 35ms`,
	`2024-03-11 10:22:33,123 WARN [main] retry {} after 3 attempts`, `a|b|{}|c`, `x={};y=2`, `{"id":17,"v":"{}"}`, `row 12: {}, ok`,
	`Mar 11 10:22:33 host app[311]: got {} and stopped`, `<v>{}</v>`, `SELECT * FROM t WHERE c = '{}'`, `failed for {}: not found`,
	`msg="no match for {}"`, `{}`, `… «{}» …`, `日志 {} 完成`, "line one\n{}\nline three", `tab	{}	tab`, `arg="{}",next=1`,
}
