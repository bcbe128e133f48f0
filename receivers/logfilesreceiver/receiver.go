package logfilesreceiver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/join"
	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/metadata"
	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/tail"
)

const (
	// maxWorkers bounds how many files are read at once; each worker has its own batch.
	maxWorkers = 4
	// visitBytes is how much of one file is read before the next one's turn.
	visitBytes = 8 << 20
	// maxVisits bounds the files that are read, and so open, between two polls.
	maxVisits = 512
	// partTimeout is how long the parts of a line that a container runtime split wait for the last one.
	partTimeout = 10 * time.Second
	// scoutInterval is the interval of searches for new files while reading continues or the pipeline accepts nothing.
	scoutInterval = time.Second
)

// logFiles follows files. One goroutine finds them and saves positions; workers read, each file by one of them at a time.
type logFiles struct {
	cfg       *Config
	set       receiver.Settings
	next      consumer.Logs
	obs       *receiverhelper.ObsReport
	telemetry *metadata.TelemetryBuilder

	files  *tail.Set
	client storage.Client
	cancel context.CancelFunc
	done   sync.WaitGroup

	failed   atomic.Bool  // a batch was not delivered: the process stops
	followed atomic.Int64 // files
	unread   atomic.Int64 // bytes
	polling  context.Context
}

var _ receiver.Logs = (*logFiles)(nil)

func newLogFiles(cfg *Config, set receiver.Settings, next consumer.Logs) (*logFiles, error) {
	obs, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{ReceiverID: set.ID, ReceiverCreateSettings: set})
	if err != nil {
		return nil, err
	}
	return &logFiles{cfg: cfg, set: set, next: next, obs: obs}, nil
}

// Start starts reading at the positions in the storage.
func (r *logFiles) Start(ctx context.Context, host component.Host) (err error) {
	if r.client, err = storageClient(ctx, host, r.cfg.Storage, r.set.ID); err != nil {
		return err
	}
	positions, err := loadPositions(ctx, r.client)
	if err != nil {
		return fmt.Errorf("read positions: %w", err)
	}
	var legacy []tail.Legacy
	if len(positions) == 0 && r.cfg.Storage != nil {
		if legacy, err = loadLegacy(ctx, host, *r.cfg.Storage, r.set.ID); err != nil {
			r.set.Logger.Error("positions of file_log can't be read: files are read from their beginning", zap.Error(err))
		}
	}
	if r.telemetry, err = metadata.NewTelemetryBuilder(r.set.TelemetrySettings); err != nil {
		return err
	}
	err = r.telemetry.RegisterReceiverLogFilesFollowedFilesCallback(func(_ context.Context, o metric.Int64Observer) error {
		o.Observe(r.followed.Load())
		return nil
	})
	if err == nil {
		err = r.telemetry.RegisterReceiverLogFilesUnreadSizeCallback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(r.unread.Load())
			return nil
		})
	}
	if err != nil {
		return err
	}
	r.files = tail.NewSet(r.cfg.Include, r.cfg.Exclude, positions, legacy)
	ctx, r.cancel = context.WithCancel(context.Background())
	r.done.Go(func() { r.run(ctx) })
	return nil
}

// Shutdown stops reading and delivers the lines that were held back. What the pipeline doesn't accept is read again at the next start.
func (r *logFiles) Shutdown(ctx context.Context) (err error) {
	if r.cancel == nil {
		return nil
	}
	r.cancel()
	r.cancel = nil
	r.done.Wait()
	if !r.failed.Load() {
		b := newBatch(r)
		for _, f := range r.files.Files() {
			src := r.source(f)
			src.streams.Flush(false, b.add)
			b.touch(src)
		}
		b.send(ctx)
	}
	r.files.AbandonCopies(r.report)
	r.files.Finish()
	err = r.save(ctx)
	r.files.Close()
	r.telemetry.Shutdown()
	if closeErr := r.client.Close(ctx); err == nil {
		err = closeErr
	}
	return err
}

