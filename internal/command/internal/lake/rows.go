package lake

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstockhq/penstock/internal/lakestore"
)

// Span is a range of offsets of a partition: from First up to, not including, Next.
type Span struct{ First, Next int64 }

// Holding is what some files of a lake hold.
type Holding struct {
	Rows  int64
	Files int
	// Spans are the offsets in the names of the files, by partition, in order and joined.
	Spans map[int32][]Span
	// Unnamed files don't say which offsets they hold.
	Unnamed int
	// Lost are merged files that are damaged or missing, with rows that no other file has. Damaged are the other files that can't be read. Neither counts above.
	Lost    []Lost
	Damaged map[string]error
}

// LostSpans are the offsets of the rows of lost and damaged files, by partition, in order.
func (h *Holding) LostSpans() map[int32][]Span {
	all := map[int32][]Span{}
	for _, l := range h.Lost {
		for p, spans := range l.Spans() {
			all[p] = append(all[p], spans...)
		}
	}
	for name := range h.Damaged {
		if p, ok := parseName(name); ok {
			for _, gap := range Gaps(h.Spans[int32(p.partition)], Span{int64(p.first), int64(p.next)}) { // a job can have filled it
				all[int32(p.partition)] = append(all[int32(p.partition)], gap)
			}
		}
	}
	for p, spans := range all {
		all[p] = join(spans)
	}
	return all
}

// spanName is the name of a file that a follower or a job has written: <topic>-<partition>[@job][-g<generation>]-<first>-<next>-<part>.parquet.
var spanName = regexp.MustCompile(`^.+?-(\d+)(?:@[a-z0-9-]+?)?(?:-g(\d+))?-(\d{20})-(\d{20})-(?:refilled-)?\d+\.parquet$`)

