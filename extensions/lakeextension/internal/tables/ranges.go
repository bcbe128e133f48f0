package tables

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/penstockhq/penstock/internal/lakestore"
)

// rangeProperty of a snapshot says which ranges of the journal its new files hold: <source>:<first>-<next>, separated by spaces.
const rangeProperty = "penstock.range"

// maxRanges bounds rangeProperty.
const maxRanges = 4096

var rangeName = regexp.MustCompile(`^(.+)-(\d{20})-(\d{20})-\d+$`)

type span struct {
	source      string
	first, next int64
}

// ranges describes the files of a commit by the ranges in their names. Files that are named by their content, and merged ones, have none.
func ranges(names []string) string {
	var spans []span
	for _, name := range names {
		m := rangeName.FindStringSubmatch(strings.TrimSuffix(path.Base(name), lakestore.Extension))
		if m == nil {
			continue
		}
		first, err := strconv.ParseInt(m[2], 10, 64)
		next, err2 := strconv.ParseInt(m[3], 10, 64)
		if err == nil && err2 == nil {
			spans = append(spans, span{m[1], first, next})
		}
	}
	slices.SortFunc(spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.first, b.first), cmp.Compare(a.next, b.next))
	})
	var joined []span
	for _, s := range spans {
		if n := len(joined) - 1; n >= 0 && joined[n].source == s.source && s.first <= joined[n].next {
			joined[n].next = max(joined[n].next, s.next)
			continue
		}
		joined = append(joined, s)
	}
	var b strings.Builder
	for i, s := range joined {
		text := fmt.Sprintf("%s:%d-%d", s.source, s.first, s.next)
		if b.Len()+len(text) > maxRanges {
			fmt.Fprintf(&b, " and %d more", len(joined)-i)
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(text)
	}
	return b.String()
}
