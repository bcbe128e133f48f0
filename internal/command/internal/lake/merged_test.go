package lake

import (
	"fmt"
	"path"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/internal/lakestore"
)

const hourOfTest = "logs/date=2026-11-29/hour=02/tenant=a"

// ranged is a file of offsets [first, next) with a row each.
func ranged(source string, first, next int) lakestore.File {
	return lakestore.File{Path: path.Join(hourOfTest, fmt.Sprintf("%s-%020d-%020d-0.parquet", source, first, next)), Rows: int64(next - first)}
}

func merge(sequence int, remove ...lakestore.File) lakestore.Change {
	c := lakestore.Change{Partition: hourOfTest, Sequence: sequence, Reason: "merge", Remove: remove}
	for _, f := range remove {
		if len(c.Add) == 0 {
			c.Add = []lakestore.File{{Path: path.Join(hourOfTest, fmt.Sprintf("z%08d-e1-l3.parquet", sequence))}}
		}
		c.Add[0].Rows += f.Rows
	}
	return c
}

// What a directory has lost with a merged file is restored by as few jobs as there are contiguous ranges, and never what another file has.
func TestRangesOfLostMergedFiles(t *testing.T) {
	const log, other = "penstock.logs-0", "penstock.logs-3"
	first, second := merge(1, ranged(log, 0, 10), ranged(log, 10, 30)), lakestore.Change{}
	second = merge(2, first.Add[0], ranged(log, 50, 60), ranged(other, 7, 9))
	hash := lakestore.File{Path: hourOfTest + "/8a590be68b5fd70bc0c2fd57459091af.parquet", Rows: 4}
	for name, c := range map[string]struct {
		changes          []lakestore.Change
		files, aside     []lakestore.File
		staged, damaged  string
		newest           map[string]int
		want             []string // of the only lost file
		rows             int64
		unnamed, cut, by int64
	}{
		"it is there":                              {changes: []lakestore.Change{first}, files: first.Add},
		"it is missing":                            {changes: []lakestore.Change{first}, want: []string{"0-30 of penstock.logs-0"}, rows: 30},
		"it is damaged":                            {changes: []lakestore.Change{first}, files: first.Add, damaged: first.Add[0].Path, want: []string{"0-30 of penstock.logs-0"}, rows: 30},
		"it was not made visible yet":              {changes: []lakestore.Change{first}, staged: first.Add[0].Path},
		"its sources are still there":              {changes: []lakestore.Change{first}, files: first.Remove},
		"one of its sources is":                    {changes: []lakestore.Change{first}, files: first.Remove[1:], want: []string{"0-10 of penstock.logs-0"}, rows: 10},
		"a merge of a merged one":                  {changes: []lakestore.Change{first, second}, want: []string{"0-60 of penstock.logs-0", "7-9 of penstock.logs-3"}, rows: 42},
		"others have rows between":                 {changes: []lakestore.Change{first, second}, files: []lakestore.File{ranged(log, 33, 34)}, want: []string{"0-30 of penstock.logs-0", "50-60 of penstock.logs-0", "7-9 of penstock.logs-3"}, rows: 42},
		"a damaged one between is restored apart":  {changes: []lakestore.Change{first, second}, aside: []lakestore.File{ranged(log, 33, 34)}, want: []string{"0-30 of penstock.logs-0", "50-60 of penstock.logs-0", "7-9 of penstock.logs-3"}, rows: 42},
		"the sources were merged again":            {changes: []lakestore.Change{first, merge(2, first.Remove...)}, files: merge(2, first.Remove...).Add},
		"a merge that left no row":                 {changes: []lakestore.Change{{Partition: hourOfTest, Sequence: 1, Remove: first.Remove}}},
		"rows without a range":                     {changes: []lakestore.Change{merge(1, hash, ranged(log, 3, 5))}, want: []string{"3-5 of penstock.logs-0"}, rows: 2, unnamed: 4},
		"a job that filled a gap":                  {changes: []lakestore.Change{merge(1, ranged(log, 3, 5), ranged(log+"@fill-1", 5, 9))}, want: []string{"3-9 of penstock.logs-0"}, rows: 6},
		"a job that wrote rows beside":             {changes: []lakestore.Change{merge(1, ranged(log+"@again", 3, 5), ranged(log, 0, 9))}, want: []string{"0-9 of penstock.logs-0"}, rows: 9, by: 2},
		"a journal that was cut since":             {changes: []lakestore.Change{merge(1, ranged(log, 3, 5), ranged(log+"-g1", 0, 2))}, newest: map[string]int{log: 1}, want: []string{"0-2 of penstock.logs-0"}, rows: 2, cut: 2},
		"rows that came without a time":            {changes: []lakestore.Change{{Partition: "logs/date=1970-01-01/hour=00/tenant=a", Sequence: 1, Add: first.Add, Remove: first.Remove}}},
		"such rows in a damaged file":              {changes: []lakestore.Change{{Partition: "logs/date=1970-01-01/hour=00/tenant=a", Sequence: 1, Add: first.Add, Remove: first.Remove}}, files: first.Add, damaged: first.Add[0].Path, want: []string{"0-30 of penstock.logs-0"}, rows: 30},
		"a refill, one file of which is set aside": {changes: []lakestore.Change{first, {Partition: hourOfTest, Sequence: 2, Reason: refillReason, Add: []lakestore.File{ranged(log, 0, 30)}, Remove: append(first.Add, first.Remove...)}}},
	} {
		t.Run(name, func(t *testing.T) {
			d := directory{files: c.files, changes: c.changes}
			for _, f := range c.aside {
				d.aside = append(d.aside, f.Path+".damaged-20261129T020304Z")
			}
			damaged := map[string]string{}
			if c.damaged != "" {
				damaged[c.damaged] = "zeroed"
			}
			if c.staged != "" {
				d.staged = []string{c.staged}
			}
			all := d.lost(damaged, c.newest)
			if c.want == nil {
				assert.Empty(t, all)
				return
			}
			var got []string
			if assert.Len(t, all, 1) {
				for _, p := range all[0].parts() {
					got = append(got, fmt.Sprintf("%d-%d of %s-%d", p.first, p.next, p.topic, p.partition))
				}
				assert.Equal(t, [4]int64{c.rows, c.unnamed, c.by, c.cut}, [4]int64{all[0].Rows, all[0].Unnamed, all[0].Copies, all[0].Cut})
			}
			assert.Equal(t, c.want, got)
		})
	}
}
