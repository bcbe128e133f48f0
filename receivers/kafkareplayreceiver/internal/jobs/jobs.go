// Package jobs replays past ranges on request. A job passes through the packages in this order: api accepts it, plan prepares it, joblog
// stores it, and run runs it, with a worker for each partition.
package jobs

import (
	"context"
	"fmt"
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

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/journal/cluster"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/downstream"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/joblog"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/jobs/api"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/jobs/plan"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/jobs/run"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/metadata"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/pipeline"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/replay"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/target"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/worker"
)

// targetTimeout bounds a request to a target whose configuration has no timeout.
const targetTimeout = 2 * time.Minute

// Settings configure a receiver's jobs. All fields are required.
type Settings struct {
	Receiver   receiver.Settings
	Kafka      cluster.Config
	Config     *Config
	Downstream *downstream.Checker
}

// Shared finds the jobs of a receiver that is in several pipelines. The zero value is empty and ready. It is safe for concurrent use.
type Shared struct {
	mu  sync.Mutex
	all map[*Config]*jobs // guarded by mu
}

// Pipeline returns a component for another pipeline of the receiver that s configures: jobs can use the pipeline while the component runs.
func (s *Shared) Pipeline(set Settings, entry pipeline.Entry) (component.Component, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[*Config]*jobs{}
	}
	j := s.all[set.Config]
	if j == nil {
		telemetry, err := metadata.NewTelemetryBuilder(set.Receiver.TelemetrySettings)
		if err != nil {
			return nil, err
		}
		j = newJobs(set, telemetry, s)
		s.all[set.Config] = j
	}
	return &jobPipeline{j: j, entry: entry, downstream: set.Downstream}, nil
}

// servers returns the servers of all started receivers.
func (s *Shared) servers() (all []*api.Server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.all {
		if server := j.serving(); server != nil {
			all = append(all, server)
		}
	}
	return all
}

func (s *Shared) forget(j *jobs) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, j.conf)
}

// jobPipeline is a pipeline that jobs can use.
type jobPipeline struct {
	j          *jobs
	entry      pipeline.Entry
	downstream *downstream.Checker
}

// Start allows jobs of the pipeline's signal to run.
func (e *jobPipeline) Start(ctx context.Context, host component.Host) error {
	if err := e.downstream.Check(host, e.j.id, string(e.entry.Signal()), "jobs::allow_behind", e.j.conf.AllowBehind, e.j.set.Logger); err != nil {
		return err
	}
	e.j.entries.Add(e.entry)
	return e.j.start(ctx, host)
}

// Shutdown ends all jobs, each at a checkpoint if that is cheap. They continue with the next start.
func (e *jobPipeline) Shutdown(context.Context) error { return e.j.shutdown() }

// jobs are the replays of one receiver, whatever pipelines it is in. Every instance knows all of them and accepts requests; the leader
// runs them.
type jobs struct {
	kafka     cluster.Config
	conf      *Config
	id        component.ID
	set       component.TelemetrySettings
	telemetry *metadata.TelemetryBuilder
	shared    *Shared
	instance  string
	entries   pipeline.Entries

	wg sync.WaitGroup

	mu      sync.Mutex
	stop    context.CancelFunc // nil before the start; guarded by mu
	admin   *kgo.Client        // set by start; guarded by mu
	unmount func()             // set by start; guarded by mu
	server  *api.Server        // set by start; guarded by mu
	log     *joblog.Log        // nil until Kafka was reached; guarded by mu
	off     bool               // shut down; guarded by mu
}

func newJobs(s Settings, telemetry *metadata.TelemetryBuilder, shared *Shared) *jobs {
	return &jobs{
		kafka: s.Kafka, conf: s.Config, id: s.Receiver.ID, set: s.Receiver.TelemetrySettings, telemetry: telemetry, shared: shared, instance: instanceName(s.Receiver),
	}
}

// instanceName is this collector's name in its own telemetry.
func instanceName(set receiver.Settings) string {
	if v, ok := set.Resource.Attributes().Get("service.instance.id"); ok {
		return v.AsString()
	}
	return set.ID.String()
}

// name distinguishes the receivers with jobs of one cluster.
func (j *jobs) name() string {
	if n := j.id.Name(); n != "" {
		return strings.ReplaceAll(n, "/", "_")
	}
	return "default"
}

