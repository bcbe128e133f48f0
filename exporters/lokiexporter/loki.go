package lokiexporter

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/metadata"
	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/pushrequest"
	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/refusal"
	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/streamlimit"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/patience"
)

// logInterval is the least time between two log messages about refused entries.
const logInterval = 10 * time.Second

// lokiExporter sends each push before it returns, on the caller's goroutine.
type lokiExporter struct {
	cfg     *Config
	set     exporter.Settings
	policy  *policy
	tenants *tenants
	tb      *metadata.TelemetryBuilder
	pusher  *pusher
	// patience tracks the tenants that Loki refuses.
	patience *patience.Tenants
	letters  letters // nil: none is configured
	now      func() time.Time

	// spaces are reused from push to push. A sync.Pool would lose them with each garbage collection, which happens every few pushes, and
	// growing the arena again costs as much as filling it.
	spaces     chan *workspace
	lastLogged atomic.Int64
}

func newLokiExporter(cfg *Config, set exporter.Settings) (*lokiExporter, error) {
	tb, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	policy := newPolicy(cfg)
	e := &lokiExporter{
		cfg: cfg, set: set, policy: policy, tb: tb, patience: patience.New(cfg.TenantPatience), now: time.Now, spaces: make(chan *workspace, runtime.GOMAXPROCS(0)),
		tenants: newTenants(streamlimit.Settings{
			MaxStreams:  cfg.StreamLimit.MaxStreams,
			Idle:        cfg.StreamLimit.IdleTimeout,
			Release:     cfg.StreamLimit.ReleaseAfter,
			MaxBehind:   cfg.Limits.MaxBehind,
			StreamRate:  float64(cfg.Limits.StreamBytesPerSecond),
			StreamBurst: float64(cfg.Limits.StreamBurstBytes),
			Render:      policy.render,
			Last:        policy.movedLast(),
		}, cfg.StreamLimit.MaxTenants),
	}
	return e, nil
}

// workspace is the memory for one push.
type workspace struct {
	*translator
	plain, compressed []byte
	entries           []pushrequest.Entry // metadata of the stream that is being encoded
	spare             [][]entry           // emptied slices of streams
}

// Most slices of entries that are reused from push to push, and the most entries in one: 40 bytes each.
const (
	maxSpare        = 64
	maxSpareEntries = 8192
)

// recycle reuses the memory of sent batches.
func (w *workspace) recycle(batches []*batch) {
	for _, b := range batches {
		for _, st := range b.streams {
			if len(w.spare) < maxSpare && cap(st.entries) <= maxSpareEntries {
				w.spare = append(w.spare, st.entries[:0])
			}
		}
	}
}

func (e *lokiExporter) workspace() *workspace {
	select {
	case w := <-e.spaces:
		return w
	default:
		return &workspace{translator: newTranslator(e.cfg, e.policy, e.tellMove)}
	}
}

func (e *lokiExporter) keep(w *workspace) {
	w.release()
	select {
	case e.spaces <- w:
	default:
	}
}

func (e *lokiExporter) start(ctx context.Context, host component.Host) error {
	url, err := pushURL(e.cfg.ClientConfig.Endpoint)
	if err != nil {
		return fmt.Errorf("endpoint: %w", err)
	}
	if id := e.cfg.DeadLetter; id != nil {
		var ok bool
		if e.letters, ok = host.GetExtensions()[*id].(letters); !ok {
			return fmt.Errorf("dead_letter: %q is not a dead_letter extension of this configuration", id)
		}
	}
	settings := e.cfg.ClientConfig
	settings.Compression = ""
	httpClient, err := settings.ToClient(ctx, host.GetExtensions(), e.set.TelemetrySettings)
	if err != nil {
		return err
	}
	e.pusher = &pusher{http: httpClient, url: url, encoding: e.cfg.Encoding}
	observe := func(pick func(count, streams, moved int64) int64) metric.Int64Callback {
		return func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(pick(e.tenants.size()), e.self())
			return nil
		}
	}
	for _, err := range []error{
		e.tb.RegisterExporterLokiTenantsCallback(observe(func(count, _, _ int64) int64 { return count })),
		e.tb.RegisterExporterLokiStreamsCallback(observe(func(_, streams, _ int64) int64 { return streams })),
		e.tb.RegisterExporterLokiMovedLabelsCallback(observe(func(_, _, moved int64) int64 { return moved })),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *lokiExporter) shutdown(context.Context) error {
	e.tb.Shutdown()
	if e.pusher != nil {
		e.pusher.http.CloseIdleConnections()
	}
	return nil
}

// push sends ld and returns when Loki has answered for all of it. The error contains only what has to be sent again; entries that Loki
// refused permanently are counted.
func (e *lokiExporter) push(ctx context.Context, ld plog.Logs) error {
	now := e.now()
	w := e.workspace()
	defer e.keep(w)
	w.reset(now)
	s := &sending{exporter: e, ctx: ctx, workspace: w, now: now, splits: maxSplits, narrow: maxNarrowings}
	batches := e.translate(ctx, ld, w, s)
	e.countChanges(ctx, w.translator)
	s.parts(batches)
	s.keep(ld)
	e.countSent(ctx, s)
	// The ledger's entry: records that are processed. logRefusal reports those of them that Loki does not have.
	delivery.Of(ctx).Outcome.Take(e.set.ID.String(), int64(s.records)-int64(len(s.resend)))
	w.recycle(batches)
	return s.result(ld)
}

