package figures_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/figures"
	"github.com/penstockhq/penstock/testbed/internal/measure"
)

var report = figures.Report{Figures: []figures.Entry{
	{Figure: measure.Figure{Name: "guard/Pipeline", Unit: "%more", Median: 10.9, Low: 9.2, High: 12.4, Runs: 5}},
	{Figure: measure.Figure{Name: "write/Sums", Unit: "points/cpu-s", Median: 713_000, Low: 690_000, High: 720_000, Runs: 5}},
	{Figure: measure.Figure{Name: "write/Sums", Unit: "x-fewer-allocs", Median: 7.1, Low: 7, High: 7.2, Runs: 5}},
	{Figure: measure.Figure{Name: "write/Sums", Unit: "x-speed", Median: 5.2, Low: 5, High: 5.4, Runs: 5}},
}}

func TestAFigureWithinTheSpreadOfItsBenchmarkPasses(t *testing.T) {
	for _, document := range []string{
		"sums 5.2x<!-- figure write/Sums x-speed -->, and no more",
		"5.4x<!-- figure write/Sums x-speed --> is the highest run",
		"| sums | **5.0x**<!-- figure write/Sums x-speed --> | 713 k points<!-- figure write/Sums points/cpu-s --> | 1/7<!-- figure write/Sums x-fewer-allocs --> |",
		"+11 %<!-- figure guard/Pipeline %more --> of CPU",
		"3.1x without a mark is not compared",
		"713 kB is no thousand: 5.2 MiB<!-- figure write/Sums x-speed -->",
		"690 000<!-- figure write/Sums points/cpu-s -->",
	} {
		require.NoError(t, report.Check(document), document)
	}
}

func TestAFigureThatNothingKeepsTrueFails(t *testing.T) {
	for document, message := range map[string]string{
		"first\n5.6x<!-- figure write/Sums x-speed -->": "line 2: write/Sums is quoted as 5.6x, and the benchmark measured 5.2 x-speed (5 to 5.4 in 5 runs)",
		"+14 %<!-- figure guard/Pipeline %more -->":     "guard/Pipeline is quoted as +14 %",
		"730 k<!-- figure write/Sums points/cpu-s -->":  "quoted as 730 k",
		"1/8<!-- figure write/Sums x-fewer-allocs -->":  "quoted as 1/8",
		"5.2x<!-- figure write/Gauges x-speed -->":      "the report has no figure of write/Gauges in x-speed",
		"much faster<!-- figure write/Sums x-speed -->": "no number stands in front of the mark",
	} {
		require.ErrorContains(t, report.Check(document), message)
	}
}

func TestANewerFigureReplacesTheOneBefore(t *testing.T) {
	var r figures.Report
	require.NoError(t, r.Merge(strings.NewReader(`{"name":"b","unit":"x","median":2,"low":1,"high":3,"runs":5}
{"name":"a","unit":"x","median":4,"low":4,"high":4,"runs":1}
`), figures.Entry{Commit: "one"}))
	require.NoError(t, r.Merge(strings.NewReader(`{"name":"b","unit":"x","median":5,"low":5,"high":5,"runs":5}`), figures.Entry{Commit: "two"}))
	require.Len(t, r.Figures, 2)
	b, found := r.Find("b", "x")
	require.True(t, found)
	require.Equal(t, 5.0, b.Median)
	require.Equal(t, "two", b.Commit)
	require.Error(t, r.Merge(strings.NewReader("{"), figures.Entry{}))
	require.Contains(t, r.Markdown(), "| a | x | 4 | 4 | 4 | 1 |")
}