// Hold reads the lake's content of signal, with event times in an hour, by tenant.
func Hold(ctx context.Context, files Files, signal string, hour time.Time) (map[string]*Holding, error) {
	hour = hour.UTC()
	all := map[string]*Holding{}
	newest := map[string]map[int32]int{} // generations, by tenant and partition
	dir := path.Join(signal, "date="+hour.Format(time.DateOnly), "hour="+hour.Format("15"))
	var names []string
	err := files.Each(ctx, dir, func(name string) error {
		names = append(names, name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	changes, err := files.Changes(ctx, dir)
	if err != nil {
		return nil, err
	}
	at := func(name string) *Holding {
		tenant := tenantOf(name)
		if all[tenant] == nil {
			all[tenant], newest[tenant] = &Holding{Spans: map[int32][]Span{}, Damaged: map[string]error{}}, map[int32]int{}
		}
		return all[tenant]
	}
	names = slices.DeleteFunc(names, func(name string) bool { return tenantOf(name) == "" })
	rows, damaged := map[string]int64{}, map[string]string{}
	counting, merged := live(names, changes)
	for _, name := range counting {
		n, err := files.Rows(ctx, name)
		switch {
		case errors.Is(err, ErrDamaged):
			damaged[name] = err.Error()
		case err != nil:
			return nil, err
		}
		rows[name] = n
	}
	if len(damaged) > 0 {
		names = slices.DeleteFunc(names, func(name string) bool { return damaged[name] != "" })
		counting, merged = live(names, changes)
	}
	for _, name := range slices.Concat(counting, merged) {
		at(name).add(path.Base(name), newest[tenantOf(name)])
	}
	for _, name := range counting {
		n, known := rows[name]
		if !known { // its merged file is damaged
			if n, err = files.Rows(ctx, name); err != nil {
				return nil, err
			}
		}
		at(name).Rows += n
	}
	for _, l := range lostOf(names, changes, damaged) {
		at(l.Path).Lost = append(at(l.Path).Lost, l)
		delete(damaged, l.Path)
	}
	for name, why := range damaged {
		at(name).Damaged[name] = errors.New(why)
	}
	for _, h := range all {
		h.joinAll()
	}
	return all, nil
}

// tenantOf is the tenant of a file's directory; empty: it has none.
func tenantOf(name string) string {
	encoded, ok := strings.CutPrefix(path.Base(path.Dir(name)), "tenant=")
	if !ok {
		return ""
	}
	tenant, err := url.PathUnescape(encoded)
	if err != nil {
		return encoded
	}
	return tenant
}

// lostOf finds lost merged files in some directories.
func lostOf(names []string, changes []lakestore.Change, damaged map[string]string) (all []Lost) {
	dirs, newest := map[string]*directory{}, map[string]int{}
	for _, c := range changes {
		if dirs[c.Partition] == nil {
			dirs[c.Partition] = &directory{}
		}
		dirs[c.Partition].changes = append(dirs[c.Partition].changes, c)
	}
	for _, name := range names {
		if p, ok := parseName(name); ok {
			newest[p.source] = max(newest[p.source], p.generation)
		}
		if d := dirs[path.Dir(name)]; d != nil {
			d.files = append(d.files, lakestore.File{Path: name})
		}
	}
	for _, at := range sortedKeys(dirs) {
		all = append(all, dirs[at].lost(damaged, newest)...)
	}
	return all
}

// Covered reads the offsets of all files of signal from their names.
func Covered(ctx context.Context, files Files, signal string) (*Holding, error) {
	h := &Holding{Spans: map[int32][]Span{}}
	newest := map[int32]int{}
	var names []string
	err := files.Each(ctx, signal, func(name string) error {
		names = append(names, name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	changes, err := files.Changes(ctx, signal)
	if err != nil {
		return nil, err
	}
	counting, merged := live(names, changes)
	for _, name := range slices.Concat(counting, merged) {
		h.add(path.Base(name), newest)
	}
	h.joinAll()
	return h, nil
}

// live returns the files that count: without files that compaction has merged and that still exist, or exist again. It also returns the names of
// the merged files: their rows are in files without a range in the name.
func live(names []string, changes []lakestore.Change) (counting, merged []string) {
	if len(changes) == 0 {
		return names, nil
	}
	found := map[string][]lakestore.File{}
	for _, name := range names {
		found[path.Dir(name)] = append(found[path.Dir(name)], lakestore.File{Path: name})
	}
	by := map[string][]lakestore.Change{}
	for _, c := range changes {
		by[c.Partition] = append(by[c.Partition], c)
	}
	for partition, of := range found {
		alive, _ := lakestore.Live(of, by[partition])
		for _, f := range alive {
			counting = append(counting, f.Path)
		}
		for _, c := range lakestore.Done(of, by[partition]) {
			for _, f := range c.Remove {
				if !mergedName.MatchString(f.Name()) {
					merged = append(merged, f.Path)
				}
			}
		}
	}
	slices.Sort(counting)
	return counting, merged
}

// mergedName is the name of a file that compaction has written.
var mergedName = regexp.MustCompile(`^z\d{8}-e\d+-l\d+\.parquet$`)

// add counts a file. newest are the generations so far, by partition.
func (h *Holding) add(name string, newest map[int32]int) {
	if mergedName.MatchString(name) {
		h.Files++
		return // its rows are counted by the names of the merged files
	}
	h.Files++
	m := spanName.FindStringSubmatch(name)
	if m == nil {
		h.Unnamed++
		return
	}
	partition, _ := strconv.ParseInt(m[1], 10, 32)
	generation, _ := strconv.Atoi(m[2])
	first, _ := strconv.ParseInt(m[3], 10, 64)
	next, _ := strconv.ParseInt(m[4], 10, 64)
	p := int32(partition)
	switch { // An offset identifies a record only within one generation.
	case generation > newest[p]:
		newest[p], h.Spans[p] = generation, nil
	case generation < newest[p]:
		return
	}
	h.Spans[p] = append(h.Spans[p], Span{first, next})
}

func (h *Holding) joinAll() {
	for p, spans := range h.Spans {
		h.Spans[p] = join(spans)
	}
}

// join sorts spans, and joins adjacent ones.
func join(spans []Span) (all []Span) {
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Compare(a.First, b.First) })
	for _, s := range spans {
		if n := len(all); n > 0 && s.First <= all[n-1].Next {
			all[n-1].Next = max(all[n-1].Next, s.Next)
			continue
		}
		all = append(all, s)
	}
	return all
}

// Gaps returns the part of within that is in none of spans, which Hold or Covered have returned.
func Gaps(spans []Span, within Span) (gaps []Span) {
	at := within.First
	for _, s := range spans {
		if s.First > at && at < within.Next {
			gaps = append(gaps, Span{at, min(s.First, within.Next)})
		}
		at = max(at, s.Next)
	}
	if at < within.Next {
		gaps = append(gaps, Span{at, within.Next})
	}
	return gaps
}
