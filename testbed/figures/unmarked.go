package figures

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// ByHand begins the comment in a paragraph, a list or a row of a table with figures which no benchmark reports.
const ByHand = "<!-- by hand"

var (
	// measured is what only a measurement can say: 1.8x, 1.8 times, 24 µs, 35 ns, 147 MB/s.
	measured = regexp.MustCompile(`\d(?:x\b| ?µs\b| ?MB/s)|[\d.]\d ns\b|\d\.\d+ times\b`)
	inCode   = regexp.MustCompile("`(?:[^`\n]|\n[^`\n])*`") // within a paragraph
	comment  = regexp.MustCompile(`<!--.*?-->`)
	followed = regexp.MustCompile(`^[^\d|]{0,24}<!-- figure `)
	listed   = regexp.MustCompile("(?m)^\\| (`[^|]+`) \\|")
	path     = regexp.MustCompile("`([^`]+\\.md)`")
)

// Listed returns the documents in the first column of the tables of a page, which stand there as `path.md`.
func Listed(page string) []string {
	var documents []string
	for _, row := range listed.FindAllStringSubmatch(page, -1) {
		for _, at := range path.FindAllStringSubmatch(row[1], -1) {
			documents = append(documents, at[1])
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(documents)))
}

// Unmarked returns the lines with measured figures that neither a mark follows nor a comment `by hand` covers. In a row of a
// table the comment covers the row, elsewhere its paragraph or list: everything between two empty lines.
func Unmarked(document string) []string {
	var found, block []string
	byHand := false
	end := func() {
		if !byHand {
			found = append(found, block...)
		}
		block, byHand = nil, false
	}
	for i, line := range strings.Split(withoutCode(document), "\n") {
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			end()
		}
		if strings.Contains(line, ByHand) {
			if strings.HasPrefix(line, "|") {
				continue
			}
			byHand = true
		}
		line = mark.ReplaceAllString(line, "<!-- figure -->") // names have figures too
		for _, at := range measured.FindAllStringIndex(line, -1) {
			if !followed.MatchString(line[at[1]:]) {
				from := strings.LastIndexAny(line[:at[0]], " |(") + 1
				block = append(block, fmt.Sprintf("line %d: %s", i+1, comment.ReplaceAllString(line[from:at[1]], "")))
			}
		}
	}
	end()
	return found
}

// withoutCode returns the document with empty lines for blocks of code, and without code in its lines.
func withoutCode(document string) string {
	lines, code := strings.Split(document, "\n"), false
	for i, line := range lines {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		if code || fence {
			lines[i] = ""
		}
		code = code != fence
	}
	return inCode.ReplaceAllStringFunc(strings.Join(lines, "\n"), func(span string) string {
		return strings.Repeat("\n", strings.Count(span, "\n")) + "`"
	})
}
