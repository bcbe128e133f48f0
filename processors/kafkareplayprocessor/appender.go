package kafkareplayprocessor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/journal/cluster"
	"github.com/penstockhq/penstock/internal/outage"
	"github.com/penstockhq/penstock/internal/receipt"
	"github.com/penstockhq/penstock/internal/tenant"
	"github.com/penstockhq/penstock/internal/usage"
	"github.com/penstockhq/penstock/processors/kafkareplayprocessor/internal/metadata"
)

const (
	// prepareWait is how long Start waits for Kafka before it continues without it. Later attempts, each retryEvery after the last, wait twice as long as
	// the one before, up to prepareMost: past brokers that do not answer, for each of which the client waits up to 10 s.
	prepareWait = 3 * time.Second
	prepareMost = 30 * time.Second
	retryEvery  = 2 * time.Second
	// retryAfter is the delay sent to refused clients.
	retryAfter = time.Second
	// recordOverhead is reserved in a topic's max.message.bytes for headers, key and framing.
	recordOverhead = 16 << 10
	// metadataAge is short, so that the client that creates topics sees them soon.
	metadataAge = 50 * time.Millisecond
	stage       = "append"
	tooLarge    = "too_large"
	full        = "full"
)

// appender writes the requests of one signal. It is safe for concurrent use.
type appender struct {
	signal    journal.Signal
	cfg       *Config
	set       component.TelemetrySettings
	telemetry *metadata.TelemetryBuilder
	labels    metric.MeasurementOption
	keys      []string // of client metadata, lower-case

	lines outage.Lines // log messages

	ready  atomic.Pointer[target] // nil until Kafka has answered
	health *health                // set by Start
	usage  usage.Sink             // set by Start
	anew   func()                 // prepares again, until that succeeds; set by Start
	stop   context.CancelFunc
	wg     sync.WaitGroup
}

// target is the topic and its producer, once known.
type target struct {
	producer *cluster.Producer
	topic    string
	layout   journal.Layout
	maxBytes int // size above which a request is divided
	mostOne  int // the longest value that the topic accepts: a single item may be that long
}

// divide separates records of one large item that the topic accepts from those that it does not.
func (t *target) divide(large []journal.Record) (fit, tooLong []journal.Record) {
	for _, r := range large {
		if len(r.Value) <= t.mostOne {
			fit = append(fit, r)
		} else {
			tooLong = append(tooLong, r)
		}
	}
	return fit, tooLong
}

func newAppender(signal journal.Signal, cfg *Config, set processor.Settings) (*appender, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	a := &appender{
		signal: signal, cfg: cfg, set: set.TelemetrySettings, telemetry: telemetry,
		labels: metric.WithAttributeSet(attribute.NewSet(attribute.String("signal", string(signal)))),
	}
	for _, k := range cfg.MetadataKeys {
		if k = strings.ToLower(k); k != tenant.MetadataKey {
			a.keys = append(a.keys, k)
		}
	}
	return a, nil
}

func (a *appender) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

// Start creates and checks the topics. While Kafka can't be reached, the appender refuses requests with a retryable error, and retries.
func (a *appender) Start(ctx context.Context, host component.Host) error {
	err := a.telemetry.RegisterProcessorKafkaReplayInFlightCallback(func(_ context.Context, o metric.Int64Observer) error {
		if t := a.ready.Load(); t != nil {
			o.Observe(t.producer.InFlight(), a.labels)
		}
		return nil
	})
	if err != nil {
		return err
	}
	a.health, a.usage = newHealth(a, host), usage.Find(host)
	ctx, a.stop = context.WithCancel(context.WithoutCancel(ctx))
	a.anew = func() { a.prepareUntilDone(ctx, host) }
	err = a.prepare(ctx, prepareWait)
	if errors.Is(err, cluster.ErrRefused) || errors.Is(err, errOptions) {
		return err
	}
	if err != nil {
		a.set.Logger.Warn("Kafka can't be reached: requests are refused until it answers", zap.Error(err))
		a.health.failed(err)
		a.wg.Go(a.anew)
	}
	a.wg.Go(func() { a.health.run(ctx) })
	return nil
}

func (a *appender) prepareUntilDone(ctx context.Context, host component.Host) {
	ticker := time.NewTicker(retryEvery)
	defer ticker.Stop()
	for wait := prepareWait; ; wait = min(2*wait, prepareMost) {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		switch err := a.prepare(ctx, wait); {
		case err == nil:
			a.set.Logger.Info("Kafka is reachable: requests are accepted")
			a.health.worked()
			return
		case errors.Is(err, cluster.ErrRefused):
			componentstatus.ReportStatus(host, componentstatus.NewFatalErrorEvent(err))
			return
		default:
			a.health.failed(err)
		}
	}
}

