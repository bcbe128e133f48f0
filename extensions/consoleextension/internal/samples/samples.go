// Package samples remembers the last readings of a page of metrics in Prometheus' text format.
package samples

import (
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// Ring remembers a number of readings. Buckets of histograms are left out. It is safe for concurrent use.
//
// Memory: (8 bytes * readings + the text of the series) * series.
type Ring struct {
	readings, maxSeries int

	mu      sync.Mutex
	times   []int64            // guarded by mu; Unix milliseconds, oldest first
	series  map[string]*series // guarded by mu; by name and labels as the page writes them
	leftOut int                // guarded by mu; of the last reading
}

// series has a value for each of the last len(values) times; NaN where it was not there.
type series struct {
	name   string
	labels map[string]string
	values []float64
	seen   int64 // the last time
}

// Series is one series of an answer.
type Series struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
	// Values has one for each time, nil where the series was not there.
	Values []*float64 `json:"values"`
}

// NewRing returns a ring of so many readings of at most so many series.
func NewRing(readings, maxSeries int) *Ring {
	return &Ring{readings: readings, maxSeries: maxSeries, series: map[string]*series{}}
}

// Add takes the page that was read at a time, which must be later than those before.
func (r *Ring) Add(at time.Time, page []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := at.UnixMilli()
	r.times = append(r.times, now)
	r.leftOut = 0
	p := textparse.NewPromParser(page, labels.NewSymbolTable(), false)
	var err error
	for {
		var entry textparse.Entry
		if entry, err = p.Next(); err != nil {
			break
		}
		if entry != textparse.EntrySeries {
			continue
		}
		text, _, value := p.Series()
		r.putLocked(now, text, value, p)
	}
	if len(r.times) > r.readings {
		r.times = slices.Delete(r.times, 0, 1)
	}
	for key, s := range r.series {
		if s.seen != now {
			s.values = append(s.values, math.NaN())
		}
		if s.seen < r.times[0] {
			delete(r.series, key)
			continue
		}
		s.values = slices.Delete(s.values, 0, max(0, len(s.values)-r.readings))
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (r *Ring) putLocked(now int64, text []byte, value float64, p textparse.Parser) {
	s, ok := r.series[string(text)]
	if !ok {
		var l labels.Labels
		p.Labels(&l)
		name := l.Get(model.MetricNameLabel)
		if strings.HasSuffix(name, "_bucket") {
			return
		}
		if len(r.series) >= r.maxSeries {
			r.leftOut++
			return
		}
		s = &series{name: name, labels: map[string]string{}}
		l.Range(func(l labels.Label) {
			if l.Name != model.MetricNameLabel {
				s.labels[l.Name] = l.Value
			}
		})
		r.series[string(text)] = s
	}
	if s.seen == now {
		return // the page has it twice
	}
	s.values = append(s.values, value)
	s.seen = now
}

// LeftOut returns how many series of the last reading there was no room for.
func (r *Ring) LeftOut() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leftOut
}

// Read returns the series with one of the names, in the order of names and labels, at the times after a time in Unix milliseconds.
func (r *Ring) Read(names []string, after int64) (times []int64, all []Series) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first, _ := slices.BinarySearch(r.times, after+1)
	times = append([]int64{}, r.times[first:]...)
	keys := make([]string, 0, len(r.series))
	for key, s := range r.series {
		if slices.Contains(names, s.name) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	all = []Series{}
	for _, key := range keys {
		s := r.series[key]
		values := make([]*float64, len(times))
		for i := range values { // The last values are of the last times.
			if at := len(s.values) - len(times) + i; at >= 0 && !math.IsNaN(s.values[at]) && !math.IsInf(s.values[at], 0) {
				v := s.values[at]
				values[i] = &v
			}
		}
		all = append(all, Series{Name: s.name, Labels: s.labels, Values: values})
	}
	return times, all
}
