package kafkareplayreceiver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/journal/cluster"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/offsets"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/replay"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/selection"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/target"
)

const (
	// exactRecords is up to how many records a dry run reads all.
	exactRecords = 20_000
	// probes and probeRecords are how many places of a partition, and how many records at each, it reads otherwise.
	probes       = 8
	probeRecords = 100
	// sampleRecords are shown by a dry run.
	sampleRecords = 5
	// maxServices bounds the services whose series are looked for to replace them.
	maxServices = 500
)

// invalidError is what the caller must mend.
type invalidError struct{ error }

func (e *invalidError) Unwrap() error { return e.error }

func invalid(err error) error { return &invalidError{err} }

// errCondition repeats nothing of the condition, which the parser's error would.
var errCondition = errors.New("condition: must be an OTTL condition on the data points, log records or spans of this signal; the log says what is wrong")

// prepare makes a job of what somebody asks for. problems are what the preflight found: reasons not to run it.
func (j *jobs) prepare(ctx context.Context, s replay.Spec, by string) (job *replay.Job, problems []string, err error) {
	if s.Signal == "" {
		if all := j.signals(); len(all) == 1 {
			s.Signal = all[0]
		} else {
			return nil, nil, invalid(fmt.Errorf("signal: must be set, this receiver stands in pipelines for %v", all))
		}
	}
	if err := s.Validate(); err != nil {
		return nil, nil, invalid(err)
	}
	if j.headOf(s.Signal) == nil {
		return nil, nil, invalid(fmt.Errorf("signal: this receiver stands in no pipeline for %s, only for %v", s.Signal, j.signals()))
	}
	at := time.Now()
	if s.ID == "" {
		s.ID = fmt.Sprintf("%s-%04x", at.UTC().Format("20060102-150405"), rand.N(1<<16))
	}
	job = &replay.Job{Spec: s, Created: at.UTC(), By: by, Spans: []replay.Span{}, Want: replay.Run, Status: replay.Status{Phase: replay.Waiting}}
	if len(s.Offsets) == 0 {
		var windows []time.Duration
		if s.Signal == journal.Metrics {
			windows = j.conf.Windows
		}
		r, err := s.Resolve(at, windows)
		if err != nil {
			return nil, nil, invalid(err)
		}
		job.Range = &r
	}
	if _, err := j.itemsOf(job); err != nil {
		j.set.Logger.Info("refused the condition of a replay job", zap.Error(err))
		return nil, nil, invalid(errCondition)
	}
	if err := j.place(ctx, job, &problems); err != nil {
		return nil, nil, err
	}
	if err := j.ask(ctx, job, at, &problems); err != nil {
		return nil, nil, err
	}
	return job, problems, nil
}

// place finds the offsets of the range, and says what retention has taken of it.
func (j *jobs) place(ctx context.Context, job *replay.Job, problems *[]string) error {
	topic := j.sourceTopic(&job.Spec)
	if job.Range == nil {
		have, err := offsets.Extent(ctx, j.asking, topic)
		if err != nil {
			return err
		}
		for _, o := range job.Spec.Offsets {
			i := slices.IndexFunc(have, func(s offsets.Span) bool { return s.Partition == o.Partition })
			if i < 0 {
				return invalid(fmt.Errorf("offsets: %s has no partition %d", topic, o.Partition))
			}
			if o.Next > have[i].End {
				return invalid(fmt.Errorf("offsets: partition %d of %s ends at %d", o.Partition, topic, have[i].End))
			}
			if o.First < have[i].Start {
				*problems = append(*problems, fmt.Sprintf("retention: partition %d of %s begins at offset %d by now", o.Partition, topic, have[i].Start))
			}
			job.Spans = append(job.Spans, o)
		}
		return nil
	}
	spans, err := offsets.Spans(ctx, j.asking, topic, job.Range.ReadFrom, job.Range.ReadTo)
	if err != nil {
		return err
	}
	for _, s := range spans {
		if s.Trimmed && (s.Oldest.IsZero() || s.Oldest.After(job.Range.From)) {
			begins := "has nothing left"
			if !s.Oldest.IsZero() {
				begins = "begins at " + s.Oldest.Format(time.RFC3339)
			}
			*problems = append(*problems, fmt.Sprintf("retention: partition %d of %s %s, the range at %s", s.Partition, topic, begins, job.Range.From.Format(time.RFC3339)))
		}
		if s.Next > s.First {
			job.Spans = append(job.Spans, replay.Span{Partition: s.Partition, First: s.First, Next: s.Next})
		}
	}
	return nil
}

