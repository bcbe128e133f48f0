package figures

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
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

// Merge puts the figures of lines, one JSON object a line as measure.Report writes them, into the report. A newer figure
// replaces the one of the same benchmark and unit. run fills what the figures do not say.
func (r *Report) Merge(lines io.Reader, run Entry) error {
	for scanner := bufio.NewScanner(lines); scanner.Scan(); {
		e := run
		if err := json.Unmarshal(scanner.Bytes(), &e.Figure); err != nil {
			return fmt.Errorf("%q: %w", scanner.Text(), err)
		}
		if at, found := slices.BinarySearchFunc(r.Figures, e, compare); found {
			r.Figures[at] = e
		} else {
			r.Figures = slices.Insert(r.Figures, at, e)
		}
	}
	return nil
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
		"`make check-figures` holds the READMEs to it.\n\n" +
		"| Benchmark | Unit | Median | Low | High | Runs | Day | Commit | Machine |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, e := range r.Figures {
		fmt.Fprintf(&page, "| %s | %s | %.4g | %.4g | %.4g | %d | %s | %s | %s |\n", e.Name, e.Unit, e.Median, e.Low, e.High, e.Runs, e.Date, e.Commit, e.Machine)
	}
	return page.String()
}

var (
	mark  = regexp.MustCompile(`<!-- figure (\S+) (\S+) -->`)
	value = regexp.MustCompile(`(1/)?([-+]?\d[\d ]*(?:\.\d+)?) ?(?:(k|M)\b)?[^\d|]{0,24}$`)
)

// Check returns the mistakes of a document's marked figures, or nil.
func (r Report) Check(document string) error {
	var errs []error
	for i, line := range strings.Split(document, "\n") {
		for _, at := range mark.FindAllStringSubmatchIndex(line, -1) {
			if err := r.checkFigure(line[:at[0]], line[at[2]:at[3]], line[at[4]:at[5]]); err != nil {
				errs = append(errs, fmt.Errorf("line %d: %w", i+1, err))
			}
		}
	}
	return errors.Join(errs...)
}

// checkFigure compares the figure at the end of text with the report.
func (r Report) checkFigure(text, name, unit string) error {
	e, found := r.Find(name, unit)
	if !found {
		return fmt.Errorf("the report has no figure of %s in %s", name, unit)
	}
	quoted := value.FindStringSubmatch(text)
	if quoted == nil {
		return fmt.Errorf("no number stands in front of the mark of %s", name)
	}
	digits := strings.ReplaceAll(quoted[2], " ", "")
	number, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return fmt.Errorf("%q: %w", quoted[2], err)
	}
	slack := 0.5
	if _, decimals, ok := strings.Cut(digits, "."); ok {
		for range decimals {
			slack /= 10
		}
	}
	scale := map[string]float64{"": 1, "k": 1e3, "M": 1e6}[quoted[3]]
	number, slack = number*scale, slack*scale
	if number < e.Low-slack || number > e.High+slack {
		return fmt.Errorf("%s is quoted as %s, and the benchmark measured %.4g %s (%.4g to %.4g in %d runs)", name, strings.TrimSpace(quoted[0]), e.Median, unit, e.Low, e.High, e.Runs)
	}
	return nil
}
