package simulation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/delivery"
)

// Wrong ways to run jobs.
const (
	// SharedHints makes live delivery and jobs share an exporter's memory.
	SharedHints Variant = "live and jobs share hints"
	// HintsOutliveJob keeps an exporter's memory of a job under the job's id.
	HintsOutliveJob Variant = "hints outlive their job"
	// UnspreadJob does not tell a job's components by which attributes streams are spread over partitions.
	UnspreadJob Variant = "a job without SpreadBy"
)

const (
	jobID = "job"
	// mergedSeries is the series that a rule makes of the streams of all partitions.
	mergedSeries  = "merged"
	jobSteps      = 400
	jobPartitions = 2
)

// errRule is a component's error for a rule that merges streams of several partitions.
var errRule = errors.New("several partitions would write one series")

// RunJobs runs the schedule of seed: jobs with replace run during live delivery of the same partitions, in one process, through one
// exporter. A job is cancelled at any step and created again under the same id. In the end the sink must hold every sample of the log, and
// nothing of a rule that merges partitions.
func RunJobs(seed uint64, variant Variant) error {
	s := &jobSchedule{
		rng: rand.New(rand.NewPCG(seed, 0x7265706c6179)), variant: variant, made: time.Unix(2_000_000, 0),
		values: map[sample]int64{}, hints: delivery.NewPerSource(func() map[sample]bool { return map[sample]bool{} }), wrong: map[string]map[sample]bool{},
	}
	defer func() {
		for _, p := range append(s.live, s.job...) {
			p.end()
		}
	}()
	if err := s.run(); err != nil {
		return fmt.Errorf("seed %d: %w", seed, err)
	}
	return nil
}

// jobSchedule is one exporter with its sink, live delivery and at most one job.
type jobSchedule struct {
	rng       *rand.Rand
	variant   Variant
	live, job []*process // one for each partition
	made      time.Time  // the job's
	values    map[sample]int64
	conflict  string
	hints     *delivery.PerSource[map[sample]bool]
	wrong     map[string]map[sample]bool // memory of a wrong exporter
}

func (s *jobSchedule) run() error {
	for i := range jobPartitions {
		w := s.world()
		for range 5 + s.rng.IntN(20) {
			s.append(w, i)
		}
		s.live = append(s.live, s.start(w, delivery.Live))
	}
	for range jobSteps {
		switch n := s.rng.IntN(100); {
		case n < 5:
			i := s.rng.IntN(jobPartitions)
			s.append(s.live[i].w, i)
		case n < 7 && len(s.job) == 0:
			s.make()
		case n < 8 && len(s.job) > 0:
			s.cancel()
		}
		s.step()
	}
	if len(s.job) == 0 {
		s.make()
	}
	for range finalSteps {
		s.step()
		if s.settled() {
			return s.verdict()
		}
	}
	return fmt.Errorf("%w: the job does not end", ErrViolation)
}

func (s *jobSchedule) world() *world {
	return &world{rng: s.rng, now: time.Unix(1_000_000, 0), variant: s.variant}
}

// append adds a record to the log of partition i.
func (s *jobSchedule) append(w *world, i int) {
	n := len(w.log)
	md := pmetric.NewMetrics()
	NewPoint(md, fmt.Sprint("requests ", i), w.now.Add(time.Duration(n)*time.Second), int64(1+s.rng.IntN(1000)))
	id := delivery.RecordID{byte(n), byte(n >> 8), byte(i), 1}
	w.log = append(w.log, entry{metrics: md, id: id, time: w.now, first: w.now})
}

// start begins a worker of w's log.
func (s *jobSchedule) start(w *world, source delivery.Source) *process {
	p := &process{w: w, name: string(source)}
	spread := []string{"service.name"}
	if _, job := source.Job(); job && s.variant == UnspreadJob {
		spread = nil
	}
	p.start(func() {
		p.worker = delivery.NewWorker(delivery.WorkerSettings{
			Label: "partition", Source: source, SpreadBy: spread, Log: p, Store: p, Clock: p, Observer: p, Interval: 10 * time.Second, Tasks: p,
			Deliver: func(ctx context.Context, _ delivery.Bounds, records []delivery.Record) error {
				return s.deliver(ctx, p, records)
			},
			Permanent:  func(error) bool { return false },
			DeadLetter: func(context.Context, delivery.Record, error) error { return nil },
		})
		p.effect("begin")
		_ = p.worker.Run(context.Background())
	})
	p.resume()
	return p
}

