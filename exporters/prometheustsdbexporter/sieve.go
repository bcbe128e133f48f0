package prometheustsdbexporter

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/common/model"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/collision"
	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/ending"
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

// maxTargets bounds the target_info series whose newest time is remembered: 32 bytes each.
const maxTargets = 1 << 16

// sieve looks at the samples of a batch before they are sent. It finds series that are written by two streams, takes out
// what the receiver could only refuse, and adds the markers of series that have ended.
//
// It belongs to one source of batches: a job replays what is older than all that live delivery has sent.
type sieve struct {
	mu      sync.Mutex
	streams *collision.Table // guarded by mu; nil: collisions are not looked for
	targets *collision.Table // guarded by mu; of target_info, what was sent
	endings *ending.Tracker  // guarded by mu; nil: series are left to end by themselves
}

func newSieve(tracked int, staleAfter time.Duration) *sieve {
	s := &sieve{targets: collision.New(maxTargets)}
	if staleAfter > 0 {
		s.endings = ending.New(staleAfter.Milliseconds(), tracked)
	}
	if tracked > 0 {
		s.streams = collision.New(tracked)
	}
	return s
}

// found is what collisions there are in a batch.
type found struct {
	mixed   int // samples that interleave with another stream's, and levels at the time of another's
	refused int // samples taken out
	points  int // data points that lost a sample, levels included
	series  string
}

// look checks samples. It takes out those for which the series has another stream's value at that time: the receiver would
// refuse one of the two. Of a gauge that is a hint and no loss. And those of target_info that are older than what was sent: nobody sent them, the translation makes
// one for the earliest point of a resource, and a late point is not the resource's news.
func (s *sieve) look(samples []sample.Sample, tenant string) ([]sample.Sample, found) {
	var f found
	salt := saltOf(tenant)
	kept, last := 0, int32(0) // last: the latest point that lost a sample; the samples of a point stand together
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range samples {
		x := &samples[i]
		if isTargetInfo(x) {
			if newest, ok := s.targets.Newest(x.Hash ^ salt); ok && x.Time < newest {
				continue
			}
		}
		verdict := collision.Alone
		if x.Stream != 0 {
			verdict = s.streams.Check(x.Hash^salt, x.Stream, x.Start, x.Time)
		}
		if verdict != collision.Alone {
			f.series = x.Labels.String()
		}
		if verdict == collision.SameTime && x.Point != last {
			f.points, last = f.points+1, x.Point
		}
		switch {
		case verdict == collision.SameTime && isLevel(x):
			f.mixed++ // a process that was started again within a window: the series goes on with the first
			continue
		case verdict == collision.SameTime:
			f.refused++
			continue
		case verdict == collision.Mixed:
			f.mixed++
		}
		if kept < i {
			samples[kept] = *x
		}
		kept++
	}
	return samples[:kept], f
}

// ended are the markers of series that have ended by the time of samples, the next ones from partition.
func (s *sieve) ended(samples []sample.Sample, partition, tenant string) []sample.Sample {
	if s.endings == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.endings.Ended(partition+tenant, samples, saltOf(tenant))
}

// sent remembers what is with the receiver. Only now: a batch that comes again is to be the same.
func (s *sieve) sent(samples, markers []sample.Sample, partition, tenant string) {
	salt := saltOf(tenant)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.endings != nil {
		s.endings.Sent(partition+tenant, samples, markers, salt)
	}
	for i := range samples {
		if x := &samples[i]; isTargetInfo(x) {
			s.targets.Check(x.Hash^salt, 1, 0, x.Time)
		}
	}
}

// isLevel reports whether x is a measurement: of two at one time either is true.
func isLevel(x *sample.Sample) bool { return x.Family != nil && x.Family.Type == model.MetricTypeGauge }

func isTargetInfo(x *sample.Sample) bool { return x.Family != nil && x.Family.TargetInfo }

func saltOf(tenant string) uint64 {
	if tenant == "" {
		return 0
	}
	return xxhash.Sum64String(tenant)
}

func (e *tsdbExporter) countCollisions(ctx context.Context, f found) {
	if f.mixed == 0 && f.refused == 0 {
		return
	}
	if f.mixed > 0 {
		e.telemetry.ExporterPrometheusTsdbCollidingSamples.Add(ctx, int64(f.mixed), e.self())
	}
	e.refuseSamples(ctx, "collision", f.refused)
	e.lose(ctx, "collision", f.points)
	if e.collisions.due() {
		e.set.Logger.Warn("Several streams became one series: set service.instance.id, or promote the resource attribute that differs, "+
			"or turn on scope_labels", zap.String("series", f.series), zap.Int("interleaved", f.mixed), zap.Int("refused", f.refused))
	}
}
