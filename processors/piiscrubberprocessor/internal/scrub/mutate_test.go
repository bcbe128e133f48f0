package scrub_test

import (
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/corpus"
)

// Pieces of the corpora in random combinations, cut anywhere, need only one pass of scrubbing, under every action.
func TestIdempotentOnPieces(t *testing.T) {
	f, err := os.Open("../corpus/testdata/handwritten.txt")
	require.NoError(t, err)
	defer f.Close()
	lines, err := corpus.Handwritten(f)
	require.NoError(t, err)
	lines = append(lines, corpus.Generate(9, 20)...)
	r := rand.New(rand.NewPCG(31, 37))
	all := everyAction(t)
	for range 20_000 {
		text := ""
		for range 1 + r.IntN(3) {
			piece := lines[r.IntN(len(lines))].Text
			from := r.IntN(len(piece) + 1)
			if r.IntN(2) == 0 {
				from = 0
			}
			text += piece[from:from+r.IntN(len(piece)-from+1)] + []string{"", " ", ",", "\n", ":", "=", "-", "/"}[r.IntN(8)]
		}
		key := lines[r.IntN(len(lines))].Key
		s := all[r.IntN(len(all))]
		b := s.NewBatch()
		v := pcommon.NewValueStr(text)
		b.Attribute("attributes", key, v)
		once := v.AsString()
		b.Attribute("attributes", key, v)
		require.Equal(t, once, v.AsString(), "%s: %q under %q", s.SensitiveRule.Action, text, key)
	}
}