// make creates the job: it replaces everything that the logs hold now.
func (s *jobSchedule) make() {
	s.made = s.made.Add(time.Second)
	for _, live := range s.live {
		w := s.world()
		w.log = live.w.log[:len(live.w.log):len(live.w.log)]
		for _, e := range w.log[:live.passed] { // Records that were not delivered yet can't be replaced: live delivery would write them again.
			EachPoint(e.metrics, func(m pmetric.Metric, dp pmetric.NumberDataPoint) { delete(s.values, sampleOf(m, dp)) })
		}
		s.job = append(s.job, s.start(w, delivery.JobSource(jobID, s.made)))
	}
}

// cancel ends the job properly, wherever it is.
func (s *jobSchedule) cancel() {
	for _, p := range s.job {
		p.worker.Stop()
		for p.resume() {
		}
	}
	s.job = nil
}

// step lets one worker do one step.
func (s *jobSchedule) step() {
	all := append(s.live[:len(s.live):len(s.live)], s.job...)
	p := all[s.rng.IntN(len(all))]
	if !p.resume() {
		panic("a worker that nobody stopped has ended")
	}
}

func (s *jobSchedule) settled() bool {
	for _, p := range append(s.live[:len(s.live):len(s.live)], s.job...) {
		if p.idle <= idleReads {
			return false
		}
	}
	return true
}

// deliver is the pipeline: a rule that merges partitions, which the component refuses if there are several, and the exporter.
func (s *jobSchedule) deliver(ctx context.Context, p *process, records []delivery.Record) error {
	if len(records) == 0 {
		return nil
	}
	if len(delivery.Of(ctx).SpreadBy()) == 0 {
		var sum int64
		for _, r := range records {
			EachPoint(r.Payload.(pmetric.Metrics), func(_ pmetric.Metric, dp pmetric.NumberDataPoint) { sum += dp.IntValue() })
		}
		s.write(sample{series: mergedSeries}, sum)
	} else if s.rng.IntN(50) == 0 {
		return errRule // As if a rule had been added and removed again: nothing of the batch is written.
	}
	hints := s.hintsOf(ctx)
	for _, r := range records {
		p.effect("export")
		fault := s.rng.IntN(30) == 0
		EachPoint(r.Payload.(pmetric.Metrics), func(m pmetric.Metric, dp pmetric.NumberDataPoint) {
			at := sampleOf(m, dp)
			if !hints[at] {
				s.write(at, dp.IntValue())
				hints[at] = true
			}
		})
		if fault {
			return errFault // The rest of the batch is sent again, without the samples that the sink has.
		}
	}
	p.passed = max(p.passed, records[len(records)-1].Offset+1)
	return nil
}

func (s *jobSchedule) hintsOf(ctx context.Context) map[sample]bool {
	key := ""
	switch id, job := delivery.Of(ctx).Source().Job(); {
	case s.variant == SharedHints:
	case s.variant == HintsOutliveJob && job:
		key = id
	default:
		return s.hints.Of(ctx)
	}
	if s.wrong[key] == nil {
		s.wrong[key] = map[sample]bool{}
	}
	return s.wrong[key]
}

func sampleOf(m pmetric.Metric, dp pmetric.NumberDataPoint) sample {
	return sample{series: m.Name(), time: dp.Timestamp()}
}

func (s *jobSchedule) write(at sample, v int64) {
	if have, ok := s.values[at]; ok && have != v && s.conflict == "" {
		s.conflict = fmt.Sprintf("%s was %d, now %d", at.series, have, v)
	}
	s.values[at] = v
}

func (s *jobSchedule) verdict() error {
	if s.conflict != "" {
		return fmt.Errorf("%w: two values for one sample: %s", ErrViolation, s.conflict)
	}
	want := map[sample]int64{}
	for _, p := range s.live {
		for _, e := range p.w.log {
			EachPoint(e.metrics, func(m pmetric.Metric, dp pmetric.NumberDataPoint) { want[sampleOf(m, dp)] = dp.IntValue() })
		}
	}
	if !maps.Equal(want, s.values) {
		return fmt.Errorf("%w: the sink holds %d samples of %d", ErrViolation, len(s.values), len(want))
	}
	return nil
}
