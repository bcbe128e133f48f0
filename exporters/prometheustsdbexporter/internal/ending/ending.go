// Package ending detects series that have ended, and makes stale markers for them.
//
// A scrape notices when a series is gone. A client that pushes just stops, and PromQL continues to show the last value for its lookback,
// five minutes by default. Source: https://prometheus.io/docs/specs/prw/remote_write_spec/#stale-markers
package ending

import (
	"maps"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/sample"
)

// sweeps is how often all series are checked within the time that ends a series.
const sweeps = 4

// maxSources bounds the sources: partitions by tenants, 150 bytes each.
const maxSources = 1 << 14

// Tracker remembers the last sample of each series, of max series at most: about 100 bytes each, and the labels. The time of a series is
// that of its source's points, so that a source that lags ends nothing. Not safe for concurrent use. Sources are bounded too, because they
// contain a tenant, whose name may come from a client: past maxSources the source that has been silent for longest is forgotten, with its
// series.
type Tracker struct {
	after   int64 // milliseconds
	max     int
	series  map[uint64]*series
	sources map[string]*source
	sent    uint64 // number of calls of Sent
}

// series is the state of a series.
type series struct {
	labels labels.Labels
	hash   uint64
	family *sample.Family
	native bool
	last   int64
	from   *source
}

// source sends samples roughly in the order of time: a partition.
type source struct {
	latest, swept int64
	used          uint64 // number of the last call of Sent with a sample of it
}

// New returns a tracker: a series ends after so many milliseconds without a sample.
func New(after int64, max int) *Tracker {
	return &Tracker{after: after, max: max, series: make(map[uint64]*series), sources: make(map[string]*source)}
}

// Sources returns how many sources are tracked.
func (t *Tracker) Sources() int { return len(t.sources) }

// Ended returns a stale marker for each series of from that has ended by the time of samples, the next ones of that source. The marker is
// one millisecond after the series' last sample, so that none of its samples is out of order if the series continues. salt distinguishes
// series of different tenants. Until Sent the result is the same.
func (t *Tracker) Ended(from string, samples []sample.Sample, salt uint64) (markers []sample.Sample) {
	s, latest := t.progress(from, samples)
	if s == nil || !t.due(s, latest) {
		return nil
	}
	var alive map[uint64]struct{}
	for key, x := range t.series {
		if x.from != s || latest-x.last <= t.after {
			continue
		}
		if alive == nil {
			alive = make(map[uint64]struct{}, len(samples))
			for i := range samples {
				alive[samples[i].Hash^salt] = struct{}{}
			}
		}
		if _, ok := alive[key]; ok {
			continue
		}
		marker := sample.Sample{Labels: x.labels, Hash: x.hash, Time: x.last + 1, Family: x.family}
		if stale := math.Float64frombits(value.StaleNaN); x.native {
			marker.Histogram = &histogram.Histogram{Sum: stale}
		} else {
			marker.Value = stale
		}
		markers = append(markers, marker)
	}
	return markers
}

// Sent notes that the receiver has samples and markers.
func (t *Tracker) Sent(from string, samples, markers []sample.Sample, salt uint64) {
	s, latest := t.progress(from, samples)
	if s == nil {
		s = t.add(from)
	}
	if t.due(s, latest) {
		s.swept = latest
	}
	t.sent++
	s.latest, s.used = latest, t.sent
	for i := range markers {
		delete(t.series, markers[i].Hash^salt)
	}
	for i := range samples {
		t.see(&samples[i], s, salt)
	}
}

func (t *Tracker) see(x *sample.Sample, from *source, salt uint64) {
	key := x.Hash ^ salt
	known, ok := t.series[key]
	switch {
	case IsStale(x): // the sender has ended it
		delete(t.series, key)
	case ok:
		known.last, known.from = max(known.last, x.Time), from
	case len(t.series) < t.max:
		t.series[key] = &series{x.Labels, x.Hash, x.Family, x.Histogram != nil, x.Time, from}
	}
}

// IsStale reports whether x is a stale marker.
func IsStale(x *sample.Sample) bool {
	if x.Histogram != nil {
		return value.IsStaleNaN(x.Histogram.Sum)
	}
	return value.IsStaleNaN(x.Value)
}

// add makes room for a source.
func (t *Tracker) add(from string) *source {
	if len(t.sources) >= maxSources {
		t.forget()
	}
	s := &source{}
	t.sources[from] = s
	return s
}

// forget removes the sources that have been silent for longest, a quarter of all, with their series. PromQL's lookback applies to these.
func (t *Tracker) forget() {
	used := make([]uint64, 0, len(t.sources))
	for _, s := range t.sources {
		used = append(used, s.used)
	}
	slices.Sort(used)
	limit := used[len(used)/4]
	gone := map[*source]bool{}
	for name, s := range t.sources {
		if s.used <= limit {
			gone[s] = true
			delete(t.sources, name)
		}
	}
	maps.DeleteFunc(t.series, func(_ uint64, x *series) bool { return gone[x.from] })
}

// progress returns the source, nil if it is unknown, and its newest time with samples.
func (t *Tracker) progress(from string, samples []sample.Sample) (*source, int64) {
	s := t.sources[from]
	latest := int64(0)
	if s != nil {
		latest = s.latest
	}
	for i := range samples {
		latest = max(latest, samples[i].Time)
	}
	return s, latest
}

func (t *Tracker) due(s *source, latest int64) bool { return latest-s.swept >= t.after/sweeps }
