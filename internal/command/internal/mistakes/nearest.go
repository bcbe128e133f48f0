package mistakes

import (
	"slices"
	"strings"
)

// nearest returns the candidate that name is most likely a typo of: the one with the fewest edits, at most a third of its length and at most 3;
// among equals the first in order. Empty if none is near.
func nearest(name string, candidates []string) string {
	best, found := 4, ""
	if name == "" {
		return ""
	}
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		if folded(c) == folded(name) {
			return c
		}
		d := distance(strings.ToLower(name), strings.ToLower(c))
		if d < best && d <= max(1, len(c)/3) {
			best, found = d, c
		}
	}
	return found
}

// folded is a name without parts that people forget or add: case, underscores, hyphens, a plural s.
func folded(name string) string {
	name = strings.NewReplacer("_", "", "-", "", ".", "").Replace(strings.ToLower(name))
	return strings.TrimSuffix(name, "s")
}

// distance counts the letters to insert, delete, replace or exchange with their neighbour (optimal string alignment distance) between two
// names. O(len(a)·len(b)) time.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// didYouMean is the end of a message about an unknown name.
func didYouMean(name string, candidates []string) string {
	if near := nearest(name, candidates); near != "" {
		return `; did you mean "` + near + `"?`
	}
	return ""
}
