package corpus_test

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/corpus"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/detect"
)

var (
	perShape = flag.Int("per-shape", 100_000, "random values of each shape")
	perClass = flag.Int("per-class", 3_000, "lines of each class of telemetry")
	rates    = flag.Bool("rates", false, "print the rate of each shape and class")
)

// maxRate of harmless values that may be touched.
const maxRate = 0.001

// carriers surround an identifier without a word that names it. The first is an attribute's value.
var carriers = []struct{ name, form string }{
	{"attribute", "{}"}, {"text", "saw {} in 35ms"}, {"id-{}-x", "started id-{}-x now"}, {"path", "GET /v1/items/{}/view HTTP/1.1"},
}

type touched struct {
	name  string
	rate  float64
	kinds map[string]int
	line  string
}

// enough lines without any finding end a class early: at a rate of one in a thousand that happens once in 500 million times.
const enough = 20_000

// silence counts in how many of n lines from next the scanner finds something.
func silence(s *detect.Scanner, name, key string, n int, next func() string) touched {
	t := touched{name: name, kinds: map[string]int{}}
	hits, lines := 0, 0
	var spans []detect.Span
	for lines < n && (hits > 0 || lines < enough) {
		lines++
		line := next()
		if spans = s.Scan(spans[:0], key, line); len(spans) > 0 {
			hits++
			t.kinds[spans[0].Kind.String()]++
			t.line = line
		}
	}
	t.rate = float64(hits) / float64(lines)
	return t
}

func report(t *testing.T, all []touched) {
	t.Helper()
	slices.SortStableFunc(all, func(a, b touched) int {
		return strings.Compare(fmt.Sprintf("%9.6f", b.rate), fmt.Sprintf("%9.6f", a.rate))
	})
	for _, x := range all {
		if *rates {
			t.Logf("%8.4f %%  %-60s %v", 100*x.rate, x.name, x.kinds)
		}
		assert.LessOrEqual(t, x.rate, maxRate, "%s: %v, such as %q", x.name, x.kinds, x.line)
	}
}

// Random values of every shape stay: in text, inside an id, in a path, as an attribute, in turn. The key has no meaning.
func TestRandomIDsStay(t *testing.T) {
	s := scanner()
	shapes := corpus.Shapes()
	assert.GreaterOrEqual(t, len(shapes), 150)
	var all []touched
	for i, shape := range shapes {
		var next []func() string
		for c, carrier := range carriers {
			next = append(next, corpus.Fill(carrier.form, shape, uint64(i*len(carriers)+c)))
		}
		k := 0
		all = append(all, silence(s, shape, "app.value", *perShape, func() string {
			k++
			return next[k%len(next)]()
		}))
	}
	report(t, all)
}

// Values that no check distinguishes from the data itself are removed if they stand alone, and stay inside a longer id. The README states
// the rates.
func TestRatesOfTheThings(t *testing.T) {
	s := scanner()
	for i, shape := range corpus.TheThings() {
		for c, carrier := range carriers {
			x := silence(s, shape+" in "+carrier.name, "", 10_000, corpus.Fill(carrier.form, shape, uint64(i*len(carriers)+c)))
			if *rates {
				t.Logf("%8.4f %%  %-60s %v", 100*x.rate, x.name, x.kinds)
			}
			if carrier.name == "id-{}-x" {
				assert.LessOrEqual(t, x.rate, maxRate, x.name)
			}
		}
	}
}

// Telemetry values without personal data stay.
func TestTelemetryStays(t *testing.T) {
	s := scanner()
	classes := corpus.Telemetry(1)
	assert.GreaterOrEqual(t, len(classes), 150)
	var all []touched
	for _, c := range classes {
		all = append(all, silence(s, c.Name, c.Key, *perClass, c.Next))
	}
	report(t, all)
}
