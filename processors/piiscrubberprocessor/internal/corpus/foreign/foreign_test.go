package foreign_test

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/corpus/foreign"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/detect"
)

var (
	perID   = flag.Int("per-id", 2_000, "random values of each shape of identifiers")
	perForm = flag.Int("per-form", 100, "lines of each form of telemetry")
	rates   = flag.Bool("rates", false, "print the rates of all, not only of what fails")
	seed    = flag.Uint64("seed", 1, "of the values")
)

const (
	maxRate   = 0.001 // share of harmless values and lines that may change
	minRecall = 0.95  // share of the values in each form that must be removed
	perValue  = 100   // lines of each form of a carrier
)

// wrappings surround an identifier without a word that names it.
var wrappings = []string{"%s", "saw %s in 35ms", "started id-%s-x now", "GET /v1/items/%s/view HTTP/1.1", `{"v":"%s","n":1}`, "a=%s b=2", "[%s]", "x,%s,y"}

func scanner() *detect.Scanner {
	return detect.New(detect.Options{Detectors: detect.Precise,
		Regions: []string{"US", "GB", "DE", "FR", "ES", "IT", "NL", "BE", "CH", "AT", "SE", "PL", "PT", "IE", "IN", "BR", "MX", "AU", "JP", "CN", "FI", "CZ",
			"GR", "TR", "RU", "UA", "RO", "IL", "ZA", "KR", "NZ", "DK", "NO"}})
}

type result struct {
	name string
	rate float64
	what map[string]int
	line string
}

func report(t *testing.T, all []result, bad func(result) bool) {
	t.Helper()
	slices.SortStableFunc(all, func(a, b result) int {
		return strings.Compare(fmt.Sprintf("%9.6f", b.rate), fmt.Sprintf("%9.6f", a.rate))
	})
	failed := 0
	for _, x := range all {
		if bad(x) {
			failed++
		}
		if *rates || bad(x) {
			t.Logf("%8.3f %%  %s %v %q", 100*x.rate, x.name, x.what, x.line)
		}
	}
	assert.Zero(t, failed, "of %d", len(all))
}

// Other programs' identifiers stay: in their original forms, with valid check digits and times in them.
func TestForeignIDsStay(t *testing.T) {
	s := scanner()
	shapes := foreign.IDs(*seed)
	assert.GreaterOrEqual(t, len(shapes), 150)
	var all []result
	for _, c := range shapes {
		r := result{name: c.Name, what: map[string]int{}}
		hits := 0
		var spans []detect.Span
		for i := range *perID {
			line := fmt.Sprintf(wrappings[i%len(wrappings)], c.Next().Text)
			if spans = s.Scan(spans[:0], "app.value", line); len(spans) > 0 {
				hits++
				r.what[spans[0].Kind.String()]++
				r.line = line
			}
		}
		r.rate = float64(hits) / float64(*perID)
		all = append(all, r)
	}
	report(t, all, func(r result) bool { return r.rate > maxRate })
}

// Lines in the formats of well-known programs stay.
func TestForeignTelemetryStays(t *testing.T) {
	s := scanner()
	classes := foreign.Telemetry(*seed)
	assert.GreaterOrEqual(t, len(classes), 150)
	var all []result
	for _, c := range classes {
		r := result{name: c.Name, what: map[string]int{}}
		hits, n := 0, c.Forms()**perForm
		var spans []detect.Span
		for range n {
			line := c.Next().Text
			if spans = s.Scan(spans[:0], c.Key, line); len(spans) > 0 {
				hits++
				sp := spans[0]
				r.what[sp.Kind.String()]++
				r.line = line[:sp.Start] + "«" + line[sp.Start:sp.End] + "»" + line[sp.End:]
			}
		}
		r.rate = float64(hits) / float64(n)
		all = append(all, r)
	}
	report(t, all, func(r result) bool { return r.rate > maxRate })
}

// Secrets and personal data are removed, from each form in which they occur.
func TestForeignCarriers(t *testing.T) {
	s := scanner()
	var all []result
	for _, c := range foreign.Carriers(*seed) {
		forms := map[string]*result{}
		for range c.Forms() * perValue {
			l := c.Next()
			r := forms[c.Form()]
			if r == nil {
				r = &result{name: c.Name + ": " + c.Form(), rate: 1, what: map[string]int{}}
				forms[c.Form()] = r
				assert.NotEmpty(t, l.Gone, c.Form())
			}
			spans := s.Scan(nil, c.Key, l.Text)
			for _, g := range l.Gone {
				left := 0
				for i := g.Start; i < g.End; i++ {
					if !slices.ContainsFunc(spans, func(sp detect.Span) bool { return sp.Start <= i && i < sp.End }) {
						left++
					}
				}
				if left > 0 {
					r.what["left"]++
					r.line = l.Text
				} else {
					r.what["gone"]++
				}
			}
		}
		for _, r := range forms {
			r.rate = float64(r.what["gone"]) / float64(r.what["gone"]+r.what["left"])
			all = append(all, *r)
		}
	}
	assert.GreaterOrEqual(t, len(all), 200)
	report(t, all, func(r result) bool { return r.rate < minRecall })
}
