package figures

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/penstockhq/penstock/testbed/internal/measure"
)

// Report holds the newest figure of each benchmark and unit.
type Report struct {
	Figures []Entry `json:"figures"` // in the order of name and unit
}

// Entry is a figure with the machine, the day and the commit of its run.
type Entry struct {
	measure.Figure
	Machine string `json:"machine"`
	Others  *int   `json:"others,omitempty"` // % of the machine's processors that other processes and guests took during the run; nil: unknown
	Date    string `json:"date"`
	Commit  string `json:"commit"`
}

// Read returns the report in the file at path.
func Read(path string) (Report, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return Report{}, err
	}
	var r Report
	if err := json.Unmarshal(raw, &r); err != nil {
		return Report{}, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// Find returns the figure of a benchmark in a unit, and whether the report has it.
func (r Report) Find(name, unit string) (Entry, bool) {
	at, found := slices.BinarySearchFunc(r.Figures, Entry{Figure: measure.Figure{Name: name, Unit: unit}}, compare)
	if !found {
		return Entry{}, false
	}
	return r.Figures[at], true
}

// Lines returns the figures of a file that measure.Report has written: one JSON object a line.
func Lines(file io.Reader) ([]measure.Figure, error) {
	var all []measure.Figure
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		var f measure.Figure
		if err := json.Unmarshal(scanner.Bytes(), &f); err != nil {
			return nil, fmt.Errorf("%q: %w", scanner.Text(), err)
		}
		all = append(all, f)
	}
	return all, scanner.Err()
}

// Merge puts the figures of a run into the report. A newer figure replaces the one of the same benchmark and unit; all
// others keep the machine and the day of their own run. run fills what the figures do not say.
func (r *Report) Merge(figures []measure.Figure, run Entry) {
	for _, f := range figures {
		e := run
		e.Figure = f
		if at, found := slices.BinarySearchFunc(r.Figures, e, compare); found {
			r.Figures[at] = e
		} else {
			r.Figures = slices.Insert(r.Figures, at, e)
		}
	}
}

func compare(a, b Entry) int {
	if c := strings.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	return strings.Compare(a.Unit, b.Unit)
}

// Markdown returns the report as a page.
func (r Report) Markdown() string {
	var page strings.Builder
	page.WriteString("# What the benchmarks measured last\n\n" +
		"`make figures` wrote this page. Each figure is the median of several interleaved runs; low and high are its extremes.\n" +
		"`make check-figures` holds the READMEs to it. *Others* is the share of the machine's processors that other processes took during the run:\n" +
		"the more, the wider the spread. Where the column is empty nobody noted it.\n\n" +
		"| Benchmark | Unit | Median | Low | High | Runs | Others | Day | Commit | Machine |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, e := range r.Figures {
		others := ""
		if e.Others != nil {
			others = fmt.Sprintf("%d %%", *e.Others)
		}
		fmt.Fprintf(&page, "| %s | %s | %.4g | %.4g | %.4g | %d | %s | %s | %s | %s |\n", e.Name, e.Unit, e.Median, e.Low, e.High, e.Runs, others, e.Date, e.Commit, e.Machine)
	}
	return page.String()
}