var errOptions = errors.New("kafka client")

// prepare connects, within wait, and sets a.ready.
func (a *appender) prepare(ctx context.Context, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	opts, err := a.cfg.Kafka.Options(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errOptions, err)
	}
	admin, err := kgo.NewClient(append(opts, kgo.MetadataMinAge(metadataAge))...)
	if err != nil {
		return fmt.Errorf("%w: %w", errOptions, err)
	}
	defer admin.Close()
	layout, maxMessage, err := cluster.Ensure(ctx, admin, a.cfg.Kafka.TopicPrefix, a.signal, a.cfg.Topics)
	if err != nil {
		return err
	}
	topic := a.signal.Topic(a.cfg.Kafka.TopicPrefix)
	producer, err := cluster.NewProducer(opts, a.cfg.MaxInFlight, maxMessage, map[string]int32{topic: layout.Partitions})
	if err != nil {
		return fmt.Errorf("%w: %w", errOptions, err)
	}
	a.ready.Store(&target{
		producer: producer, topic: topic, layout: layout,
		maxBytes: min(a.cfg.MaxRecord, int(maxMessage)-recordOverhead),
		mostOne:  min(int(maxMessage), cluster.RecordBytes) - recordOverhead,
	})
	return nil
}

// Shutdown need not wait: receivers have stopped, and every request has been answered.
func (a *appender) Shutdown(context.Context) error {
	if a.stop != nil {
		a.stop()
	}
	a.wg.Wait()
	if t := a.ready.Swap(nil); t != nil {
		t.producer.Close()
	}
	a.telemetry.Shutdown()
	return nil
}

// write returns when Kafka has the request, or with an error: a retryable one, or one that says what is wrong with the whole request.
func (a *appender) write(ctx context.Context, r *request) error {
	if r.items == 0 {
		return a.countRefused(ctx, r)
	}
	if why, ok := a.health.refusal(); !ok {
		return a.refuse(ctx, full, errors.New(why), retryAfterFull)
	}
	t := a.ready.Load()
	if t == nil {
		return a.refuse(ctx, "not_ready", fmt.Errorf("journal: Kafka (%s) could not be reached yet", a.health.brokers), retryAfter)
	}
	began := time.Now()
	batch := &journal.Batch{Signal: a.signal, Request: r.encoded, Sources: r.sources, Metadata: a.metadata(ctx), Received: began, Items: r.items}
	records, large, err := batch.Records(t.layout, t.maxBytes)
	if err != nil {
		return consumererror.NewPermanent(err)
	}
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Timeout)
	defer cancel()
	ctx, release := a.health.bound(ctx)
	defer release()
	large, tooLong := t.divide(large)
	records = append(records, large...)
	toWrite := make([]*kgo.Record, len(records))
	bytes := int64(0)
	for i := range records {
		toWrite[i] = records[i].Kafka(t.topic)
		bytes += int64(len(records[i].Value))
	}
	failed, err := t.producer.Write(ctx, toWrite)
	if err != nil {
		return a.unwritten(ctx, t, len(records), err)
	}
	a.health.worked()
	written := len(records) - len(failed)
	note(ctx, a.signal, toWrite, failed)
	for i := range tooLong {
		bytes += int64(len(tooLong[i].Value))
		failed = append(failed, tooLong[i].Kafka(t.topic))
	}
	deadItems := 0
	if len(failed) > 0 {
		for _, k := range failed {
			deadItems += itemsIn(a.signal, k.Value)
			bytes -= int64(len(k.Value))
		}
		err := a.deadLetter(ctx, t, failed, deadItems)
		if errors.Is(err, kerr.MessageTooLarge) {
			return consumererror.NewPermanent(fmt.Errorf("an item is larger than the dead letter topic accepts (%d bytes): %w", cluster.DeadLetterBytes, err))
		}
		if err != nil {
			return a.unwritten(ctx, t, len(failed), err)
		}
	}
	for i, k := range toWrite {
		if !slices.Contains(failed, k) {
			a.usage.Use(usage.Key{Tenant: records[i].Tenant, Service: records[i].Service, Signal: string(a.signal)}, usage.Sum{Items: records[i].Items, Bytes: int64(len(records[i].Value))})
		}
	}
	a.telemetry.ProcessorKafkaReplayAppendDuration.Record(ctx, time.Since(began).Seconds(), a.labels)
	a.telemetry.ProcessorKafkaReplayAppendedRecords.Add(ctx, int64(written), a.labels)
	a.telemetry.ProcessorKafkaReplayAppendedItems.Add(ctx, int64(r.items-deadItems), a.labels)
	a.telemetry.ProcessorKafkaReplayAppendedBytes.Add(ctx, bytes, a.labels)
	return a.countRefused(ctx, r)
}

