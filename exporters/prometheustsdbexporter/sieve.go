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

// logInterval is the least time between two log messages of a kind.
const logInterval = 10 * time.Second

// logLimiter allows an action once in logInterval. Safe for concurrent use.
type logLimiter struct{ last atomic.Int64 }

func (s *logLimiter) due() bool {
	now, last := time.Now().UnixNano(), s.last.Load()
	return now-last >= int64(logInterval) && s.last.CompareAndSwap(last, now)
}

// maxTargets bounds the target_info series whose newest time is remembered: 32 bytes each.
const maxTargets = 1 << 16

// sieve checks the samples of a batch before they are sent. It detects series that two streams write, removes samples that the receiver
// would have to refuse, and adds the markers of ended series.
//
// It belongs to one source of batches: a job replays samples older than all those that live delivery has sent.
type sieve struct {
	mu      sync.Mutex
	streams *collision.Table // guarded by mu; nil: collisions are not detected
	targets *collision.Table // guarded by mu; newest sent time of target_info
	endings *ending.Tracker  // guarded by mu; nil: series get no stale markers
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

// found are the collisions in a batch.
type found struct {
	mixed   int // samples that interleave with another stream's, and gauge values at the time of another's
	refused int // samples removed
	points  int // data points that lost a sample, including gauges
	series  string
}

// look checks samples. It removes those for which the series has another stream's value at that time, because the receiver would refuse
// one of the two. For a gauge that only causes a hint, and counts as no loss. It also removes samples of target_info that are older than
// sent ones: the translation makes one for the earliest point of a resource, and a late point is no news about the resource.
func (s *sieve) look(samples []sample.Sample, tenant string) ([]sample.Sample, found) {
	var f found
	salt := saltOf(tenant)
	kept, last := 0, int32(0) // last: the latest point that lost a sample; the samples of a point are adjacent
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
			f.mixed++ // a process that restarted within a window: the series continues with the first
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

// ended returns the markers of series that have ended by the time of samples, the next ones of partition.
func (s *sieve) ended(samples []sample.Sample, partition, tenant string) []sample.Sample {
	if s.endings == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.endings.Ended(partition+tenant, samples, saltOf(tenant))
}

// sent remembers what the receiver has. It is called only after the delivery, because a repeated batch must be the same.
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
