package figures

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

var (
	mark = regexp.MustCompile(`<!-- figure (\S+) (\S+) -->`)
	// quote is the end of the text in front of a mark: 1/N, the number, k or M, and up to 24 characters of unit.
	quote = regexp.MustCompile(`(1/)?([-+]?\d(?:[\d ]*\d)?(?:\.\d+)?)( ?(?:k|M)\b)?([^\d|]{0,24})$`)
)

// Units of one kind, and how many of the smallest each is.
var (
	times = map[string]float64{"ns": 1, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9}
	sizes = map[string]float64{"B": 1, "bytes": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
	words = regexp.MustCompile(`[A-Za-zµ]+`)
)

// quoted is a figure as a document writes it.
type quoted struct {
	text   string  // 1.8x
	digits string  // 1.8, without spaces
	number float64 // in the unit of the report
	scale  float64 // what the digits are multiplied with to get the number
	slack  float64 // half of the last digit that counts, in the unit of the report
	at     [2]int  // of the digits in the text in front of the mark
}

// read finds the figure at the end of the text in front of a mark.
func read(text, unit string) (quoted, error) {
	at := quote.FindStringSubmatchIndex(text)
	if at == nil {
		return quoted{}, errors.New("no number stands in front of the mark")
	}
	q := quoted{text: strings.TrimSpace(text[at[0]:]), digits: strings.ReplaceAll(text[at[4]:at[5]], " ", ""), at: [2]int{at[4], at[5]}, scale: 1}
	number, err := strconv.ParseFloat(q.digits, 64)
	if err != nil {
		return quoted{}, fmt.Errorf("%q: %w", q.digits, err)
	}
	if at[6] >= 0 {
		q.scale = map[string]float64{"k": 1e3, "M": 1e6}[strings.TrimSpace(text[at[6]:at[7]])]
	}
	q.scale *= factor(words.FindString(text[at[8]:at[9]]), unit)
	q.number, q.slack = number*q.scale, math.Pow(10, -float64(decimals(q.digits)))/2*q.scale
	return q, nil
}

// decimals counts the digits that count behind the point; -3 for 138000, of which the last three do not.
func decimals(digits string) int {
	if _, behind, ok := strings.Cut(digits, "."); ok {
		return len(behind)
	}
	significant := strings.TrimRight(digits, "0")
	if len(strings.TrimLeft(digits, "+-")) < 4 {
		return 0
	}
	return len(significant) - len(digits)
}

// factor is how many of the report's unit one of the document's word is: 1000 for µs where the report has ns/op. It is 1
// where the two do not measure the same kind of thing.
func factor(word, unit string) float64 {
	kind, _, _ := strings.Cut(unit, "/")
	parts := strings.Split(kind, "-")
	if parts[0] == "x" {
		return 1 // a ratio
	}
	for _, part := range parts {
		for _, family := range []map[string]float64{times, sizes} {
			if family[part] != 0 && family[word] != 0 {
				return family[word] / family[part]
			}
		}
	}
	return 1
}

// Check returns the mistakes of a document's marked figures, or nil. Marks in code, such as the examples of a page about
// marks, are no marks.
func (r Report) Check(document string) error {
	var errs []error
	eachMark(document, func(line int, text, name, unit string) string {
		if err := r.checkFigure(text, name, unit); err != nil {
			errs = append(errs, fmt.Errorf("line %d: %w", line, err))
		}
		return text
	})
	return errors.Join(errs...)
}

// Marked returns the names in the marks of a document.
func Marked(document string) []string {
	var names []string
	eachMark(document, func(_ int, text, name, _ string) string {
		names = append(names, name)
		return text
	})
	return names
}

// Waiting returns the figures, as name and unit, that a document marks and that no run has measured yet. They are compared
// from then on. A mark of a figure that its benchmark does not report waits until `make figures` runs it, and
// fails there.
func (r Report) Waiting(document string) []string {
	var waiting []string
	eachMark(document, func(_ int, text, name, unit string) string {
		if _, found := r.Find(name, unit); !found {
			waiting = append(waiting, name+" "+unit)
		}
		return text
	})
	return waiting
}

// Benchmark is the folder and the function in the name of a figure: rollup/Against of rollup/Against/counters/streams=10000.
// Folders are lower-case, names of benchmarks are not.
func Benchmark(name string) string {
	elements := strings.Split(name, "/")
	for i, element := range elements {
		if strings.ToLower(element) != element {
			return strings.Join(elements[:i+1], "/")
		}
	}
	return name
}

// Update returns the document with the medians of the report in the place of its marked figures, each with as many digits as
// before. A figure without an entry in the report stays.
func (r Report) Update(document string) string {
	return eachMark(document, func(_ int, text, name, unit string) string {
		e, found := r.Find(name, unit)
		if !found {
			return text
		}
		q, err := read(text, unit)
		if err != nil {
			return text
		}
		return text[:q.at[0]] + q.write(e.Median) + text[q.at[1]:]
	})
}

// eachMark calls replace with the text between two marks of a line, and returns the document with what it answers.
func eachMark(document string, replace func(line int, text, name, unit string) string) string {
	lines, code := strings.Split(document, "\n"), false
	for i, line := range lines {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
		}
		if code {
			continue
		}
		var out strings.Builder
		last := 0
		for _, at := range mark.FindAllStringSubmatchIndex(line, -1) {
			out.WriteString(replace(i+1, line[last:at[0]], line[at[2]:at[3]], line[at[4]:at[5]]))
			out.WriteString(line[at[0]:at[1]])
			last = at[1]
		}
		lines[i] = out.String() + line[last:]
	}
	return strings.Join(lines, "\n")
}

// checkFigure compares the figure at the end of text with the report.
func (r Report) checkFigure(text, name, unit string) error {
	q, err := read(text, unit)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	e, found := r.Find(name, unit)
	if !found {
		return nil // see Waiting
	}
	if q.number < e.Low-q.slack || q.number > e.High+q.slack {
		return fmt.Errorf("%s is quoted as %s, and the benchmark measured %.4g %s (%.4g to %.4g in %d runs): `make update-figures` writes %s",
			name, q.text, e.Median, unit, e.Low, e.High, e.Runs, q.write(e.Median))
	}
	return nil
}

// write returns a number of the report as the document writes it: as many decimals, or as many zeros at the end, and spaces
// between thousands where there were some or where there are five digits.
func (q quoted) write(number float64) string {
	places := decimals(q.digits)
	number /= q.scale
	for places < 6 && number != 0 && math.Abs(number) < 0.95*math.Pow(10, -float64(places)) {
		places++ // 0.04 with one decimal would be 0.0
	}
	sign := ""
	if strings.HasPrefix(q.digits, "+") && number >= 0 {
		sign = "+"
	}
	if places >= 0 {
		return sign + thousands(strconv.FormatFloat(number, 'f', places, 64))
	}
	unit := math.Pow(10, -float64(places))
	for unit > 1 && unit*10 > math.Abs(number) {
		unit /= 10
	}
	return sign + thousands(strconv.FormatFloat(math.Round(number/unit)*unit, 'f', 0, 64))
}

// thousands puts spaces between groups of three digits, from five digits on.
func thousands(digits string) string {
	whole, behind, point := strings.Cut(digits, ".")
	if len(strings.TrimLeft(whole, "-")) >= 5 {
		for at := len(whole) - 3; at > 0 && whole[at-1] != '-'; at -= 3 {
			whole = whole[:at] + " " + whole[at:]
		}
	}
	if point {
		return whole + "." + behind
	}
	return whole
}
