package kafkareplayreceiver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/joblog"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/metadata"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/replay"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/room"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/target"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/worker"
)

const (
	// maxOpen bounds the jobs that have not ended.
	maxOpen = 100
	// targetTimeout bounds a question to a target where its configuration doesn't.
	targetTimeout = 2 * time.Minute
)

var (
	errNotReady = errors.New("Kafka, or the journal in it, is not there yet")
	errTooMany  = fmt.Errorf("%d jobs have not ended: cancel or delete some", maxOpen)
)

// shared finds the jobs of a receiver that stands in several pipelines.
type shared struct {
	mu  sync.Mutex
	all map[*Config]*jobs // guarded by mu
}

// of returns the jobs of cfg's receiver, with one more pipeline.
func (s *shared) of(cfg *Config, set receiver.Settings, h head) (receiver.Metrics, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.all[cfg]
	if j == nil {
		telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
		if err != nil {
			return nil, err
		}
		j = newJobs(cfg, set, telemetry, s)
		s.all[cfg] = j
	}
	return &jobsPipeline{j: j, head: h}, nil
}

// jobsPipeline is a pipeline that jobs can go through.
type jobsPipeline struct {
	j    *jobs
	head head
}

// Start lets jobs of the pipeline's signal run.
func (p *jobsPipeline) Start(ctx context.Context, host component.Host) error {
	return p.j.start(ctx, host, p.head)
}

// Shutdown ends all jobs, each at a checkpoint where that is cheap. They go on with the next start.
func (p *jobsPipeline) Shutdown(context.Context) error { return p.j.shutdown() }

// jobs are the replays of one receiver, whatever pipelines it stands in. Every instance knows all of them and takes wishes;
// the one that leads runs them.
type jobs struct {
	cfg       *Config
	conf      *JobsConfig
	id        component.ID
	set       component.TelemetrySettings
	telemetry *metadata.TelemetryBuilder
	shared    *shared
	instance  string
	room      *room.Room // a place for each worker

	stop context.CancelFunc
	wg   sync.WaitGroup

	// Set by start.
	asking     *kgo.Client
	targets    []targetOf
	unmount    []func()
	authorizer admin.Authorizer

	mu    sync.Mutex
	heads map[journal.Signal]head // of pipelines that were started; guarded by mu
	log   *joblog.Log             // nil until Kafka was reached; guarded by mu
	runs  map[string]*run         // of this instance; guarded by mu
	off   bool                    // shut down; guarded by mu
}

type targetOf struct {
	target.Target
	signal journal.Signal
}

func newJobs(cfg *Config, set receiver.Settings, telemetry *metadata.TelemetryBuilder, s *shared) *jobs {
	conf := cfg.Jobs.Get()
	return &jobs{
		cfg: cfg, conf: conf, id: set.ID, set: set.TelemetrySettings, telemetry: telemetry, shared: s, instance: instanceName(set),
		room: room.New(conf.Workers), heads: map[journal.Signal]head{}, runs: map[string]*run{},
	}
}

// instanceName is how this collector is called in its own telemetry.
func instanceName(set receiver.Settings) string {
	if v, ok := set.Resource.Attributes().Get("service.instance.id"); ok {
		return v.AsString()
	}
	return set.ID.String()
}

// name tells the receivers with jobs of one cluster apart.
func (j *jobs) name() string {
	if n := j.id.Name(); n != "" {
		return strings.ReplaceAll(n, "/", "_")
	}
	return "default"
}

func (j *jobs) start(ctx context.Context, host component.Host, h head) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.heads[h.signal()] = h
	if j.stop != nil {
		return nil
	}
	opts, err := j.cfg.Kafka.Options(ctx)
	if err != nil {
		return err
	}
	for i := range j.conf.Targets {
		t := &j.conf.Targets[i]
		var client *http.Client
		if t.Type != targetOther {
			if client, err = t.HTTP.ToClient(ctx, host.GetExtensions(), j.set); err != nil {
				return fmt.Errorf("jobs::targets: %w", err)
			}
			if client.Timeout == 0 {
				client.Timeout = targetTimeout
			}
		}
		if local := localTransport(t, host); local != nil {
			client = &http.Client{Transport: local, Timeout: targetTimeout}
		}
		j.targets = append(j.targets, targetOf{t.store(client), t.signal()})
	}
	if j.asking, err = kgo.NewClient(append(opts, kgo.MetadataMinAge(metadataAge))...); err != nil {
		return err
	}
	if err := j.mount(host); err != nil {
		j.asking.Close()
		return err
	}
	if err := j.telemetry.RegisterReceiverKafkaReplayJobsCallback(j.observe); err != nil {
		return err
	}
	ctx, j.stop = context.WithCancel(context.WithoutCancel(ctx))
	j.wg.Go(func() { j.work(ctx) })
	return nil
}

func (j *jobs) shutdown() error {
	j.mu.Lock()
	if j.off {
		j.mu.Unlock()
		return nil
	}
	j.off = true
	started := j.stop != nil
	j.mu.Unlock()
	j.shared.mu.Lock()
	delete(j.shared.all, j.cfg)
	j.shared.mu.Unlock()
	if started {
		for _, unmount := range j.unmount {
			unmount()
		}
		j.stop()
		j.wg.Wait()
		j.asking.Close()
	}
	j.telemetry.Shutdown()
	return nil
}

// work opens the log, which may take until there is a journal, and takes part in the election.
func (j *jobs) work(ctx context.Context) {
	var log *joblog.Log
	for pause := metadataAge; log == nil; pause = min(2*pause, retryEvery) {
		ask, cancel := context.WithTimeout(ctx, askTimeout)
		opened, err := joblog.Open(ask, j.asking, j.cfg.Kafka.TopicPrefix, journal.JobsTopic(j.cfg.Kafka.TopicPrefix, j.name()))
		cancel()
		if err == nil {
			log = opened
			break
		}
		if ctx.Err() != nil {
			return
		}
		if pause == retryEvery {
			j.set.Logger.Warn("jobs can't be read yet", zap.Error(err))
		}
		if worker.Wait(ctx, pause) != nil {
			return
		}
	}
	defer log.Close()
	j.mu.Lock()
	j.log = log
	j.mu.Unlock()
	if err := log.Lead(ctx, j.cfg.Kafka.TopicPrefix+".jobs."+j.name(), j.lead); err != nil {
		j.set.Logger.Error("jobs can't be run", zap.Error(err))
	}
}

// ready returns the log.
func (j *jobs) ready() (*joblog.Log, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.log == nil || j.off {
		return nil, errNotReady
	}
	return j.log, nil
}

// signals are those of the pipelines, in order.
func (j *jobs) signals() []journal.Signal {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Sorted(maps.Keys(j.heads))
}

func (j *jobs) headOf(s journal.Signal) head {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.heads[s]
}

// observe tells how many jobs there are in each phase.
func (j *jobs) observe(_ context.Context, o metric.Int64Observer) error {
	log, err := j.ready()
	if err != nil {
		return nil
	}
	count := map[replay.Phase]int64{}
	log.Read(func(b *replay.Board) {
		for _, job := range b.Jobs() {
			count[job.Status.Phase]++
		}
	})
	for _, phase := range replay.Phases {
		o.Observe(count[phase], metric.WithAttributes(attribute.String("phase", string(phase))))
	}
	return nil
}
