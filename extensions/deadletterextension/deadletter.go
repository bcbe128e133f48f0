package deadletterextension

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensionmiddleware"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/deadletterextension/internal/dispatch"
	"github.com/penstockhq/penstock/extensions/deadletterextension/internal/letters"
	"github.com/penstockhq/penstock/extensions/deadletterextension/internal/metadata"
	"github.com/penstockhq/penstock/extensions/deadletterextension/internal/parts"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/outage"
)

const (
	// logInterval is the time between two lines about dead letters of one signal and reason.
	logInterval = time.Minute
	// refuser is the name of this extension in a delivery's outcome.
	refuser = "dead_letter"
)

var (
	_ extension.Extension            = (*deadLetter)(nil)
	_ extensionmiddleware.GRPCClient = (*deadLetter)(nil)
	_ extensionmiddleware.HTTPClient = (*deadLetter)(nil)
	_ dispatch.Observer              = (*deadLetter)(nil)
)

// deadLetter is the middleware between exporters and their servers. Exporters that send to one server share a lane for each signal.
type deadLetter struct {
	id        component.ID
	cfg       *Config
	set       component.TelemetrySettings
	telemetry *metadata.TelemetryBuilder // nil before Start
	box       *letters.Box               // nil before Start
	lines     outage.Lines
	stop      context.CancelFunc
	unmount   func()
	running   sync.WaitGroup

	mu    sync.Mutex
	lanes map[string]*lane // guarded by mu; by server and signal
}

// lane is the state of one signal to one server, with its parked requests.
type lane struct {
	*dispatch.Lane
	signal    parts.Signal
	directory string

	mu     sync.Mutex
	parked *letters.Box  // guarded by mu; nil while the directory can't be opened
	post   dispatch.Post // guarded by mu; the latest call's way to send, nil before the first call
}

func newDeadLetter(cfg *Config, set extension.Settings) *deadLetter {
	return &deadLetter{id: set.ID, cfg: cfg, set: set.TelemetrySettings, lanes: map[string]*lane{}}
}

// Start opens the directory. Parked requests are sent once an exporter has made its first call.
func (d *deadLetter) Start(_ context.Context, host component.Host) (err error) {
	if d.box, err = letters.Open(d.cfg.Directory, d.cfg.MaxSize); err != nil {
		return fmt.Errorf("open dead letters in %s: %w", d.cfg.Directory, err)
	}
	if d.telemetry, err = metadata.NewTelemetryBuilder(d.set); err != nil {
		return err
	}
	err = errors.Join(
		d.telemetry.RegisterExtensionDeadLetterSizeCallback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(d.box.Size())
			return nil
		}),
		d.telemetry.RegisterExtensionDeadLetterParkedRequestsCallback(func(_ context.Context, o metric.Int64Observer) error {
			n := 0
			for _, l := range d.all() {
				names, _ := l.waiting()
				n += len(names)
			}
			o.Observe(int64(n))
			return nil
		}))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.stop = cancel
	d.running.Go(func() { d.resume(ctx) })
	d.unmount = d.mount(host)
	return nil
}

// Shutdown stops everything that Start began. Parked requests stay on disk.
func (d *deadLetter) Shutdown(context.Context) error {
	if d.stop != nil {
		d.unmount()
		d.stop()
		d.running.Wait()
	}
	if d.telemetry != nil {
		d.telemetry.Shutdown()
	}
	return nil
}

// lane returns the lane of signal to server; from now on its parked requests are sent with post.
func (d *deadLetter) lane(server string, signal parts.Signal, post dispatch.Post) *lane {
	name := server + " " + string(signal)
	d.mu.Lock()
	l := d.lanes[name]
	if l == nil {
		l = &lane{Lane: dispatch.NewLane(name, signal, d), signal: signal,
			directory: filepath.Join(d.cfg.Directory, "parked", directoryOf(server), string(signal))}
		d.lanes[name] = l
	}
	d.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.post == nil {
		l.openLocked(d)
	}
	l.post = post
	return l
}

// openLocked opens the directory of parked requests. Without one, no request is parked, and everything else continues.
func (l *lane) openLocked(d *deadLetter) bool {
	if l.parked == nil {
		box, err := letters.Open(l.directory, 1<<62)
		if err != nil {
			if d.lines.Allow("open", time.Now(), logInterval) {
				d.set.Logger.Error("requests can't be parked", zap.String("directory", l.directory), zap.Error(err))
			}
			return false
		}
		l.parked = box
	}
	return true
}

// waiting returns the parked requests, and the way to send them.
func (l *lane) waiting() ([]string, dispatch.Post) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.parked == nil {
		return nil, nil
	}
	return l.parked.Names(), l.post
}

