package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/penstockhq/penstock/internal/command/internal/lake"
)

// Lake is a lake in a directory or an object store.
type Lake struct {
	Files  lake.Files
	Ledger *Ledger
	// Sink is the store's name in the ledger.
	Sink string
}

// Lists implements Store.
func (l *Lake) Lists() bool { return true }

// Name implements Store.
func (l *Lake) Name() string { return "the lake" }

// Held implements Store: it reads the footers of the hour's files.
func (l *Lake) Held(ctx context.Context, signal string, hour time.Time, _ []string) (map[string]int64, bool, error) {
	all, err := lake.Hold(ctx, l.Files, signal, hour)
	held := map[string]int64{}
	for tenant, h := range all {
		held[tenant] = h.Rows
	}
	return held, false, err
}

// fill finds the offsets for which the lake has no file of the tenant and hour. Existing rows must not be written again, because the lake would
// have them twice. So the job replays only those offsets, and of them the items of the hour.
func (l *Lake) fill(ctx context.Context, a *Answer, signal, tenant string, hour time.Time) ([]string, error) {
	held, err := lake.Hold(ctx, l.Files, signal, hour)
	if err != nil {
		return nil, err
	}
	covered, err := lake.Covered(ctx, l.Files, signal)
	if err != nil {
		return nil, err
	}
	here := held[tenant]
	if here == nil {
		here = &lake.Holding{}
	}
	if here.Unnamed > 0 {
		return []string{fmt.Sprintf("%d files of the hour don't say which offsets they hold, so a job that fills the gap would store their rows twice: move them away first, "+
			"then replay the hour", here.Unnamed)}, nil
	}
	if steps := l.refill(ctx, a, here, signal, tenant, hour); steps != nil {
		return steps, nil
	}
	whole, part := map[int32][]lake.Span{}, map[int32][]lake.Span{}
	for _, p := range a.Partitions {
		if p.Signal != signal || p.Sink != l.Sink {
			continue
		}
		within := lake.Span{First: p.Start, Next: p.Next}
		if gaps := lake.Gaps(covered.Spans[p.Partition], within); len(gaps) > 0 { // no hour has a file
			whole[p.Partition] = gaps
		}
		if gaps := lake.Gaps(here.Spans[p.Partition], within); len(gaps) > 0 {
			part[p.Partition] = gaps
		}
	}
	gaps := whole
	if len(gaps) == 0 {
		gaps = part
	}
	if len(gaps) == 0 {
		return []string{"the journal no longer holds the missing records"}, nil
	}
	return l.steps(ctx, a, signal, tenant, hour, gaps), nil
}

// refill names damaged and lost files, and creates the jobs that restore their rows. nil: there are none.
func (l *Lake) refill(ctx context.Context, a *Answer, here *lake.Holding, signal, tenant string, hour time.Time) (steps []string) {
	away := false
	for _, lost := range here.Lost {
		what := "is missing, and so are the files that were merged into it"
		if lost.Damage != "" {
			what, away = "can't be read ("+lost.Damage+")", true
		}
		steps = append(steps, fmt.Sprintf("%s %s: %s", lost.Path, what, &lost))
	}
	for _, name := range slices.Sorted(maps.Keys(here.Damaged)) {
		away = true
		steps = append(steps, fmt.Sprintf("%s can't be read (%v)", name, here.Damaged[name]))
	}
	if steps == nil {
		return nil
	}
	if away {
		steps = append(steps, "queries over "+signal+" fail until what can't be read is moved away: penstock repair does it on disk, and then fills the gap without a job of yours")
	}
	gaps := map[int32][]lake.Span{}
	for partition, spans := range here.LostSpans() {
		for _, p := range a.Partitions {
			if p.Signal != signal || p.Sink != l.Sink || p.Partition != partition {
				continue
			}
			for _, s := range spans {
				if s.First, s.Next = max(s.First, p.Start), min(s.Next, p.Next); s.First < s.Next {
					gaps[partition] = append(gaps[partition], s)
				}
			}
		}
	}
	if len(gaps) == 0 {
		return append(steps, "the journal no longer holds the missing records")
	}
	return append(steps, l.steps(ctx, a, signal, tenant, hour, gaps)...)
}

// steps creates jobs from gaps: a job has one range of each partition.
func (l *Lake) steps(ctx context.Context, a *Answer, signal, tenant string, hour time.Time, gaps map[int32][]lake.Span) []string {
	var jobs []job
	for i := 0; ; i++ {
		j := job{Signal: signal, Tenants: []string{tenant}, Condition: within(signal, hour)}
		for p, spans := range gaps {
			if i < len(spans) {
				j.Offsets = append(j.Offsets, offset{p, spans[i].First, spans[i].Next})
			}
		}
		if len(j.Offsets) == 0 {
			return l.Ledger.steps(ctx, a, signal, l.Sink, jobs...)
		}
		slices.SortFunc(j.Offsets, func(a, b offset) int { return int(a.Partition - b.Partition) })
		jobs = append(jobs, j)
	}
}

// within is the OTTL condition that an item's time, as the lake defines it, is in the hour.
func within(signal string, hour time.Time) string {
	between := func(field string) string {
		return fmt.Sprintf("%s >= %d and %s < %d", field, hour.UnixNano(), field, hour.Add(time.Hour).UnixNano())
	}
	switch signal {
	case "metrics":
		return between("datapoint.time_unix_nano")
	case "traces":
		return between("span.start_time_unix_nano")
	}
	return fmt.Sprintf("(%s) or (log.time_unix_nano == 0 and %s)", between("log.time_unix_nano"), between("log.observed_time_unix_nano"))
}