// start is called with the first pipeline.
func (j *jobs) start(ctx context.Context, host component.Host) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.stop != nil {
		return nil
	}
	opts, err := j.kafka.Options(ctx)
	if err != nil {
		return err
	}
	targets, err := j.targets(ctx, host)
	if err != nil {
		return err
	}
	admin, err := kgo.NewClient(append(opts, kgo.MetadataMinAge(worker.MetadataAge))...)
	if err != nil {
		return err
	}
	runner := run.New(run.Settings{
		Kafka: j.kafka, Admin: admin, Entries: &j.entries, Targets: targets, Workers: j.conf.Workers, LiveLag: j.conf.LiveLag,
		CheckpointInterval: j.conf.CheckpointInterval, DedupWindow: j.conf.DedupWindow, DedupMaxRecords: j.conf.DedupMaxRecords, Recorded: j.conf.Recorded,
		Instance: j.instance, Telemetry: j.set, Metrics: j.telemetry,
	})
	planner := plan.New(plan.Settings{
		Prefix: j.kafka.TopicPrefix, Admin: admin, Entries: &j.entries, Windows: j.conf.Windows, Targets: targets, Telemetry: j.set,
	})
	server := api.New(api.Settings{ID: j.id, Log: j.set.Logger, Entries: &j.entries, Planner: planner, Board: j.ready, Running: runner.Running}, host)
	if j.unmount, err = server.Mount(host, j.shared.servers); err != nil {
		admin.Close()
		return err
	}
	if err := j.telemetry.RegisterReceiverKafkaReplayJobsCallback(j.observe); err != nil {
		j.unmount()
		admin.Close()
		return err
	}
	j.admin, j.server = admin, server
	ctx, j.stop = context.WithCancel(context.WithoutCancel(ctx))
	j.wg.Go(func() { j.work(ctx, admin, server, runner) })
	return nil
}

// targets returns the stores of the configuration.
func (j *jobs) targets(ctx context.Context, host component.Host) (all target.Stores, err error) {
	for i := range j.conf.Targets {
		t := &j.conf.Targets[i]
		var client *http.Client
		if t.Type != targetOther {
			if client, err = t.HTTP.ToClient(ctx, host.GetExtensions(), j.set); err != nil {
				return nil, fmt.Errorf("jobs::targets: %w", err)
			}
			if client.Timeout == 0 {
				client.Timeout = targetTimeout
			}
		}
		if local := localTransport(t, host); local != nil {
			client = &http.Client{Transport: local, Timeout: targetTimeout}
		}
		all = append(all, target.Store{Target: t.store(client), Signal: t.signal()})
	}
	return all, nil
}

func (j *jobs) shutdown() error {
	j.mu.Lock()
	if j.off {
		j.mu.Unlock()
		return nil
	}
	j.off = true
	stop, admin, unmount := j.stop, j.admin, j.unmount
	j.mu.Unlock()
	j.shared.forget(j)
	if stop != nil {
		unmount()
		stop()
		j.wg.Wait()
		admin.Close()
	}
	j.telemetry.Shutdown()
	return nil
}

// work opens the log, which may have to wait for the journal, and takes part in the election.
func (j *jobs) work(ctx context.Context, admin *kgo.Client, server *api.Server, runner *run.Runner) {
	log := j.open(ctx, admin)
	if log == nil {
		return
	}
	defer log.Close()
	j.mu.Lock()
	j.log = log
	j.mu.Unlock()
	lead := func(ctx context.Context) {
		wanted := slices.Clone(j.conf.Run)
		runner.Lead(ctx, log, func(ctx context.Context) { wanted = server.MakeConfigured(ctx, log, wanted) })
	}
	if err := log.Lead(ctx, j.kafka.TopicPrefix+".jobs."+j.name(), lead); err != nil {
		j.set.Logger.Error("jobs can't be run", zap.Error(err))
	}
}

// open retries until the log is open; nil: ctx has ended.
func (j *jobs) open(ctx context.Context, admin *kgo.Client) *joblog.Log {
	prefix := j.kafka.TopicPrefix
	for pause := worker.MetadataAge; ; pause = min(2*pause, worker.RetryEvery) {
		ask, cancel := context.WithTimeout(ctx, worker.AskTimeout)
		log, err := joblog.Open(ask, admin, prefix, journal.JobsTopic(prefix, j.name()))
		cancel()
		if err == nil {
			return log
		}
		if ctx.Err() != nil {
			return nil
		}
		if pause == worker.RetryEvery {
			j.set.Logger.Warn("the log of jobs can't be read yet", zap.Error(err))
		}
		if worker.Wait(ctx, pause) != nil {
			return nil
		}
	}
}

// ready returns the log.
func (j *jobs) ready() (*joblog.Log, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.log == nil || j.off {
		return nil, api.ErrNotReady
	}
	return j.log, nil
}

// serving returns the server, nil before start.
func (j *jobs) serving() *api.Server {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.server
}

// observe reports how many jobs are in each phase.
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
