package database

import (
	"context"
	"strings"
	"sync"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/scrape"
)

// maxFamilies bounds the metadata in memory: about 200 bytes each. Further families have none.
const maxFamilies = 50_000

// family is a metric family of a tenant; the tenant is empty if there are none.
type family struct{ tenant, name string }

// families is the latest metadata of metric families. The API reads it from scrape targets, so this is the store of one target that represents all
// writers. It begins empty: metadata arrives again with the samples.
type families struct {
	mu  sync.RWMutex
	all map[family]metadata.Metadata // guarded by mu
}

func newFamilies() *families { return &families{all: make(map[family]metadata.Metadata)} }

func (f *families) put(tenant, name string, m metadata.Metadata) {
	if m.IsEmpty() {
		return
	}
	key := family{tenant, name}
	f.mu.RLock()
	old, ok := f.all[key]
	full := len(f.all) >= maxFamilies
	f.mu.RUnlock()
	if (ok && old == m) || (!ok && full) {
		return
	}
	key = family{strings.Clone(tenant), name}
	f.mu.Lock()
	f.all[key] = m
	f.mu.Unlock()
}

// seen is the metadata that is visible to a request.
type seen struct {
	*families
	view  View
	bound bool // restricted by the view
}

var _ scrape.MetricMetadataStore = seen{}

func (s seen) ListMetadata() []scrape.MetricMetadata {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := make([]scrape.MetricMetadata, 0, len(s.all))
	for key, m := range s.all {
		if !s.bound || key.tenant == s.view.Value {
			list = append(list, scrape.MetricMetadata{MetricFamily: key.name, Type: m.Type, Help: m.Help, Unit: m.Unit})
		}
	}
	return list
}

func (s seen) GetMetadata(name string) (scrape.MetricMetadata, bool) {
	for _, m := range s.ListMetadata() {
		if m.MetricFamily == name {
			return m, true
		}
	}
	return scrape.MetricMetadata{MetricFamily: name}, false
}

func (s seen) SizeMetadata() int {
	size := 0
	for _, m := range s.ListMetadata() {
		size += len(m.MetricFamily) + len(m.Help) + len(m.Unit) + len(m.Type)
	}
	return size
}

func (s seen) LengthMetadata() int { return len(s.ListMetadata()) }

// targets has the one target with the metadata of all writers, restricted to the request's view.
func (f *families) targets(ctx context.Context) map[string][]*scrape.Target {
	t := scrape.NewTarget(labels.FromStrings("job", "remote_write"), nil, nil, nil)
	view, bound := viewOf(ctx)
	t.SetMetadataStore(seen{f, view, bound})
	return map[string][]*scrape.Target{"remote_write": {t}}
}

// familyName is the family of a series: its name without the suffixes of classic histograms and summaries.
func familyName(series string, t model.MetricType) string {
	suffixes := []string{}
	switch t {
	case model.MetricTypeHistogram, model.MetricTypeGaugeHistogram:
		suffixes = []string{"_bucket", "_count", "_sum"}
	case model.MetricTypeSummary:
		suffixes = []string{"_count", "_sum"}
	}
	for _, s := range suffixes {
		if name, ok := strings.CutSuffix(series, s); ok {
			return name
		}
	}
	return series
}