func (r *logFiles) run(ctx context.Context) {
	ticker := time.NewTicker(r.cfg.PollInterval)
	defer ticker.Stop()
	for {
		for r.poll(ctx) && ctx.Err() == nil { //nolint:revive // until all is read
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// poll reads new text, and reports whether there already is more.
func (r *logFiles) poll(ctx context.Context) (more bool) {
	r.polling = ctx
	now := time.Now()
	r.files.Poll(now, r.report)
	all := r.files.Files()
	work := r.work(all, now)
	slices.SortFunc(work, func(a, b *tail.File) int { return a.Visited.Compare(b.Visited) })
	r.read(ctx, work[:min(len(work), maxVisits, r.files.MaxOpen())], now)
	var unread int64
	for _, f := range all {
		more = more || f.Behind() && r.source(f).lent == nil
		unread += max(0, f.Size()-f.Offset)
	}
	r.followed.Store(int64(len(all)))
	r.unread.Store(unread)
	if err := r.save(ctx); err != nil && ctx.Err() == nil {
		r.set.Logger.Error("positions were not saved: after a crash the lines since the last save are read again", zap.Error(err))
	}
	return more
}

// read distributes files to workers.
func (r *logFiles) read(ctx context.Context, work []*tail.File, now time.Time) {
	var taken atomic.Int64
	worker := func() {
		b := newBatch(r)
		for ctx.Err() == nil {
			i := int(taken.Add(1)) - 1
			if i >= len(work) {
				break
			}
			r.visit(ctx, b, work[i], now)
		}
		b.send(ctx)
	}
	stop := r.scout()
	defer stop()
	var workers sync.WaitGroup
	for range min(maxWorkers, runtime.GOMAXPROCS(0), len(work)) - 1 {
		workers.Go(worker)
	}
	if len(work) > 0 {
		worker()
	}
	workers.Wait()
}

// scout searches for new files until stop is called, because a file can be rotated away while the pipeline accepts nothing.
func (r *logFiles) scout() (stop func()) {
	done := make(chan struct{})
	var scouts sync.WaitGroup
	scouts.Go(func() {
		ticker := time.NewTicker(scoutInterval)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				r.files.Scout(r.report)
			}
		}
	})
	return func() {
		close(done)
		scouts.Wait()
	}
}

// due reports whether held-back lines have waited long enough.
func (r *logFiles) due(f *tail.File, now time.Time) bool {
	src := r.source(f)
	if waited := now.Sub(src.streams.Last()); src.streams.Held() && (waited >= r.cfg.FlushTimeout && src.flushed != src.streams.Last() || waited >= partTimeout) {
		return true
	}
	return f.Unended() && now.Sub(f.Grown()) >= r.cfg.FlushTimeout
}

// visit reads a file to its end, or for visitBytes.
func (r *logFiles) visit(ctx context.Context, b *batch, f *tail.File, now time.Time) {
	src := r.source(f)
	flush := now.Sub(f.Grown()) >= r.cfg.FlushTimeout
	from := f.ReadTo()
	for {
		b.now = time.Now()
		err := f.Read(&b.buffer, r.cfg.MaxRecordSize, flush, func(line join.Line) bool {
			line.File = src
			src.streams.Add(line, now, b.add)
			return !b.full()
		})
		b.touch(src)
		if errors.Is(err, fs.ErrNotExist) {
			break // renamed since: the next poll finds it
		}
		if err != nil {
			r.telemetry.ReceiverLogFilesReadErrors.Add(ctx, 1)
			r.set.Logger.Warn("reading failed", zap.String("path", f.Path), zap.Error(err))
			break
		}
		if !f.Behind() {
			src.streams.Settle(b.add)
			if waited := now.Sub(src.streams.Last()); waited >= r.cfg.FlushTimeout {
				src.streams.Flush(waited >= partTimeout, b.add)
				src.flushed = src.streams.Last()
			}
			break
		}
		if b.full() && !b.send(ctx) || f.ReadTo()-from > visitBytes {
			break
		}
	}
	b.touch(src)
	if b.full() {
		b.send(ctx)
	}
}