// note adds the positions of the records to the receipt, if the client wants one.
func note(ctx context.Context, signal journal.Signal, records, failed []*kgo.Record) {
	if !receipt.Wanted(ctx) {
		return
	}
	for _, r := range records {
		if !slices.Contains(failed, r) {
			receipt.Written(ctx, string(signal), r.Partition, r.Offset)
		}
	}
}

// deadLetter writes records, which have so many items, to the dead letter topic, because they are too large for the journal.
func (a *appender) deadLetter(ctx context.Context, t *target, records []*kgo.Record, items int) error {
	dead := make([]*kgo.Record, len(records))
	for i, r := range records {
		dead[i] = journal.DeadLetter(a.cfg.Kafka.TopicPrefix, stage, tooLarge, r, false)
	}
	if err := t.producer.WriteLarge(ctx, dead...); err != nil {
		return err
	}
	a.telemetry.ProcessorKafkaReplayDeadLetters.Add(ctx, int64(len(dead)), a.labels)
	a.telemetry.ProcessorKafkaReplayDeadLetterItems.Add(ctx, int64(items), a.labels)
	a.set.Logger.Warn("records larger than the topic's max.message.bytes were written to the dead letter topic", zap.Int("records", len(dead)))
	return nil
}

// unwritten refuses a request of which not everything is written.
func (a *appender) unwritten(ctx context.Context, t *target, records int, err error) error {
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		a.lost(t, err)
	case errors.Is(err, cluster.ErrBusy):
		return a.refuse(ctx, "busy", fmt.Errorf("journal: %w", err), retryAfter)
	case errors.Is(context.Cause(ctx), errFull):
		why, ok := a.health.refusal()
		if ok { // It has room again in the meantime.
			return a.refuse(ctx, full, fmt.Errorf("%w", errFull), retryAfter)
		}
		return a.refuse(ctx, full, errors.New(why), retryAfterFull)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = a.health.unconfirmed(records, a.cfg.Timeout)
		a.health.failed(err)
		return a.refuse(ctx, "timeout", fmt.Errorf("journal: %w", err), retryAfter)
	case ctx.Err() != nil: // The client has disconnected: that says nothing about Kafka.
		return a.refuse(ctx, "timeout", fmt.Errorf("journal: %w", err), retryAfter)
	}
	a.health.failed(err)
	return a.refuse(ctx, "kafka", fmt.Errorf("journal: %w", err), retryAfter)
}

// lost replaces t, whose topic was deleted: creates it if nobody has, and checks it. A client of a topic that was deleted and created again asks for the old
// one for ever.
func (a *appender) lost(t *target, err error) {
	if !a.ready.CompareAndSwap(t, nil) {
		return // another request was first
	}
	a.set.Logger.Warn("The journal's topic was deleted: requests are refused until there is one", zap.String("topic", t.topic), zap.Error(err))
	a.wg.Go(func() {
		t.producer.Close()
		a.anew()
	})
}

// refuse counts, and returns an error that becomes 503 with Retry-After, or UNAVAILABLE with RetryInfo.
func (a *appender) refuse(ctx context.Context, reason string, err error, after time.Duration) error {
	a.telemetry.ProcessorKafkaReplayRefusedRequests.Add(ctx, 1, a.reason(reason))
	s := status.New(codes.Unavailable, err.Error())
	detailed, detailErr := s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
	if detailErr != nil {
		return s.Err()
	}
	return detailed.Err()
}

func (a *appender) reason(why string) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(attribute.String("signal", string(a.signal)), attribute.String("reason", why)))
}

func (a *appender) metadata(ctx context.Context) map[string][]string {
	if len(a.keys) == 0 {
		return nil
	}
	all := client.FromContext(ctx).Metadata
	kept := map[string][]string{}
	for _, k := range a.keys {
		if values := all.Get(k); len(values) > 0 {
			kept[k] = values
		}
	}
	return kept
}
