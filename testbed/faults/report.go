package faults

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// result is what one schedule cost one product. Counts are items.
type result struct {
	schedule, product string
	rounds            int
	acknowledged      int
	refused, cut      int // requests
	missing, doubled  int
	recovery          []time.Duration // from each restart to the first acknowledgement
}

// markdown returns the results as a page.
func markdown(results []result) string {
	var page strings.Builder
	page.WriteString("# What faults cost\n\n" +
		"Missing: acknowledged and never stored. Doubled: stored more than once. Recovery: from the restart to the first acknowledged request, median.\n" +
		"Both products send to one OTLP server; clients send nothing twice.\n\n" +
		"| Schedule | Product | Rounds | Items acknowledged | Missing | Doubled | Requests refused | cut off | Recovery |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range results {
		fmt.Fprintf(&page, "| %s | %s | %d | %d | %d | %d | %d | %d | %s |\n",
			r.schedule, r.product, r.rounds, r.acknowledged, r.missing, r.doubled, r.refused, r.cut, median(r.recovery))
	}
	for _, r := range results {
		if r.product == stockName && r.missing == 0 {
			fmt.Fprintf(&page, "\nThe schedule *%s* cost the stock collector nothing, so it may be too weak to prove anything.\n", r.schedule)
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
		most = max(most, r.missing)
	}
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="13">`+"\n", left+width+120, row*len(results)+40)
	out.WriteString(`<text x="8" y="20">Acknowledged items that are missing</text>` + "\n")
	for i, r := range results {
		y := 40 + i*row
		color := "#2a6fb0"
		if r.product == stockName {
			color = "#999999"
		}
		bar := r.missing * width / most
		fmt.Fprintf(&out, `<text x="8" y="%d">%s: %s</text><rect x="%d" y="%d" width="%d" height="16" fill="%s"/><text x="%d" y="%d">%d of %d</text>`+"\n",
			y+13, r.schedule, r.product, left, y, max(bar, 1), color, left+bar+6, y+13, r.missing, r.acknowledged)
	}
	out.WriteString("</svg>\n")
	return out.String()
}
