package embeddedkafkaextension

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/broker"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/commitlog"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/metadata"
)

// trimInterval is the time between two checks of the log's size and age. Between two checks the extension counts bytes.
const trimInterval = time.Second

// tryEvery is the pause between two attempts to open a log on a disk that is full.
const tryEvery = time.Second

// Without max_size the log may use one freeShare-th of the free disk space, at most maxDefaultSize. It may always use minDefaultSize, because the
// topics of a profile need as many segments; a disk with less space refuses anyway.
const (
	freeShare      = 4
	minDefaultSize = 256 << 20
	maxDefaultSize = 10 << 30
)

var _ extension.Extension = (*kafka)(nil)

// kafka is the extension: it opens the broker before any pipeline starts and closes it after all have stopped. On a disk that is full
// it opens the broker when there is room: clients of the journal take it for a Kafka that can't be reached yet.
type kafka struct {
	cfg       *Config
	log       *zap.Logger
	telemetry *metadata.TelemetryBuilder
	broker    atomic.Pointer[broker.Broker] // nil before it is open and after Shutdown
	waiting   atomic.Bool                   // for room to open the log
	stop      context.CancelFunc            // of the waiting; nil if there is none
	wg        sync.WaitGroup

	mu     sync.Mutex
	logged map[string]bool // guarded by mu; findings of attempts to open the log; nil when it is open
}

func newKafka(cfg *Config, set extension.Settings) (*kafka, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	return &kafka{cfg: cfg, log: set.Logger, telemetry: telemetry, logged: map[string]bool{}}, nil
}

// Start blocks until the log is open, or waits for room. It reads the last segment of each partition.
func (k *kafka) Start(ctx context.Context, host component.Host) error {
	ctx = context.WithoutCancel(ctx)
	err := k.open(ctx)
	if !full(err) {
		return err
	}
	k.log.Error("The journal is not open yet: the disk is full. Requests are refused (503, UNAVAILABLE) until it has space", zap.Error(err))
	componentstatus.ReportStatus(host, componentstatus.NewRecoverableErrorEvent(err))
	k.waiting.Store(true)
	ctx, k.stop = context.WithCancel(ctx)
	k.wg.Go(func() { k.openWhenPossible(ctx, host) })
	return nil
}

// full says whether an error of the file system goes away when people, or what else writes there, make room.
func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// openWhenPossible tries again until the log is open or ctx ends.
func (k *kafka) openWhenPossible(ctx context.Context, host component.Host) {
	ticker := time.NewTicker(tryEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := k.open(context.WithoutCancel(ctx))
		if full(err) {
			continue
		}
		k.waiting.Store(false)
		if err != nil {
			componentstatus.ReportStatus(host, componentstatus.NewFatalErrorEvent(err))
			return
		}
		k.log.Error("The journal is open: the disk has space again") // At the level of the beginning: a log filtered by level shows both ends.
		componentstatus.ReportStatus(host, componentstatus.NewEvent(componentstatus.StatusOK))
		return
	}
}

// open opens the log and serves it.
func (k *kafka) open(ctx context.Context) error {
	limit, err := k.limit()
	if err != nil {
		return err
	}
	b, err := broker.Open(broker.Settings{
		Address: k.cfg.Endpoint, Directory: k.cfg.Directory, MaxBytes: limit, Allowed: k.allowed(), SegmentBytes: int64(k.cfg.segment(Size(limit))), TrimInterval: trimInterval,
		Problem: func(err error) {
			k.telemetry.ExtensionEmbeddedKafkaProblems.Add(ctx, 1)
			k.log.Warn("the embedded broker has a problem", zap.Error(err))
		},
		Found: func(f commitlog.Finding) { k.found(ctx, f) },
	})
	if err != nil {
		return err
	}
	if k.cfg.MaxSize <= 0 {
		k.log.Info("max_size is not set: the log may use a quarter of the free disk space, at most 10 GiB", zap.Int64("max_size", limit))
	}
	k.mu.Lock()
	k.logged = nil
	k.mu.Unlock()
	k.broker.Store(b)
	return k.observe(b)
}

// limit returns the size limit of the log.
func (k *kafka) limit() (int64, error) {
	if k.cfg.MaxSize > 0 {
		return int64(k.cfg.MaxSize), nil
	}
	free, err := broker.Available(k.cfg.Directory)
	if err != nil {
		return 0, fmt.Errorf("max_size: read the free space of the file system of %s: %w", k.cfg.Directory, err)
	}
	return k.defaultSize(free), nil
}

// defaultSize is the limit without max_size while so many bytes of the disk are free.
func (k *kafka) defaultSize(free int64) int64 {
	return max(min(free/freeShare, maxDefaultSize), minDefaultSize, int64(minSegments*k.cfg.segment(0)))
}

// allowed makes the limit grow with the free space. A log that was opened as soon as a full disk had some would otherwise keep the limit of that
// moment until the next start.
func (k *kafka) allowed() func(free int64) int64 {
	if k.cfg.MaxSize > 0 {
		return nil
	}
	return k.defaultSize
}

// found counts and logs a finding. The finding is in the message, because a sampling logger drops equal messages. A repeated attempt to open the log
// may return the same findings, which are not reported again.
func (k *kafka) found(ctx context.Context, f commitlog.Finding) {
	k.mu.Lock()
	again := k.logged[f.String()]
	if k.logged != nil {
		k.logged[f.String()] = true
	}
	k.mu.Unlock()
	if again {
		return
	}
	k.telemetry.ExtensionEmbeddedKafkaFindings.Add(ctx, 1, metric.WithAttributes(attribute.String("kind", string(f.Kind))))
	if f.Lost() > 0 {
		k.telemetry.ExtensionEmbeddedKafkaLostRecords.Add(ctx, f.Lost(), metric.WithAttributes(attribute.String("reason", string(f.Kind))))
		k.log.Error("records of the journal can't be read: "+f.String(), zap.Int64("records", f.Lost()))
		return
	}
	k.log.Warn("the journal differs from the state in which the last process left it: " + f.String())
}

func (k *kafka) observe(b *broker.Broker) error {
	err := k.telemetry.RegisterExtensionEmbeddedKafkaCapacityCallback(func(_ context.Context, o metric.Int64Observer) error {
		o.Observe(b.Limit())
		return nil
	})
	if err != nil {
		return err
	}
	err = k.telemetry.RegisterExtensionEmbeddedKafkaSizeCallback(func(_ context.Context, o metric.Int64Observer) error {
		o.Observe(b.Bytes())
		return nil
	})
	if err != nil {
		return err
	}
	return k.telemetry.RegisterExtensionEmbeddedKafkaFullCallback(func(_ context.Context, o metric.Int64Observer) error {
		full := int64(0)
		if b.Full() {
			full = 1
		}
		o.Observe(full)
		return nil
	})
}

// Shutdown closes the broker.
func (k *kafka) Shutdown(context.Context) error {
	if k.stop != nil {
		k.stop()
	}
	k.wg.Wait()
	k.telemetry.Shutdown()
	if b := k.broker.Swap(nil); b != nil {
		return b.Close()
	}
	return nil
}
