// Package foreign writes text as other programs do, from their documented formats: lines without personal data, and lines with secrets and
// personal data. It shares neither values, vocabulary nor shapes with package corpus, on which the detectors were tuned. Its identifiers
// are like those of real issuers: they begin with times, and have valid check digits and real prefixes.
package foreign

import (
	_ "embed"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
)

// Class makes values or lines of one kind.
type Class struct {
	Name string
	// Key is the attribute key of the lines, empty for a body.
	Key   string
	forms []form
	n     int
	g     gen
}

// form is a line with places in it.
type form struct {
	text  string
	parts []part
}

// part is a text, followed by a value.
type part struct {
	text     string
	value    maker // nil at the end
	args     string
	detector string // of a value that must be removed
}

// Line is a text, and the values in it that must be removed. The name of such a value is that of a detector, or "secret".
type Line struct {
	Text string
	Gone []Gone
}

// Gone is Text[Start:End] of a Line.
type Gone struct {
	Start, End int
	Detector   string
}

//go:embed testdata/ids.txt
var idsText string

//go:embed testdata/telemetry.txt
var telemetryText string

//go:embed testdata/carriers.txt
var carriersText string

// IDs returns the shapes of identifiers: one a line, "name: form".
func IDs(seed uint64) (list []*Class) {
	for i, line := range strings.Split(strings.TrimSpace(idsText), "\n") {
		if name, text, found := strings.Cut(line, ": "); found && line[0] != '#' {
			list = append(list, &Class{Name: name, forms: []form{parse(text)}, g: newGen(seed + uint64(i))})
		}
	}
	return list
}

// Telemetry returns the classes of lines without personal data.
func Telemetry(seed uint64) []*Class { return classes(telemetryText, seed) }

// Carriers returns the classes of lines with data that must be removed.
func Carriers(seed uint64) []*Class { return classes(carriersText, seed) }

// classes reads a file: "== name" begins a class, "key=> " before a line is the attribute key of the class,
// is a line break.
func classes(text string, seed uint64) (list []*Class) {
	for _, line := range strings.Split(text, "\n") {
		if name, isName := strings.CutPrefix(line, "== "); isName {
			list = append(list, &Class{Name: name, g: newGen(seed + uint64(len(list)))})
			continue
		}
		if line == "" || strings.HasPrefix(line, "# ") {
			continue
		}
		c := list[len(list)-1]
		if key, rest, found := strings.Cut(line, "=> "); found && attribute.MatchString(key) {
			c.Key, line = key, rest
		}
		c.forms = append(c.forms, parse(strings.ReplaceAll(line, "⏎", "\n")))
	}
	return list
}

var attribute = regexp.MustCompile(`^[a-z][a-z0-9._]*$`)

// Forms is how many forms c has. Next uses them in turn.
func (c *Class) Forms() int { return len(c.forms) }

// Form returns the form that the last line was written from.
func (c *Class) Form() string { return c.forms[(c.n-1)%len(c.forms)].text }

// place is the place of a value: {name} or {name:arguments}.
var place = regexp.MustCompile(`\{([a-zA-Z][a-zA-Z0-9_]*)(?::([^{}]*))?\}`)

// parse finds the places in text. Braces around anything else are text.
func parse(text string) form {
	f := form{text: text}
	from := 0
	for _, m := range place.FindAllStringSubmatchIndex(text, -1) {
		p := part{value: values[text[m[2]:m[3]]]}
		if p.value == nil {
			w := wanted[text[m[2]:m[3]]]
			p.value, p.detector = w.value, w.detector
		}
		if p.value == nil {
			continue
		}
		if m[4] >= 0 {
			p.args = text[m[4]:m[5]]
		}
		p.text = text[from:m[0]]
		from = m[1]
		f.parts = append(f.parts, p)
	}
	f.parts = append(f.parts, part{text: text[from:]})
	return f
}

// Next writes the next line.
func (c *Class) Next() (l Line) {
	f := &c.forms[c.n%len(c.forms)]
	c.n++
	var b strings.Builder
	for _, p := range f.parts {
		b.WriteString(p.text)
		if p.value == nil {
			continue
		}
		start := b.Len()
		b.WriteString(p.value(c.g, p.args))
		if p.detector != "" {
			l.Gone = append(l.Gone, Gone{start, b.Len(), p.detector})
		}
	}
	l.Text = b.String()
	return l
}

// gen is the source of chance.
type gen struct{ *rand.Rand }

func newGen(seed uint64) gen { return gen{rand.New(rand.NewPCG(seed, 0xC0FFEE))} }

const (
	digits = "0123456789"
	small  = "abcdefghijklmnopqrstuvwxyz"
	large  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

func (g gen) of(alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[g.IntN(len(alphabet))]
	}
	return string(b)
}

func (g gen) in(lo, hi int) int { return lo + g.IntN(hi-lo+1) }

func (g gen) word(list string) string {
	words := strings.Split(list, "|")
	return words[g.IntN(len(words))]
}

// number reads the only argument of a place.
func number(args string) (n int) {
	if _, err := fmt.Sscan(args, &n); err != nil {
		panic("no number: " + args)
	}
	return n
}
