package piiscrubberprocessor

import (
	"context"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/xpdata/entity"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/internal/tenant"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/metadata"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/protect"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/scrub"
)

// Values of the attribute signal.
const signalLogs, signalTraces, signalMetrics, signalProfiles = "logs", "traces", "metrics", "profiles"

// scrubber is the processor of all pipelines that name one component ID. Batches arrive concurrently.
type scrubber struct {
	id        component.ID
	cfg       *Config
	log       *zap.Logger
	scrub     *scrub.Scrubber // set once more with the key of a file or an extension
	telemetry *metadata.TelemetryBuilder
	batches   sync.Pool // *scrub.Batch
	preview   *previewer
	capture   *capturer
	decrypt   *decrypter // nil without keys

	ready  atomic.Bool // the keys are known; the fields above are no longer written
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	started int       // guarded by mu: number of running pipelines
	unmount func()    // guarded by mu
	unoffer func()    // guarded by mu: withdraws the scrubber from taps
	closed  func()    // removes this scrubber from the factory
	merged  sync.Once // the warning about collapsed points
	failed  sync.Map  // by name, the detectors whose failure was logged
}

func newScrubber(set component.TelemetrySettings, id component.ID, cfg *Config, closed func()) (*scrubber, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set)
	if err != nil {
		return nil, err
	}
	s := &scrubber{id: id, cfg: cfg, log: set.Logger, telemetry: telemetry, closed: closed}
	keys, err := cfg.keyring()
	if err != nil {
		return nil, err
	}
	return s, s.use(keys)
}

// use builds what needs the keys.
func (s *scrubber) use(keys *protect.Keyring) error {
	built, err := s.cfg.build(keys)
	if err != nil {
		return err
	}
	s.scrub = built
	s.batches.New = func() any { return built.NewBatch() }
	if s.preview, err = newPreviewer(s.id.String(), built, s.log); err != nil {
		return err
	}
	s.capture = newCapturer(s.preview.scrub, s.log)
	if keys != nil {
		s.decrypt = &decrypter{id: s.id.String(), keys: keys, log: s.log, telemetry: s.telemetry}
	}
	return nil
}

// start gets the key and registers the pages, with the first pipeline.
func (s *scrubber) start(ctx context.Context, host component.Host) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started++; s.started > 1 {
		return nil
	}
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return s.openKey(ctx, host)
}

// beginLocked registers the pages and accepts batches: the keys are known. Guarded by mu.
func (s *scrubber) beginLocked(host component.Host) (err error) {
	if s.unmount, err = s.mount(host); err != nil {
		return err
	}
	s.unoffer, err = s.offer(host)
	s.ready.Store(err == nil)
	return err
}

// mount registers the pages with the first extension that serves admin pages; without one there are none.
func (s *scrubber) mount(host component.Host) (unmount func(), err error) {
	m, ok := admin.Find(host)
	if !ok {
		return nil, nil
	}
	preview := admin.Need{Scopes: []string{access.Read, access.Decrypt}}
	mux := &admin.Mux{}
	mux.HandleFunc("POST /preview", preview, s.preview.preview)
	moved := admin.Moved(s.id, "scrubber")
	mux.HandleFunc("GET /{$}", preview, moved)
	mux.HandleFunc("GET /preview", preview, moved)
	s.capture.admin = admin.FindAuthorizer(host)
	mux.HandleFunc("POST /capture", admin.Need{Operator: true, Scopes: []string{access.Decrypt}, Personal: true}, s.capture.serve)
	title := "PII scrubber: preview"
	if s.decrypt != nil {
		title += ", decrypt"
		s.decrypt.admin = s.capture.admin
		decrypt := admin.Need{Scopes: []string{access.Decrypt}, Personal: true}
		mux.HandleFunc("POST /decrypt", decrypt, s.decrypt.decrypt)
	}
	return m.Mount(s.preview.id, title, mux)
}

// shutdown unregisters the pages with the last pipeline.
func (s *scrubber) shutdown(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started == 0 { // never started, or stopped before
		s.telemetry.Shutdown()
		s.closed()
		return nil
	}
	if s.started--; s.started > 0 {
		return nil
	}
	s.cancel()
	s.mu.Unlock() // the goroutine that waits for the key may need it
	s.wg.Wait()
	s.mu.Lock()
	s.capture.close()
	if s.unoffer != nil {
		s.unoffer()
		s.unoffer = nil
	}
	if s.unmount != nil {
		s.unmount()
		s.unmount = nil
	}
	s.telemetry.Shutdown()
	s.closed()
	return nil
}

