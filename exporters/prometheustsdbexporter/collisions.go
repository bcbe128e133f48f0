package prometheustsdbexporter

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/collision"
	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/sample"
)

// tellInterval is the least time between two log messages of a kind.
const tellInterval = 10 * time.Second

// seldom lets something happen once in tellInterval. Safe for concurrent use.
type seldom struct{ last atomic.Int64 }

func (s *seldom) due() bool {
	now, last := time.Now().UnixNano(), s.last.Load()
	return now-last >= int64(tellInterval) && s.last.CompareAndSwap(last, now)
}

// collisions looks for series that are written by two streams.
type collisions struct {
	told seldom

	mu    sync.Mutex
	table *collision.Table // guarded by mu
}

func newCollisions(series int) *collisions { return &collisions{table: collision.New(series)} }

// found is what collisions there are in a batch.
type found struct {
	mixed   int // samples that interleave with another stream's
	refused int // samples taken out
	series  string
}

// look checks samples, and takes out those for which the series has another stream's value at that time: the receiver
// would refuse one of the two.
func (c *collisions) look(samples []sample.Sample, tenant string) ([]sample.Sample, found) {
	var f found
	var salt uint64
	if tenant != "" {
		salt = xxhash.Sum64String(tenant)
	}
	kept := 0
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range samples {
		s := &samples[i]
		verdict := collision.Alone
		if s.Stream != 0 {
			verdict = c.table.Check(s.Hash^salt, s.Stream, s.Start, s.Time)
		}
		if verdict != collision.Alone {
			f.series = s.Labels.String()
		}
		if verdict == collision.SameTime {
			f.refused++
			continue
		}
		if verdict == collision.Mixed {
			f.mixed++
		}
		if kept < i {
			samples[kept] = *s
		}
		kept++
	}
	return samples[:kept], f
}

func (e *tsdbExporter) countCollisions(ctx context.Context, f found) {
	if f.mixed == 0 && f.refused == 0 {
		return
	}
	if f.mixed > 0 {
		e.telemetry.ExporterPrometheusTsdbCollidingSamples.Add(ctx, int64(f.mixed))
	}
	if f.refused > 0 {
		e.telemetry.ExporterPrometheusTsdbRefusedSamples.Add(ctx, int64(f.refused), reason("collision"))
	}
	if e.collisions.told.due() {
		e.set.Logger.Warn("Several streams have become one series: set service.instance.id, or promote the resource attribute that differs, "+
			"or turn on scope_labels", zap.String("series", f.series), zap.Int("interleaved", f.mixed), zap.Int("refused", f.refused))
	}
}
