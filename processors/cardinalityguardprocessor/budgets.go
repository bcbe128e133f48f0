package cardinalityguardprocessor

import (
	"slices"
	"sync"

	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/internal/quota"
)

// budgets are the rules of the configuration together with the budgets that change while the collector runs: those of series that
// extensions have for tenants (api_key_auth's are in a file, quota's in its configuration), and those of overrides_file. It is safe for
// concurrent use.
type budgets struct {
	configured *rules
	sources    []interface{ SeriesBudgets() *quota.Series } // set by Start

	file *overridesFile // set by Start; nil: none

	mu      sync.Mutex
	from    []*quota.Series // what rules were built from; guarded by mu
	version int             // of file, likewise; guarded by mu
	rules   *rules          // guarded by mu
}

func newBudgets(configured *rules) *budgets {
	return &budgets{configured: configured, rules: configured}
}

// find finds the extensions that have budgets.
func (b *budgets) find(host component.Host) {
	for _, e := range host.GetExtensions() {
		if source, ok := e.(interface{ SeriesBudgets() *quota.Series }); ok {
			b.sources = append(b.sources, source)
		}
	}
}

// now returns the present rules: the same ones as long as nothing has changed.
func (b *budgets) now() *rules {
	if len(b.sources) == 0 && b.file == nil {
		return b.configured
	}
	from := make([]*quota.Series, len(b.sources))
	for i, s := range b.sources {
		from[i] = s.SeriesBudgets()
	}
	overrides, version := b.file.current()
	b.mu.Lock()
	defer b.mu.Unlock()
	if version != b.version || !slices.Equal(from, b.from) {
		b.from, b.version = from, version
		var series *quota.Series
		if len(from) > 0 {
			series = quota.MergeSeries(from)
		}
		b.rules = b.configured.with(series, overrides)
	}
	return b.rules
}
