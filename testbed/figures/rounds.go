package figures

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/penstockhq/penstock/testbed/internal/measure"
)

// Rounds collects what the benchmarks of one package printed in several runs, one after the other: so all of its benchmarks
// alternate, and a moment in which the machine did something else hits each of them.
type Rounds struct {
	Package string   // its folder in the repository
	Units   []string // those that are kept
	Ours    string   // an element of a benchmark's name: penstock in Produce/writers=16/penstock; "" compares nothing
	rounds  []map[figure]float64
}

type figure struct{ name, unit string }

var printed = regexp.MustCompile(`(?m)^Benchmark(\S+?)(?:-\d+)?\s+\d+\t(.*)$`)

// Add takes what one run printed. Of a benchmark that was printed twice the last counts.
func (r *Rounds) Add(output string) {
	round := map[figure]float64{}
	for _, line := range printed.FindAllStringSubmatch(output, -1) {
		fields := strings.Fields(line[2])
		for i := 0; i+1 < len(fields); i += 2 {
			if value, err := strconv.ParseFloat(fields[i], 64); err == nil && slices.Contains(r.Units, fields[i+1]) {
				round[figure{line[1], fields[i+1]}] = value
			}
		}
	}
	ratios := map[figure]float64{}
	for of, value := range round {
		r.compare(round, of, value, ratios)
	}
	maps.Copy(round, ratios)
	r.rounds = append(r.rounds, round)
}

// compare puts into ratios how many times the value of each peer a value of ours is. Peers are the benchmarks whose names
// differ in one element, Ours; the ratio is called Produce/writers=16/penstock:kfake, in x-ns/op.
func (r *Rounds) compare(round map[figure]float64, of figure, value float64, ratios map[figure]float64) {
	before, after, found := cut(of.name, r.Ours)
	if !found || r.Ours == "" {
		return
	}
	for peer, x := range round {
		name, ok := strings.CutPrefix(peer.name, before)
		name, rest := strings.CutSuffix(name, after)
		if ok && rest && peer.unit == of.unit && x != 0 && name != r.Ours && !strings.Contains(name, "/") {
			ratios[figure{before + r.Ours + ":" + name + after, "x-" + of.unit}] = value / x
		}
	}
}

// cut returns the parts of a benchmark's name in front of and behind an element.
func cut(name, element string) (before, after string, found bool) {
	elements := strings.Split(name, "/")
	at := slices.Index(elements, element)
	if at < 0 {
		return "", "", false
	}
	at = len(strings.Join(append(elements[:at:at], ""), "/"))
	return name[:at], name[at+len(element):], true
}

// Figures returns the median, the lowest and the highest of all runs.
func (r *Rounds) Figures() []measure.Figure {
	values := map[figure][]float64{}
	for _, round := range r.rounds {
		for of, value := range round {
			values[of] = append(values[of], value)
		}
	}
	var all []measure.Figure
	for of, v := range values {
		all = append(all, measure.Figure{Name: r.Package + "/" + of.name, Unit: of.unit, Median: measure.Median(v), Low: slices.Min(v), High: slices.Max(v), Runs: len(v)})
	}
	return all
}
