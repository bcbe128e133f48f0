package figures_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/figures"
)

func TestAMeasuredFigureWithoutASourceIsFound(t *testing.T) {
	for document, lines := range map[string][]string{
		"# Cost\n\nThat is 1.8x faster.":                                    {"line 3: 1.8x"},
		"| a | **53x** | 1.4 µs of CPU |":                                   {"line 1: **53x", "line 1: 1.4 µs"},
		"1.8x<!-- figure a/B x --> and 24 µs":                               {"line 1: 24 µs"},
		"0.45 µs<!-- figure rollup/Linear/streams=10000 ns/point -->, 1":    nil,
		"35 ns, 147 MB/s":                                                   {"line 1: 35 ns", "line 1: 147 MB/s"},
		"3x\n<!-- by hand: a sum -->\n\n4x":                                 {"line 4: 4x"},
		"1.8x<!-- figure a/B x -->, **2.0 µs** of CPU<!-- figure a/B y -->": nil,
		"`-benchtime 5x`, 1 ns later, 3 x 5 files, 0x1f, 4096, 80 %":        nil,
		"```\n2x\n```\n":                                                    nil,
		"| 1.2x |\n| 3.4x <!-- by hand: go test -bench A --> |\n| a |":      {"line 1: 1.2x"},
		"- 1.2x\n- 3.4x <!-- by hand: a sum -->\n":                          nil,
	} {
		require.Equal(t, lines, figures.Unmarked(document), document)
	}
}

func TestTheFirstColumnListsDocuments(t *testing.T) {
	require.Equal(t, []string{"a.md", "b/c.md"}, figures.Listed("| Document | Why |\n|---|---|\n| `b/c.md` | not `d.md` |\n| `a.md` | |\n"))
}
