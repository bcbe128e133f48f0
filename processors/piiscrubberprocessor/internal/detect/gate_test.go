package detect

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/corpus"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/corpus/foreign"
)

// The gates reject nothing that the detectors would find: on all texts of the corpora, and on those with bytes changed, left out and
// doubled, a scanner with open gates finds the same.
func TestGatesKeepNothing(t *testing.T) {
	gated := New(Options{Detectors: Precise, Regions: []string{"US", "DE", "FR", "GB", "ES"}, IDRegions: []string{"ES", "SE"}, HostNames: true, SpecialAddresses: true})
	open := *gated
	for c := range open.gates {
		open.gates[c] = gate{everyByte, everyByte}
	}
	raw, err := os.Open("../corpus/testdata/handwritten.txt")
	require.NoError(t, err)
	defer func() { require.NoError(t, raw.Close()) }()
	lines, err := corpus.Handwritten(raw)
	require.NoError(t, err)
	for _, c := range [][]*foreign.Class{foreign.Carriers(7), foreign.Telemetry(7)} {
		for _, class := range c {
			for range class.Forms() {
				lines = append(lines, corpus.Line{Key: class.Key, Text: class.Next().Text})
			}
		}
	}
	lines = append(lines, corpus.Generate(7, 60)...)
	r := rand.New(rand.NewPCG(1, 2))
	const signs = "-.:=+%&#'\"|{[(<>\\/@$wkKqHbBJ0_ \n"
	for _, l := range lines {
		for range 4 {
			if want, have := open.Scan(nil, l.Key, l.Text), gated.Scan(nil, l.Key, l.Text); !assert.Equal(t, want, have, "%q", l.Text) {
				return
			}
			if len(l.Text) == 0 {
				break
			}
			i := r.IntN(len(l.Text))
			switch r.IntN(4) {
			case 0:
				l.Text = l.Text[:i] + l.Text[i+1:]
			case 1:
				l.Text = l.Text[:i] + strings.ToUpper(l.Text[i:])
			default:
				j := r.IntN(len(signs))
				l.Text = l.Text[:i] + signs[j:j+1] + l.Text[i:]
			}
		}
	}
}
