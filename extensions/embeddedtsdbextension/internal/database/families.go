package database

import (
	"strings"
	"sync"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/scrape"
)

// maxFamilies bounds the metadata in memory: about 200 bytes each. Further families have none.
const maxFamilies = 50_000

// families is the metadata of metric families as last seen. The API asks scrape targets for it, so it is the store of a
// target that stands for everybody who writes. It begins empty: metadata comes again with the samples.
type families struct {
	mu  sync.RWMutex
	all map[string]metadata.Metadata // guarded by mu
}

var _ scrape.MetricMetadataStore = (*families)(nil)

func newFamilies() *families { return &families{all: make(map[string]metadata.Metadata)} }

func (f *families) put(name string, m metadata.Metadata) {
	if m.IsEmpty() {
		return
	}
	f.mu.RLock()
	old, ok := f.all[name]
	full := len(f.all) >= maxFamilies
	f.mu.RUnlock()
	if (ok && old == m) || (!ok && full) {
		return
	}
	f.mu.Lock()
	f.all[name] = m
	f.mu.Unlock()
}

func (f *families) ListMetadata() []scrape.MetricMetadata {
	f.mu.RLock()
	defer f.mu.RUnlock()
	list := make([]scrape.MetricMetadata, 0, len(f.all))
	for name, m := range f.all {
		list = append(list, scrape.MetricMetadata{MetricFamily: name, Type: m.Type, Help: m.Help, Unit: m.Unit})
	}
	return list
}

func (f *families) GetMetadata(name string) (scrape.MetricMetadata, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	m, ok := f.all[name]
	return scrape.MetricMetadata{MetricFamily: name, Type: m.Type, Help: m.Help, Unit: m.Unit}, ok
}

func (f *families) SizeMetadata() int {
	size := 0
	for _, m := range f.ListMetadata() {
		size += len(m.MetricFamily) + len(m.Help) + len(m.Unit) + len(m.Type)
	}
	return size
}

func (f *families) LengthMetadata() int {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return len(f.all)
}

// targets has the one target whose metadata is that of everybody who writes.
func (f *families) targets() map[string][]*scrape.Target {
	t := scrape.NewTarget(labels.FromStrings("job", "remote_write"), nil, nil, nil)
	t.SetMetadataStore(f)
	return map[string][]*scrape.Target{"remote_write": {t}}
}

// familyName is the family of a series: without what classic histograms and summaries add to their name.
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
