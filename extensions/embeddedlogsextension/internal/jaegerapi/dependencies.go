package jaegerapi

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

const (
	defaultDependencies = 24 * time.Hour
	// mostLinked is how many spans are looked at, about: 100 bytes each. The traces of a sample may have twice as many.
	mostLinked = 1_000_000
)

// graph counts calls between services: spans whose parent is a span of another service. Not safe for concurrent use.
type graph struct {
	services map[string]uint32
	names    []string
	of       map[uint64]uint32 // the service of a span, by the hash of trace and span
	calls    []call
	most     int // spans
}

type call struct {
	parent uint64
	child  uint32
}

// newGraph returns a graph with room for so many spans: growing would take twice the memory for a moment.
func newGraph(spans uint64) *graph {
	return &graph{services: map[string]uint32{}, of: make(map[uint64]uint32, spans), calls: make([]call, 0, spans), most: 2 * mostLinked}
}

func spanKey(trace, span string) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.WriteString(trace)
	_, _ = d.WriteString("/")
	_, _ = d.WriteString(span)
	return d.Sum64()
}

// add adds a span; one that is there already counts once. The error is a *store.CostError.
func (g *graph) add(trace, span, parent, service string) error {
	id, ok := g.services[service]
	if !ok {
		id = uint32(len(g.names))
		service = strings.Clone(service)
		g.services[service] = id
		g.names = append(g.names, service)
	}
	key := spanKey(trace, span)
	if _, again := g.of[key]; again {
		return nil
	}
	if len(g.of) >= g.most {
		return &store.CostError{What: "spans of few traces", Cost: int64(len(g.of)) + 1, Most: int64(g.most)}
	}
	g.of[key] = id
	if parent != "" {
		g.calls = append(g.calls, call{spanKey(trace, parent), id})
	}
	return nil
}

// links returns the counts, times a factor.
func (g *graph) links(factor uint64) []Dependency {
	counts := map[[2]uint32]uint64{}
	for _, c := range g.calls {
		if parent, ok := g.of[c.parent]; ok && parent != c.child {
			counts[[2]uint32{parent, c.child}] += factor
		}
	}
	all := make([]Dependency, 0, len(counts))
	for pair, n := range counts {
		all = append(all, Dependency{g.names[pair[0]], g.names[pair[1]], n})
	}
	slices.SortFunc(all, func(a, b Dependency) int {
		if c := strings.Compare(a.Parent, b.Parent); c != 0 {
			return c
		}
		return strings.Compare(a.Child, b.Child)
	})
	return all
}

// dependencies are counted when they are asked for. Where there are more spans than mostLinked, one trace of 2, 4, 8, ... is looked at, and counts are
// estimates, as a warning says.
func dependencies(ctx context.Context, r *request) (*Answer, error) {
	end, lookback, err := dependencyRange(r)
	if err != nil {
		return nil, err
	}
	start := end.Add(-lookback)
	spans, err := r.count(ctx, start, end)
	if err != nil {
		return nil, err
	}
	factor := uint64(1)
	for spans/factor > mostLinked {
		factor *= 2
	}
	g := newGraph(spans / factor)
	only := r.form.Get("service")
	text := fmt.Sprintf("%s:* | fields %s, %s, %s, %s", store.TraceID, store.TraceID, store.SpanID, store.ParentSpanID, store.Quote(store.ServiceName))
	err = r.run(ctx, text, start, end, func(b *store.Block) error {
		traces, ids, parents, services := column(b, store.TraceID), column(b, store.SpanID), column(b, store.ParentSpanID), column(b, store.ServiceName)
		for i := range b.Len() {
			if factor == 1 || xxhash.Sum64String(traces[i])%factor == 0 {
				if err := g.add(traces[i], ids[i], parents[i], services[i]); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	links := g.links(factor)
	if only != "" {
		links = slices.DeleteFunc(links, func(d Dependency) bool { return d.Parent != only && d.Child != only })
	}
	answer := &Answer{Data: links}
	if factor > 1 {
		answer.Warnings = []string{fmt.Sprintf("the counts are estimates: of %d spans one trace in %d was looked at", spans, factor)}
	}
	return answer, nil
}

func dependencyRange(r *request) (end time.Time, lookback time.Duration, err error) {
	end, lookback = r.now, defaultDependencies
	for name, set := range map[string]func(int64){
		"endTs":    func(n int64) { end = time.UnixMilli(n) },
		"lookback": func(n int64) { lookback = time.Duration(n) * time.Millisecond },
	} {
		text := r.form.Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 || n > mostMicros/1000 {
			return end, lookback, bad("unable to parse param '%s': %q is no number of milliseconds", name, text)
		}
		set(n)
	}
	return end, lookback, nil
}

func (r *request) count(ctx context.Context, start, end time.Time) (n uint64, err error) {
	err = r.run(ctx, "* | stats count() n", start, end, func(b *store.Block) error {
		for _, v := range column(b, "n") {
			n, _ = strconv.ParseUint(v, 10, 64)
		}
		return nil
	})
	return n, err
}