// pass scrubs one batch: it calls each with the Batch, and counts the results under signal. Without a key it refuses the batch, and the
// client sends it again.
func (s *scrubber) pass(ctx context.Context, signal string, each func(*scrub.Batch)) error {
	if !s.ready.Load() {
		return errNoKeyYet
	}
	b := s.batches.Get().(*scrub.Batch)
	b.Tap = s.capture.tap(signal)
	each(b)
	s.count(ctx, signal, b)
	b.Reset()
	s.batches.Put(b)
	return nil
}

func (s *scrubber) count(ctx context.Context, signal string, b *scrub.Batch) {
	sig := attribute.String("signal", signal)
	b.Each(func(name string, action protect.Action, n int64) {
		s.telemetry.ProcessorPiiScrubberFindings.Add(ctx, n, metric.WithAttributes(
			attribute.String("action", action.String()), attribute.String("detector", name), sig))
	})
	for reason, n := range b.Missed {
		if n == 0 {
			continue
		}
		outcome := "passed"
		if s.scrub.FailClosed && scrub.Limit(reason) != scrub.Binary {
			outcome = "redacted"
		}
		s.telemetry.ProcessorPiiScrubberUnscanned.Add(ctx, n, metric.WithAttributes(
			attribute.String("outcome", outcome), attribute.String("reason", reasons[reason]), sig))
	}
	for f, failed := range b.Failures {
		s.telemetry.ProcessorPiiScrubberDetectorFailures.Add(ctx, failed.Values, metric.WithAttributes(
			attribute.String("detector", f.Detector), attribute.String("field", f.Place), sig))
		if _, said := s.failed.LoadOrStore(f.Detector, true); !said {
			s.report(signal, f, failed)
		}
	}
}

// report logs the only line about a failing detector. It is a bug of ours, so the line has what is needed to find it, and nothing of the
// data.
func (s *scrubber) report(signal string, f scrub.Failure, failed *scrub.Failing) {
	outcome := "pass as they are"
	if s.scrub.FailClosed {
		outcome = "are redacted whole"
	}
	s.log.Error("a detector fails: values on which it fails "+outcome+" and are counted; logged once for each detector",
		zap.String("detector", f.Detector), zap.String("at", failed.At), zap.String("cause", failed.Cause),
		zap.String("signal", signal), zap.String("field", f.Place), zap.String("key", failed.Key))
}

var reasons = [scrub.Limits]string{scrub.Depth: "depth", scrub.Size: "size", scrub.Binary: "binary", scrub.Failed: "error"}

// resource scrubs the part that all signals share, in the same way for each, so that joins still work. It reads the tenant first.
func (s *scrubber) resource(ctx context.Context, b *scrub.Batch, r pcommon.Resource) {
	fromClient, _ := tenant.Client(ctx)
	b.Tenant, _ = tenant.Of(fromClient, r.Attributes()) // An invalid name counts as the default tenant's here.
	if s.cfg.Places.Resource {
		b.Identify(true)
		b.Map("resource", r.Attributes())
		s.entities(b, entity.ResourceEntityRefs(r))
		b.Identify(false)
	}
}

// entities scrubs entity references, which contain names of attributes: these change like those of the resource.
func (s *scrubber) entities(b *scrub.Batch, refs entity.EntityRefSlice) {
	for _, ref := range refs.All() {
		replace(b, "resource.entity_type", ref.Type(), ref.SetType)
		replace(b, "schema_url", ref.SchemaUrl(), ref.SetSchemaUrl)
		for _, keys := range [...]pcommon.StringSlice{ref.IdKeys(), ref.DescriptionKeys()} {
			for i, k := range keys.All() {
				if key, changed := b.Key(k); changed {
					keys.SetAt(i, key)
				}
			}
		}
	}
}

func (s *scrubber) scope(b *scrub.Batch, sc pcommon.InstrumentationScope) {
	if !s.cfg.Places.Scope {
		return
	}
	b.Identify(true)
	replace(b, "scope.name", sc.Name(), sc.SetName)
	replace(b, "scope.version", sc.Version(), sc.SetVersion)
	b.Map("scope.attributes", sc.Attributes())
	b.Identify(false)
}

// schema scrubs a schema URL, which may hold credentials.
func (s *scrubber) schema(b *scrub.Batch, of interface {
	SchemaUrl() string
	SetSchemaUrl(string)
}, on bool) {
	if on {
		replace(b, "schema_url", of.SchemaUrl(), of.SetSchemaUrl)
	}
}

// replace scrubs a text with a getter and a setter.
func replace(b *scrub.Batch, path, text string, set func(string)) {
	if text == "" {
		return
	}
	if out, changed := b.Text(path, text); changed {
		set(out)
	}
}
