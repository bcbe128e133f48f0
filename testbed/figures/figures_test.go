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
		"much faster<!-- figure write/Sums x-speed -->": "no number stands in front of the mark",
	} {
		require.ErrorContains(t, report.Check(document), message)
	}
}

func TestAFigureThatNoRunMeasuredWaits(t *testing.T) {
	document := "3.1x<!-- figure lake/Standalone store/disk -->, 4x<!-- figure lake/Standalone x -->, 5.2x<!-- figure write/Sums x-speed -->"
	require.NoError(t, report.Check(document))
	require.Equal(t, []string{"lake/Standalone store/disk", "lake/Standalone x"}, report.Waiting(document))
	require.Equal(t, "lake/Standalone", figures.Benchmark("lake/Standalone/files=Many/b"))
	require.ErrorContains(t, report.Check("fast<!-- figure lake/Standalone store/disk -->"), "no number stands in front of the mark")
}

func TestAFigureMayStandInAnotherUnitThanTheReports(t *testing.T) {
	for _, document := range []string{
		"93 ns<!-- figure guard/Point ns/point -->", "0.093 µs a point<!-- figure guard/Point ns/point -->",
		"1.6 MB<!-- figure journal/Checkpoint B/state -->", "1.5 MiB<!-- figure journal/Checkpoint B/state -->",
		"24 µs<!-- figure side/Side agent-cpu-µs/record -->", "24<!-- figure side/Side agent-cpu-µs/record -->",
	} {
		require.NoError(t, other.Check(document), document)
	}
	require.ErrorContains(t, other.Check("93 µs<!-- figure guard/Point ns/point -->"), "quoted as 93 µs")
}

var other = figures.Report{Figures: []figures.Entry{
	{Figure: measure.Figure{Name: "guard/Point", Unit: "ns/point", Median: 93.4, Low: 93, High: 94, Runs: 5}},
	{Figure: measure.Figure{Name: "journal/Checkpoint", Unit: "B/state", Median: 1_600_000, Low: 1_600_000, High: 1_600_000, Runs: 5}},
	{Figure: measure.Figure{Name: "side/Side", Unit: "agent-cpu-µs/record", Median: 24.2, Low: 24, High: 25, Runs: 5}},
	{Figure: measure.Figure{Name: "side/Side", Unit: "agent-records/s", Median: 138_213, Low: 130_000, High: 140_000, Runs: 5}},
}}

func TestAnUpdateKeepsTheFormOfTheFigure(t *testing.T) {
	for before, after := range map[string]string{
		"| **4.0x**<!-- figure write/Sums x-speed --> | 1/9<!-- figure write/Sums x-fewer-allocs --> |": "| **5.2x**<!-- figure write/Sums x-speed --> | 1/7<!-- figure write/Sums x-fewer-allocs --> |",
		"600 k points<!-- figure write/Sums points/cpu-s --> a second":                                  "713 k points<!-- figure write/Sums points/cpu-s --> a second",
		"600 000<!-- figure write/Sums points/cpu-s -->":                                                "710 000<!-- figure write/Sums points/cpu-s -->",
		"+14 %<!-- figure guard/Pipeline %more -->, not 3 %":                                            "+11 %<!-- figure guard/Pipeline %more -->, not 3 %",
		"much<!-- figure write/Sums x-speed -->, 3x<!-- figure nothing/Here x -->":                      "much<!-- figure write/Sums x-speed -->, 3x<!-- figure nothing/Here x -->",
		"```\n3.0x<!-- figure write/Sums x-speed -->\n```":                                              "```\n3.0x<!-- figure write/Sums x-speed -->\n```",
	} {
		require.Equal(t, after, report.Update(before))
		require.Equal(t, after, report.Update(after), "once is enough")
	}
	for before, after := range map[string]string{
		"0.2 µs<!-- figure guard/Point ns/point -->":                  "0.09 µs<!-- figure guard/Point ns/point -->",
		"2.44 MB<!-- figure journal/Checkpoint B/state -->":           "1.60 MB<!-- figure journal/Checkpoint B/state -->",
		"9 µs<!-- figure side/Side agent-cpu-µs/record -->":           "24 µs<!-- figure side/Side agent-cpu-µs/record -->",
		"in 2 runs: 95 000<!-- figure side/Side agent-records/s -->":  "in 2 runs: 138 000<!-- figure side/Side agent-records/s -->",
		"95123<!-- figure side/Side agent-records/s --> a second":     "138 213<!-- figure side/Side agent-records/s --> a second",
		"**97 k**<!-- figure side/Side agent-records/s --> a second.": "**138 k**<!-- figure side/Side agent-records/s --> a second.",
	} {
		require.Equal(t, after, other.Update(before))
		require.NoError(t, other.Check(after), after)
	}
}

func TestWhatAnUpdateWroteIsRight(t *testing.T) {
	for _, digits := range []string{"1", "10", "1.0", "0.05", "+3", "1000", "1234", "120 000", "1/4"} {
		for _, median := range []float64{0.0123, 0.4, 1, 9.96, 55, 999.6, 1234, 45_678, 1_234_567} {
			r := figures.Report{Figures: []figures.Entry{{Figure: measure.Figure{Name: "a", Unit: "x", Median: median, Low: median, High: median, Runs: 1}}}}
			after := r.Update(digits + "<!-- figure a x -->")
			require.NoError(t, r.Check(after), "%s: %g", digits, median)
			require.Equal(t, after, r.Update(after))
		}
	}
}

func TestANewerFigureReplacesTheOneBefore(t *testing.T) {
	var r figures.Report
	first, err := figures.Lines(strings.NewReader(`{"name":"b","unit":"x","median":2,"low":1,"high":3,"runs":5}
{"name":"a","unit":"x","median":4,"low":4,"high":4,"runs":1}
`))
	require.NoError(t, err)
	r.Merge(first, figures.Entry{Commit: "one"})
	busy := 40
	r.Merge([]measure.Figure{{Name: "b", Unit: "x", Median: 5, Low: 5, High: 5, Runs: 5}}, figures.Entry{Commit: "two", Others: &busy})
	require.Len(t, r.Figures, 2)
	b, found := r.Find("b", "x")
	require.True(t, found)
	require.Equal(t, 5.0, b.Median)
	require.Equal(t, "two", b.Commit)
	_, err = figures.Lines(strings.NewReader("{"))
	require.Error(t, err)
	require.Contains(t, r.Markdown(), "| a | x | 4 | 4 | 4 | 1 |  |  | one |")
	require.Contains(t, r.Markdown(), "| b | x | 5 | 5 | 5 | 5 | 40 % |  | two |")
}