// ask asks the targets whether they will take the range, and let it be replaced.
func (j *jobs) ask(ctx context.Context, job *replay.Job, at time.Time, problems *[]string) error {
	replaceable := false
	for _, t := range j.targets {
		if t.signal != job.Spec.Signal {
			continue
		}
		oldest, why, err := t.Oldest(ctx, at)
		switch {
		case err != nil:
			*problems = append(*problems, fmt.Sprintf("target %s can't be asked how far back it takes data: %v", t.Name(), err))
		case job.Range == nil:
		case job.Range.From.Before(oldest):
			*problems = append(*problems, fmt.Sprintf("target %s takes nothing older than %s (%s); the range begins at %s",
				t.Name(), oldest.UTC().Format(time.RFC3339), why, job.Range.From.Format(time.RFC3339)))
		}
		if job.Spec.Replace == nil {
			continue
		}
		if err := t.CanReplace(ctx, job.Range.From, job.Range.To); err != nil {
			return invalid(fmt.Errorf("replace: %w", err))
		}
		replaceable = true
	}
	if job.Spec.Replace != nil && !replaceable {
		return invalid(errors.New("replace: no target for metrics is configured (jobs::targets)"))
	}
	return nil
}

// replace deletes in the targets what the run will write, and returns the selectors.
func (r *run) replace(ctx context.Context) ([]string, error) {
	match := r.job.Spec.Replace.Match
	if len(match) == 0 {
		var err error
		if match, err = r.services(ctx); err != nil {
			return nil, fmt.Errorf("replace: %w", err)
		}
	}
	for _, t := range r.j.targets {
		if t.signal != r.job.Spec.Signal {
			continue
		}
		err := t.CanReplace(ctx, r.job.Range.From, r.job.Range.To)
		if err == nil && len(match) > 0 {
			err = t.Replace(ctx, match, r.job.Range.From, r.job.Range.To, r.j.fence)
		}
		if err != nil && !errors.Is(err, target.ErrLeft) && !errors.Is(err, target.ErrCannotReplace) {
			err = fmt.Errorf("%w: %w", errLater, err) // A part may be deleted: giving up would leave a hole.
		}
		if err != nil {
			return nil, fmt.Errorf("replace: %w", err)
		}
		r.j.audit("replace", r.job.Spec.ID, r.j.instance, nil)
	}
	if match == nil {
		match = []string{}
	}
	return match, nil
}

// services reads the range and returns selectors of the series of all services in it. A service of which the job replays
// only a part is an error: all of its series would be deleted.
func (r *run) services(ctx context.Context) ([]string, error) {
	wanted, other := map[string]bool{}, map[string]bool{}
	all := selection.Records{From: r.records.From, To: r.records.To}
	within, err := selection.NewItems(r.job.Spec.Signal, selection.ItemSettings{Within: r.job.Range.Contains}, r.j.set)
	if err != nil {
		return nil, err
	}
	for _, p := range r.parts {
		var failed error
		err := cluster.Scan(ctx, r.j.asking, r.topic, p.span.Partition, p.span.First, p.span.Next, func(k *kgo.Record) bool {
			record, err := journal.FromKafka(k)
			get := func(name string) (string, bool) { return header(k, name) }
			if err != nil || !all.Match(&record, k.Timestamp, get) {
				return true
			}
			request, _, err := r.head.decode(k.Value)
			if err != nil {
				return true
			}
			md := request.(pmetric.Metrics)
			within.Apply(ctx, md)
			points := map[string]int{}
			jobsIn(md, points)
			kept := map[string]int{}
			if r.records.Match(&record, k.Timestamp, get) {
				r.items.Apply(ctx, md)
				jobsIn(md, kept)
			}
			for service, n := range points {
				if kept[service] > 0 {
					wanted[service] = true
				}
				if kept[service] < n {
					other[service] = true
				}
			}
			if len(wanted) > maxServices {
				failed = fmt.Errorf("more than %d services: name the series with replace.match", maxServices)
			}
			return failed == nil
		})
		if failed != nil {
			return nil, failed
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errLater, err)
		}
	}
	var match []string
	for _, service := range slices.Sorted(maps.Keys(wanted)) {
		if other[service] {
			return nil, fmt.Errorf("the job replays only a part of service %q, whose series would all be deleted: name the series with replace.match", service)
		}
		if service == "" {
			return nil, errors.New("there are metrics without service.name: name the series with replace.match")
		}
		match = append(match, "{job="+strconv.Quote(service)+"}")
	}
	return match, nil
}

