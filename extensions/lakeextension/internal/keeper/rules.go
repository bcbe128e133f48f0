package keeper

import (
	"path"
	"slices"
	"time"

	"github.com/penstockhq/penstock/internal/lakestore"
)

// Rollup is the attribute that says which window a data point is the rollup of.
const Rollup = "rollup.window"

// Rule says how long some rows stay. Empty: all. The first that matches counts.
type Rule struct {
	// Signal is logs, metrics or traces.
	Signal string
	// Tenant and Window are patterns, with * and ?. Window is of the attribute rollup.window: points without one match no pattern.
	Tenant, Window string
	// Keep is how long; 0: for ever.
	Keep time.Duration
}

// Retention is how long rows stay behind the end of their hour.
type Retention struct {
	Keep  time.Duration // of rows that no rule matches; 0: for ever
	Rules []Rule
}

// class is rows of a partition that stay equally long.
type class struct {
	window string // the pattern; "" are all others
	keep   time.Duration
}

// classes are those of a partition. The last one is of the rows without a window of the others.
func (r *Retention) classes(signal, tenant string) (all []class) {
	for _, rule := range r.Rules {
		if rule.Signal != "" && rule.Signal != signal {
			continue
		}
		if matches, _ := path.Match(rule.Tenant, tenant); rule.Tenant != "" && !matches {
			continue
		}
		if rule.Window == "" {
			return append(all, class{"", rule.Keep})
		}
		if signal == "metrics" {
			all = append(all, class{rule.Window, rule.Keep})
		}
	}
	return append(all, class{"", r.Keep})
}

func (c class) expired(age time.Duration) bool { return c.keep > 0 && age >= c.keep }

// name is how a change says that it has dropped the class.
func (c class) name() string {
	if c.window == "" {
		return "raw"
	}
	return c.window
}

// dropped names the classes that are too old; whole: all are.
func dropped(classes []class, age time.Duration) (names []string, whole bool) {
	for _, c := range classes {
		if c.expired(age) {
			names = append(names, c.name())
		}
	}
	return names, len(names) == len(classes)
}

// keeps says whether a point with a window stays.
func keeps(classes []class, age time.Duration, window string) bool {
	for _, c := range classes {
		if matches, _ := path.Match(c.window, window); c.window == "" || window != "" && matches {
			return !c.expired(age)
		}
	}
	return true
}

// Plan chooses the files of a closed partition that are merged next; nil: it is as it should be. files are live.
//
// Files below half of the target are merged, as many as have its size together, when there are many of them or the newest is quiet. One that is more than eight
// times as large as all smaller ones waits until there are more of those, so a row is rewritten a few times only.
func (s *Settings) Plan(files []lakestore.File, now time.Time) []lakestore.File {
	var small []lakestore.File
	quiet := true
	for _, f := range files {
		if f.Bytes < s.Target/2 {
			small = append(small, f)
			quiet = quiet && now.Sub(f.Modified) >= s.Quiet
		}
	}
	if len(small) < 2 || !quiet && len(small) < manyFiles {
		return nil
	}
	slices.SortFunc(small, func(a, b lakestore.File) int {
		if a.Bytes != b.Bytes {
			return int(min(max(a.Bytes-b.Bytes, -1), 1))
		}
		return slices.Compare([]byte(a.Path), []byte(b.Path))
	})
	for from := range len(small) - 1 {
		sum, to := small[from].Bytes, from+1
		for to < len(small) && to-from < mostFiles && sum+small[to].Bytes <= s.Target && small[to].Bytes <= 8*sum {
			sum += small[to].Bytes
			to++
		}
		if to-from > 1 {
			return small[from:to]
		}
	}
	return nil
}

const (
	// manyFiles small ones are merged although more keep coming.
	manyFiles = 16
	// mostFiles bounds the files that are open at once.
	mostFiles = 256
)