func (d *deadLetter) all() []*lane {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]*lane, 0, len(d.lanes))
	for _, l := range d.lanes {
		all = append(all, l)
	}
	return all
}

// resume sends parked requests, one lane after the other, until ctx ends.
func (d *deadLetter) resume(ctx context.Context) {
	tick := time.NewTicker(d.cfg.RetryInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, l := range d.all() {
			names, post := l.waiting()
			for _, name := range names {
				if !d.resumeOne(ctx, l, name, post) {
					break
				}
			}
		}
	}
}

// resumeOne sends one parked request; ok is false if the server accepts nothing, or the extension stops.
func (d *deadLetter) resumeOne(ctx context.Context, l *lane, name string, post dispatch.Post) (ok bool) {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	body, err := l.parked.Read(name)
	if err == nil {
		if !l.Resume(ctx, name, body, post) {
			return ctx.Err() == nil
		}
		err = l.parked.Remove(name)
	}
	if err != nil && d.lines.Allow("parked", time.Now(), logInterval) {
		d.set.Logger.Error("a parked request can't be sent", zap.String("file", name), zap.Error(err))
	}
	return err == nil
}

// KeepLogs stores n records that an exporter discards, with the exporter's reason. It is for exporters that interpret their store's answers
// themselves. It returns when the records are on disk.
func (d *deadLetter) KeepLogs(ctx context.Context, l delivery.Letter, n int) error {
	return d.StoreDeadLetter(ctx, parts.Logs, n, "refused", l.Request, fmt.Errorf("%s: %s: %s", l.By, l.Reason, l.Cause))
}

// StoreDeadLetter stores items as a dead letter.
func (d *deadLetter) StoreDeadLetter(ctx context.Context, signal parts.Signal, items int, reason string, body []byte, cause error) error {
	now := time.Now()
	name, removed, err := d.box.Put(now, letters.DeadLetter{Signal: string(signal), Items: items, Reason: reason}, body)
	for _, l := range removed {
		d.telemetry.ExtensionDeadLetterLostItems.Add(ctx, int64(l.Items), attributes(l.Signal, "full"))
	}
	if len(removed) > 0 && d.lines.Allow("full", now, logInterval) {
		d.set.Logger.Error("the dead letters have reached max_size: the oldest are deleted", zap.String("directory", d.cfg.Directory), zap.Int64("max_size", d.cfg.MaxSize))
	}
	switch {
	case errors.Is(err, letters.ErrTooLarge):
		d.telemetry.ExtensionDeadLetterLostItems.Add(ctx, int64(items), attributes(string(signal), reason))
		d.set.Logger.Error("items that a server refused are larger than max_size: they are lost", zap.String("signal", string(signal)), zap.Int("items", items))
	case err != nil:
		if d.lines.Allow("write", now, logInterval) {
			d.set.Logger.Error("dead letters can't be stored; refused items wait in the exporter's queue", zap.Error(err))
		}
		return fmt.Errorf("store a dead letter: %w", err)
	default:
		d.telemetry.ExtensionDeadLetterItems.Add(ctx, int64(items), attributes(string(signal), reason))
		if d.lines.Allow(string(signal)+reason, now, logInterval) {
			d.set.Logger.Warn("a server refuses some items permanently: they are stored as a dead letter", zap.String("signal", string(signal)),
				zap.Int("items", items), zap.String("reason", reason), zap.String("file", filepath.Join(d.cfg.Directory, name)), zap.NamedError("cause", cause))
		}
	}
	delivery.Of(ctx).Outcome.Refuse(refuser, reason, int64(items), delivery.UnitItem)
	return nil
}

// Park stores a request, which [deadLetter.resume] sends later.
func (d *deadLetter) Park(dl *dispatch.Lane, body []byte, items int) bool {
	d.mu.Lock()
	l := d.lanes[dl.Name]
	d.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.openLocked(d) || len(l.parked.Names()) >= d.cfg.MaxParked {
		return false
	}
	_, _, err := l.parked.Put(time.Now(), letters.DeadLetter{Signal: string(l.signal), Items: items, Reason: dispatch.Doubtful}, body)
	return err == nil
}

// Rejected counts items.
func (d *deadLetter) Rejected(ctx context.Context, signal parts.Signal, items int64) {
	d.telemetry.ExtensionDeadLetterRejectedItems.Add(ctx, items, metric.WithAttributes(attribute.String("signal", string(signal))))
	delivery.Of(ctx).Outcome.Refuse(refuser, "partial_success", items, delivery.UnitItem)
}