// jobsIn counts data points by what Prometheus calls their job: service.namespace/service.name.
func jobsIn(md pmetric.Metrics, points map[string]int) {
	for _, rm := range md.ResourceMetrics().All() {
		n := 0
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				n += pointsOf(m)
			}
		}
		if n == 0 {
			continue
		}
		name := textOf("service.name", rm.Resource().Attributes())
		if namespace := textOf("service.namespace", rm.Resource().Attributes()); namespace != "" && name != "" {
			name = namespace + "/" + name
		}
		points[name] += n
	}
}

func textOf(key string, of pcommon.Map) string {
	v, ok := of.Get(key)
	if !ok {
		return ""
	}
	return v.AsString()
}

func pointsOf(m pmetric.Metric) int {
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		return m.Gauge().DataPoints().Len()
	case pmetric.MetricTypeSum:
		return m.Sum().DataPoints().Len()
	case pmetric.MetricTypeHistogram:
		return m.Histogram().DataPoints().Len()
	case pmetric.MetricTypeExponentialHistogram:
		return m.ExponentialHistogram().DataPoints().Len()
	case pmetric.MetricTypeSummary:
		return m.Summary().DataPoints().Len()
	}
	return 0
}

// Estimate is what a dry run answers.
type Estimate struct {
	// Exact: all was read; else it is computed from a part.
	Exact bool `json:"exact"`
	// Scanned is how many records stand in the offsets of the range, Records how many of them would be replayed.
	Scanned int64    `json:"scanned"`
	Records int64    `json:"records"`
	Bytes   int64    `json:"bytes"`
	Items   int64    `json:"items"`
	Sample  []Sample `json:"sample"`
}

// Sample is a record that would be replayed.
type Sample struct {
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	Received  time.Time `json:"received"`
	Tenant    string    `json:"tenant"`
	Key       string    `json:"key"`
	Bytes     int       `json:"bytes"`
	Items     int       `json:"items"`
}

// estimate reads a part of the range, or all of it if it is short.
func (j *jobs) estimate(ctx context.Context, job *replay.Job) (*Estimate, error) {
	items, err := j.itemsOf(job)
	if err != nil {
		return nil, invalid(errCondition)
	}
	records, h, topic := recordsOf(job, j.cfg.Kafka.TopicPrefix), j.headOf(job.Spec.Signal), j.sourceTopic(&job.Spec)
	e := &Estimate{Sample: []Sample{}}
	for _, s := range job.Spans {
		e.Scanned += s.Next - s.First
	}
	e.Exact = e.Scanned <= exactRecords
	var read, bytes, taken, kept float64
	look := func(k *kgo.Record) bool {
		read++
		record, err := journal.FromKafka(k)
		if err != nil || !records.Match(&record, k.Timestamp, func(name string) (string, bool) { return header(k, name) }) {
			return true
		}
		request, _, err := h.decode(k.Value)
		if err != nil {
			return true
		}
		c := items.Apply(ctx, request)
		if c.Kept == 0 {
			return true
		}
		taken++
		bytes += float64(len(k.Value))
		kept += float64(c.Kept)
		if len(e.Sample) < sampleRecords {
			e.Sample = append(e.Sample, Sample{
				Partition: k.Partition, Offset: k.Offset, Received: record.Received.UTC(), Tenant: record.Tenant,
				Key: strings.ReplaceAll(record.Key, "\x00", "/"), Bytes: len(k.Value), Items: c.Kept,
			})
		}
		return true
	}
	for _, s := range job.Spans {
		for _, piece := range pieces(s, e.Exact) {
			if err := cluster.Scan(ctx, j.asking, topic, s.Partition, piece.First, piece.Next, look); err != nil {
				return nil, err
			}
		}
	}
	if read > 0 {
		scale := 1.0
		if !e.Exact {
			scale = float64(e.Scanned) / read
		}
		e.Records, e.Bytes, e.Items = int64(taken*scale), int64(bytes*scale), int64(kept*scale)
	}
	return e, nil
}

// pieces are the parts of a span that a dry run reads.
func pieces(s replay.Span, all bool) []replay.Span {
	length := s.Next - s.First
	if all || length <= probes*probeRecords {
		return []replay.Span{s}
	}
	var out []replay.Span
	for i := range int64(probes) {
		first := s.First + i*(length-probeRecords)/(probes-1)
		out = append(out, replay.Span{Partition: s.Partition, First: first, Next: first + probeRecords})
	}
	return out
}
