package lake

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/penstockhq/penstock/internal/lakestore"
)

// source is a partition of a journal, and how often its log had been cut when the records were read.
type source struct {
	topic      string
	partition  int
	generation int
}

// Lost is a merged file that is damaged or missing, and the rows that no other file of its directory has.
type Lost struct {
	// Path of the merged file below the root, with slashes.
	Path string
	// Damage describes it; empty: it is missing.
	Damage string
	// Files were merged into it, directly or in several steps, and Rows are their rows.
	Files []lakestore.File
	Rows  int64
	// No range restores the rows of files that are named by their content (Unnamed), those that a job had written beside the ones of live delivery (Copies), and
	// those of a log that was cut since (Cut).
	Unnamed, Copies, Cut int64

	ranges map[source][]Span
	// without are files whose rows no range restores.
	without []string
}

func (l *Lost) restores(f lakestore.File) bool { return !slices.Contains(l.without, f.Path) }

// String describes the rows.
func (l *Lost) String() string {
	var texts []string
	for _, p := range l.parts() {
		texts = append(texts, p.offsets())
	}
	text := fmt.Sprintf("%d rows of %s, which compaction had merged from %d files: %s", l.Rows, path.Dir(l.Path), len(l.Files), strings.Join(texts, ", "))
	for what, n := range map[string]int64{"that came without a journal": l.Unnamed, "that a replay job had written beside them": l.Copies, "of a journal that was cut since": l.Cut} {
		if n > 0 {
			text += fmt.Sprintf("; and %d rows %s, which can't be read again", n, what)
		}
	}
	return strings.TrimSuffix(text, ": ")
}

// directory is what a partition of the lake holds.
type directory struct {
	files   []lakestore.File
	changes []lakestore.Change
	// staged files become visible by themselves, and aside are names of damaged files whose rows are restored separately.
	staged, aside []string
}

// mergedBy returns the change that has merged others into a file, or nil. Files that a refill has added have a range in their names, so they need none.
func (d *directory) mergedBy(file string) *lakestore.Change {
	i := slices.IndexFunc(d.changes, func(c lakestore.Change) bool {
		return c.Reason != refillReason && slices.ContainsFunc(c.Add, func(f lakestore.File) bool { return f.Path == file })
	})
	if i < 0 {
		return nil
	}
	return &d.changes[i]
}

// leaves returns the files that exporters have written, of which a file was merged, and the merged files between, itself included.
func (d *directory) leaves(file lakestore.File) (leaves, merged []lakestore.File) {
	c := d.mergedBy(file.Path)
	if c == nil {
		return []lakestore.File{file}, nil
	}
	merged = append(merged, lakestore.File{Path: file.Path})
	for _, f := range c.Remove {
		if f.Path == file.Path {
			continue // no worker writes such a change
		}
		l, m := d.leaves(f)
		leaves, merged = append(leaves, l...), append(merged, m...)
	}
	return leaves, merged
}

// lost returns what the directory has lost with merged files: those in damaged, by path, and those that are in changes only.
//
// newest are the generations of the journals, by topic and partition.
func (d *directory) lost(damaged map[string]string, newest map[string]int) (all []Lost) {
	whole := slices.DeleteFunc(slices.Clone(d.files), func(f lakestore.File) bool { return damaged[f.Path] != "" })
	have := map[string]bool{}
	for _, f := range whole {
		have[f.Path] = true
	}
	for _, c := range lakestore.Done(whole, d.changes) {
		for _, f := range c.Remove {
			have[f.Path] = true // in a file that is there
		}
	}
	for _, c := range d.changes {
		for _, f := range c.Remove {
			if c.Reason == refillReason { // restored, file by file
				have[f.Path] = true
			}
		}
	}
	kept := slices.Concat(slices.Collect(maps.Keys(have)), d.aside)
	for _, c := range slices.Backward(d.changes) {
		at, ok := lakestore.ParsePartition(c.Partition)
		if !ok || c.Reason == refillReason {
			continue
		}
		for _, f := range c.Add {
			if have[f.Path] || slices.Contains(d.staged, f.Path) {
				continue
			}
			if at.Undated() && damaged[f.Path] == "" {
				continue // earlier releases removed undated files that were too old without a change
			}
			leaves, _ := d.leaves(f)
			leaves = slices.DeleteFunc(leaves, func(f lakestore.File) bool { return have[f.Path] })
			if len(leaves) == 0 {
				continue
			}
			for _, l := range leaves {
				have[l.Path] = true // reported
			}
			l := Lost{Path: f.Path, Damage: damaged[f.Path], Files: leaves}
			l.find(kept, newest)
			if l.Rows+l.Unnamed+l.Copies+l.Cut > 0 {
				all = append(all, l)
			}
		}
	}
	return all
}

// find divides the rows by what restores them. kept are the files whose rows need nothing.
func (l *Lost) find(kept []string, newest map[string]int) {
	there := map[source][]Span{}
	for _, name := range kept {
		if p, ok := parseName(name); ok {
			there[p.from()] = append(there[p.from()], Span{int64(p.first), int64(p.next)})
		}
	}
	l.ranges = map[source][]Span{}
	jobsLast := slices.Clone(l.Files)
	slices.SortStableFunc(jobsLast, func(a, b lakestore.File) int { return cmp.Compare(jobOf(a), jobOf(b)) })
	for _, f := range jobsLast {
		p, ok := parseName(f.Path)
		s := Span{int64(p.first), int64(p.next)}
		switch {
		case !ok:
			l.Unnamed += f.Rows
		case p.generation < newest[p.source]:
			l.Cut += f.Rows
		case len(Gaps(join(slices.Clone(there[p.from()])), s)) == 0: // a job has filled the gap
		case p.byJob && len(Gaps(join(slices.Clone(l.ranges[p.from()])), s)) == 0:
			l.Copies += f.Rows
		default:
			l.Rows += f.Rows
			l.ranges[p.from()] = append(l.ranges[p.from()], s)
			continue
		}
		l.without = append(l.without, f.Path)
	}
	for from, spans := range l.ranges {
		l.ranges[from] = bridge(join(spans), join(there[from]))
	}
}

func jobOf(f lakestore.File) int {
	if p, ok := parseName(f.Path); ok && p.byJob {
		return 1
	}
	return 0
}

// bridge joins spans with nothing of others between them: no record between them has rows in the directory, or a file would have had them.
func bridge(spans, others []Span) (all []Span) {
	for _, s := range spans {
		if n := len(all); n > 0 && !slices.ContainsFunc(others, func(o Span) bool { return o.First < s.First && o.Next > all[n-1].Next }) {
			all[n-1].Next = s.Next
			continue
		}
		all = append(all, s)
	}
	return all
}

// parts are the ranges that restore the rows, one for each that is contiguous, in order.
func (l *Lost) parts() (all []part) {
	signal, _, _ := strings.Cut(l.Path, "/")
	for from, spans := range l.ranges {
		for _, s := range spans {
			all = append(all, part{dir: path.Dir(l.Path), signal: signal, topic: from.topic, partition: from.partition, generation: from.generation, first: uint64(s.First), next: uint64(s.Next)})
		}
	}
	slices.SortFunc(all, func(a, b part) int {
		return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition), cmp.Compare(a.first, b.first))
	})
	return all
}

// Spans are the offsets that restore the rows, by partition.
func (l *Lost) Spans() map[int32][]Span {
	spans := map[int32][]Span{}
	for _, p := range l.parts() {
		spans[int32(p.partition)] = join(append(spans[int32(p.partition)], Span{int64(p.first), int64(p.next)}))
	}
	return spans
}

// sortedKeys are the keys of a map, in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