// translate makes a batch for each tenant in ld. What is there when the arena is full it sends: each entry repeats what its resource says, so a small
// request can become gigabytes of entries.
func (e *lokiExporter) translate(ctx context.Context, ld plog.Logs, w *workspace, s *sending) []*batch {
	fromClient := clientTenant(ctx, e.cfg.Tenant.MetadataKey)
	var batches []*batch
	byTenant := make(map[string]*batch)
	w.full = func() {
		e.arrange(batches, w)
		s.parts(batches)
	}
	resources := ld.ResourceLogs()
	for i := range resources.Len() {
		rl := resources.At(i)
		tenant := fromClient
		if fromClient == "" {
			tenant = e.resourceTenant(rl)
		}
		if tenant != "" && !validTenant(tenant) {
			s.refuseTenant(tenant, int32(countRecords(rl)))
			continue
		}
		b, ok := byTenant[tenant]
		if !ok {
			b = &batch{tenant: tenant, limit: e.tenants.get(tenant), byText: make(map[string]*stream), spare: &w.spare}
			byTenant[tenant] = b
			batches = append(batches, b)
		}
		s.records = w.add(rl, b, s.records)
	}
	if w.outsideTime > 0 {
		s.drop(reasonOutsideWindow, w.outsideTime, "the time is outside limits.max_age and limits.max_ahead")
		s.unwanted = w.outsideTime
	}
	e.arrange(batches, w)
	return batches
}

// arrange puts the entries of each stream into the order in which Loki gets them.
func (e *lokiExporter) arrange(batches []*batch, w *workspace) {
	for _, b := range batches {
		for _, st := range b.streams {
			st.sort()
			if e.cfg.OnIdentical == identicalNudge {
				w.changes.nudged += int64(st.nudge(w.arena))
			}
		}
	}
}

// clientTenant follows internal/tenant's rule with the configured key, as resourceTenant does with the attribute and the default.
func clientTenant(ctx context.Context, key string) string {
	if values := client.FromContext(ctx).Metadata.Get(key); key != "" && len(values) > 0 {
		return values[0]
	}
	return ""
}

func (e *lokiExporter) resourceTenant(rl plog.ResourceLogs) string {
	if v, ok := rl.Resource().Attributes().Get(e.cfg.Tenant.ResourceAttribute); ok && v.AsString() != "" {
		return v.AsString()
	}
	return e.cfg.Tenant.Default
}

func countRecords(rl plog.ResourceLogs) (n int) {
	scopes := rl.ScopeLogs()
	for i := range scopes.Len() {
		n += scopes.At(i).LogRecords().Len()
	}
	return n
}

func (e *lokiExporter) countChanges(ctx context.Context, t *translator) {
	for _, c := range []struct {
		change string
		n      int64
	}{
		{"line_split", t.changes.split},
		{"line_truncated", t.changes.truncated},
		{"metadata_cut", t.changes.metadataCut},
		{"nudged", t.changes.nudged},
		{"restamped", t.changes.restamped},
	} {
		if c.n > 0 {
			e.tb.ExporterLokiChangedEntries.Add(ctx, c.n, e.self(attribute.String("change", c.change)))
		}
	}
}

func (e *lokiExporter) countSent(ctx context.Context, s *sending) {
	if s.accepted > 0 {
		e.tb.ExporterLokiAcceptedEntries.Add(ctx, s.accepted, e.self())
	}
	if s.bytes > 0 {
		e.tb.ExporterLokiRequestBytes.Add(ctx, s.bytes, e.self(attribute.String("encoding", e.cfg.Encoding)))
	}
}

// self distinguishes this exporter's metrics from those of another one.
func (e *lokiExporter) self(more ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributes(append(more, attribute.String("exporter", e.set.ID.String()))...)
}

// logRefusal counts a refusal, and logs an example at most once in logInterval.
func (e *lokiExporter) logRefusal(ctx context.Context, reason refusal.Reason, n int64, example string) {
	e.tb.ExporterLokiRefusedEntries.Add(ctx, n, e.self(attribute.String("reason", string(reason))))
	delivery.Of(ctx).Outcome.Refuse(e.set.ID.String(), string(reason), n, delivery.UnitItem)
	now, last := e.now().UnixNano(), e.lastLogged.Load()
	if now-last >= int64(logInterval) && e.lastLogged.CompareAndSwap(last, now) {
		e.set.Logger.Warn("Loki refused these entries, and they are not sent again",
			zap.String("reason", string(reason)), zap.Int64("entries", n), zap.String("example", example))
	}
}

func (e *lokiExporter) tellMove(tenant string, m streamlimit.Move) {
	e.tb.ExporterLokiLabelMoves.Add(context.Background(), 1, e.self())
	e.set.Logger.Warn("A label has too many values: it becomes structured metadata",
		zap.String("tenant", tenant), zap.String("label", e.policy.labels[m.Label].Name),
		zap.Int("values", m.Values), zap.Int("streams", m.Streams), zap.Int("stream_limit.max_streams", e.cfg.StreamLimit.MaxStreams),
		zap.Duration("stream_limit.release_after", e.cfg.StreamLimit.ReleaseAfter))
}
