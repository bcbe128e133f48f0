package target

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"go.yaml.in/yaml/v3"
)

// Loki's documented defaults, and our exporter's limits.max_behind.
const (
	lokiMaxAge      = 7 * 24 * time.Hour
	lokiMaxChunkAge = 2 * time.Hour
	lokiMaxBehind   = time.Hour
)

// Loki is a Loki.
type Loki struct {
	Label  string
	URL    string // without a path
	Client *http.Client
	MaxAge time.Duration // 0: the age that the store reports
	// MaxBehind is the age from which the exporter gives entries a separate stream. 0: 1h.
	MaxBehind time.Duration
}

var _ Target = (*Loki)(nil)

// Name implements Target.
func (l *Loki) Name() string { return l.Label }

// Oldest implements Target: an entry may be older than the clock by reject_old_samples_max_age, and older than the newest of its stream
// (assumed to be live) by half of max_chunk_age. The latter is no bound if older entries get a separate stream. Limits of single tenants
// (overrides) are not checked.
func (l *Loki) Oldest(ctx context.Context, now time.Time) (time.Time, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.URL+"/config", nil)
	if err != nil {
		return time.Time{}, "", err
	}
	body, err := read(l.Client.Do(req))
	if err != nil {
		return time.Time{}, "", err
	}
	var conf struct {
		Ingester struct {
			MaxChunkAge duration `yaml:"max_chunk_age"`
		} `yaml:"ingester"`
		Limits struct {
			Reject *bool    `yaml:"reject_old_samples"`
			MaxAge duration `yaml:"reject_old_samples_max_age"`
		} `yaml:"limits_config"`
	}
	if err := yaml.Unmarshal(body, &conf); err != nil {
		return time.Time{}, "", fmt.Errorf("its configuration: %w", err)
	}
	chunk := conf.Ingester.MaxChunkAge.or(lokiMaxChunkAge)
	var oldest time.Time
	var why string
	if behind := cmp.Or(l.MaxBehind, lokiMaxBehind); chunk/2 < behind {
		oldest = now.Add(-chunk / 2)
		why = fmt.Sprintf("ingester.max_chunk_age is %s, an entry may be older than its stream's newest by half of that, and max_behind is %s", chunk, behind)
	}
	if conf.Limits.Reject == nil || *conf.Limits.Reject {
		age := conf.Limits.MaxAge.or(lokiMaxAge)
		if limit := now.Add(-age); limit.After(oldest) {
			oldest, why = limit, fmt.Sprintf("limits_config.reject_old_samples_max_age is %s", age)
		}
	}
	oldest, why = bounded(oldest, why, now, l.MaxAge)
	return oldest, why, nil
}

// CanReplace implements Target. Loki deletes with a compactor that runs hours later and would also delete the replayed entries.
func (l *Loki) CanReplace(context.Context, time.Time, time.Time) error {
	return fmt.Errorf("%w: %s deletes hours later, and would also delete the replayed entries: use mark instead", ErrCannotReplace, l.Label)
}

// Replace implements Target.
func (l *Loki) Replace(ctx context.Context, _ []string, from, to time.Time, _ Fence) error {
	return l.CanReplace(ctx, from, to)
}
