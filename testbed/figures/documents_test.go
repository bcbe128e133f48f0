package figures_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/figures"
)

func TestTheDocumentsQuoteTheReport(t *testing.T) {
	newest, err := figures.Read("report.json")
	require.NoError(t, err)
	written, err := os.ReadFile("report.md")
	require.NoError(t, err)
	require.Equal(t, newest.Markdown(), string(written), "run make update-figures")
	require.NoError(t, figures.EachDocument("../..", func(path, document string) error {
		if err := newest.Check(document); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if waiting := newest.Waiting(document); len(waiting) > 0 {
			t.Logf("%s marks what make figures has not measured yet:\n  %s", path, strings.Join(waiting, "\n  "))
		}
		return nil
	}))
}

// TestEachMeasuredFigureHasASource finds 1.8x, 24 µs, 35 ns and 147 MB/s without one.
func TestEachMeasuredFigureHasASource(t *testing.T) {
	page, err := os.ReadFile("README.md")
	require.NoError(t, err)
	listed := figures.Listed(string(page))
	require.NotEmpty(t, listed)
	require.NoError(t, figures.EachDocument("../..", func(path, document string) error {
		if unmarked := figures.Unmarked(document); len(unmarked) > 0 && !slices.Contains(listed, path) {
			t.Errorf("%s has measured figures and does not say where they come from. Do one of three:\n"+
				"  1. a benchmark reports it: write <!-- figure NAME UNIT --> behind it, with a name and a unit of testbed/figures/report.md;\n"+
				"  2. it was measured by hand, or is a sum: write <!-- by hand: command or reason --> into its paragraph, list or row of a table;\n"+
				"  3. most figures of the document are such: add it to the table in testbed/figures/README.md.\n  %s",
				path, strings.Join(unmarked, "\n  "))
		}
		return nil
	}))
}
