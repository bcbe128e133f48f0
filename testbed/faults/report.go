package faults

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// result is what some rounds of a schedule cost one product. Counts are items.
type result struct {
	Schedule     string          `json:"schedule"`
	Product      string          `json:"product"`
	Rounds       int             `json:"rounds"`
	Acknowledged int             `json:"acknowledged"`
	Refused      int             `json:"refused,omitempty"` // requests
	Cut          int             `json:"cut,omitempty"`     // requests
	Missing      int             `json:"missing"`
	Doubled      int             `json:"doubled"`
	Failed       int             `json:"failed,omitempty"`   // runs that ended before their rounds did; their items are not in the counts
	Recovery     []time.Duration `json:"recovery,omitempty"` // from each restart to the first acknowledgement
	// What ran, and with which random moments.
	Binary string    `json:"binary"`
	Seed   uint64    `json:"seed"`
	At     time.Time `json:"at"`
}

// rounds of all runs are kept in this file of the report's directory, a result a line: a run that is cut short loses the rounds of one
// process, and the next run goes on where it ended.
const roundsFile = "rounds.jsonl"

// keep adds a result to the file in a directory.
func keep(directory string, r result) (err error) {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(directory, roundsFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// kept returns the sums of the results of a binary in a directory, in the order in which schedules and products first came.
func kept(directory, binary string) (sums []result, err error) {
	f, err := os.Open(filepath.Join(directory, roundsFile))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var r result
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		if r.Binary != binary {
			continue
		}
		i := slices.IndexFunc(sums, func(s result) bool { return s.Schedule == r.Schedule && s.Product == r.Product })
		if i < 0 {
			sums = append(sums, r)
			continue
		}
		sums[i].add(r)
	}
	return sums, lines.Err()
}

func (r *result) add(more result) {
	r.Rounds += more.Rounds
	r.Acknowledged += more.Acknowledged
	r.Refused += more.Refused
	r.Cut += more.Cut
	r.Missing += more.Missing
	r.Doubled += more.Doubled
	r.Failed += more.Failed
	r.Recovery = append(r.Recovery, more.Recovery...)
	r.At = more.At
}

// sumOf names a program by its content.
func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:6]), nil
}

// markdown returns the results as a page.
func markdown(results []result) string {
	var page strings.Builder
	page.WriteString("# What faults cost\n\n" +
		"Missing: acknowledged and never stored. Doubled: stored more than once. Recovery: from the restart to the first acknowledged request, median.\n" +
		"Both products send to one OTLP server; clients send nothing twice. Behind a standalone process, clients repeat a request until it is acknowledged.\n\n" +
		"| Schedule | Product | Rounds | Items acknowledged | Missing | Doubled | Requests refused | cut off | Recovery | Failed runs |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range results {
		fmt.Fprintf(&page, "| %s | %s | %d | %d | %d | %d | %d | %d | %s | %d |\n",
			r.Schedule, r.Product, r.Rounds, r.Acknowledged, r.Missing, r.Doubled, r.Refused, r.Cut, median(r.Recovery), r.Failed)
	}
	for _, r := range results {
		if r.Product == stockName && r.Missing == 0 {
			fmt.Fprintf(&page, "\nThe schedule *%s* cost the stock collector nothing, so it may be too weak to prove anything.\n", r.Schedule)
		}
	}
	return page.String()
}

func median(all []time.Duration) string {
	if len(all) == 0 {
		return "–"
	}
	return slices.Sorted(slices.Values(all))[len(all)/2].Round(10 * time.Millisecond).String()
}

// svg draws the missing items of each result as bars, on a scale to the largest.
func svg(results []result) string {
	const row, left, width = 26, 300, 700
	most := 1
	for _, r := range results {
		most = max(most, r.Missing)
	}
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="13">`+"\n", left+width+120, row*len(results)+40)
	out.WriteString(`<text x="8" y="20">Acknowledged items that are missing</text>` + "\n")
	for i, r := range results {
		y := 40 + i*row
		color := "#2a6fb0"
		if r.Product == stockName {
			color = "#999999"
		}
		bar := r.Missing * width / most
		fmt.Fprintf(&out, `<text x="8" y="%d">%s: %s</text><rect x="%d" y="%d" width="%d" height="16" fill="%s"/><text x="%d" y="%d">%d of %d</text>`+"\n",
			y+13, r.Schedule, r.Product, left, y, max(bar, 1), color, left+bar+6, y+13, r.Missing, r.Acknowledged)
	}
	out.WriteString("</svg>\n")
	return out.String()
}
