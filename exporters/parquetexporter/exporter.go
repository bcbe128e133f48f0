package parquetexporter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstockhq/penstock/exporters/parquetexporter/internal/metadata"
	"github.com/penstockhq/penstock/exporters/parquetexporter/internal/rows"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/lakestore"
	"github.com/penstockhq/penstock/internal/lakestore/bucket"
	"github.com/penstockhq/penstock/internal/lakestore/place"
	"github.com/penstockhq/penstock/internal/tenant"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"
)

// encoder is rows.Logs, rows.Metrics or rows.Traces.
type encoder[D any] interface {
	Split(batch D, tenant string, limit int) *rows.Plan
	Write(w io.Writer, p rows.Partition) error
	Columns() []string
	Release()
}

// parquetExporter writes batches of one signal. Concurrent pushes don't share an encoder.
type parquetExporter[D any] struct {
	id       string
	signal   string
	config   *Config
	logger   *zap.Logger
	metrics  *metadata.TelemetryBuilder
	attr     metric.MeasurementOption
	encoders sync.Pool
	lakes    lakes // set by Start

	// unchecked: the store was away at the start, and its tables were not compared yet.
	unchecked            atomic.Bool
	unrecorded, formerly sync.Once
	files                files
	host                 component.Host
}

func newExporter[D any, E encoder[D]](set exporter.Settings, c *Config, signal string, newEncoder func() E) (*parquetExporter[D], error) {
	tb, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	return &parquetExporter[D]{
		id:       set.ID.String(),
		signal:   signal,
		config:   c,
		logger:   set.Logger,
		metrics:  tb,
		attr:     metric.WithAttributeSet(attribute.NewSet(attribute.String("signal", signal))),
		encoders: sync.Pool{New: func() any { return newEncoder() }},
	}, nil
}

// Start opens the lake and removes what writers that died have left.
func (e *parquetExporter[D]) Start(ctx context.Context, host component.Host) error {
	e.host = host
	store, err := e.openStore(ctx)
	if err != nil {
		return fmt.Errorf("url: %q: %w", e.config.URL, err)
	}
	e.lakes.configured = layout{Root: store.Root(), MaxPartitions: e.config.MaxPartitions}
	e.lakes.store, e.lakes.keys = store, e.config.S3.Keys()
	if !e.unchecked.Load() {
		if err := e.checkSchema(ctx); err != nil {
			return fmt.Errorf("url: %q: %w", e.config.URL, err)
		}
	}
	if !kept(host, store.Root()) {
		e.logger.Warn("No lake extension of this process keeps the lake: unless another gateway does, its files are never merged and retention removes nothing; add lake to service::extensions",
			zap.String("url", store.Root()))
	}
	return nil
}

// keeper is the lake extension: it merges the files of one lake, and removes what is too old.
type keeper interface{ KeepsLake(root string) bool }

// kept says whether an extension of the process keeps the lake at root.
func kept(host component.Host, root string) bool {
	for _, e := range host.GetExtensions() {
		if k, ok := e.(keeper); ok && k.KeepsLake(root) {
			return true
		}
	}
	return false
}

// checkSchema compares tables; see there.
func (e *parquetExporter[D]) checkSchema(ctx context.Context) error {
	enc := e.encoders.Get().(encoder[D])
	defer e.encoders.Put(enc)
	damaged, err := checkSchema(ctx, e.lakes.store, e.signal, enc.Columns())
	if len(damaged) > 0 {
		e.logger.Warn("Damaged descriptions of the lake's tables: whether files of those versions can be read together with new ones is not known", zap.Strings("files", damaged))
	}
	return err
}

func (e *parquetExporter[D]) openStore(ctx context.Context) (lakestore.Store, error) {
	if bucket.Is(e.config.URL) {
		return e.openBucket(ctx)
	}
	root, err := place.Directory(e.config.URL)
	if err != nil {
		return nil, err
	}
	dir, removed, err := lakestore.Open(root)
	if err != nil {
		return nil, err
	}
	if removed > 0 {
		e.logger.Info("Removed unfinished files of an earlier run; their batches were not acknowledged", zap.Int("files", removed))
	}
	return dir, nil
}

// openBucket asks the object store whether the configuration is right. One that does not answer is no reason not to start: what is received waits for
// it in the journal or in the queue.
func (e *parquetExporter[D]) openBucket(ctx context.Context) (lakestore.Store, error) {
	location, err := place.Bucket(e.config.URL)
	if err != nil {
		return nil, err
	}
	b, err := bucket.New(location, e.config.S3.Keys())
	if err != nil {
		return nil, err
	}
	_, err = b.Check(ctx)
	switch {
	case errors.Is(err, bucket.ErrRefused):
		return nil, errors.Join(err, b.Close())
	case err != nil:
		e.logger.Warn("The object store does not answer; batches wait for it", zap.String("url", location.String()), zap.Error(err))
		e.unchecked.Store(true)
		return b, nil
	}
	removed, err := b.RemoveAbandoned(ctx, time.Now())
	if err != nil { // not all stores can list parts, and keys need not be allowed to
		e.logger.Debug("Parts of unfinished objects could not be listed; a lifecycle rule of the bucket can remove them", zap.Error(err))
	}
	if removed > 0 {
		e.logger.Info("Removed parts of unfinished objects of an earlier run; their batches were not acknowledged", zap.Int("objects", removed))
	}
	return b, nil
}

// Shutdown closes the lake.
func (e *parquetExporter[D]) Shutdown(context.Context) error {
	e.metrics.Shutdown()
	return e.lakes.close()
}

// push writes a batch and returns when all of its files are durable. After an error the caller repeats the batch; files that were
// already written are then replaced by themselves, because their names follow from their content, or from their range of the journal.
func (e *parquetExporter[D]) push(ctx context.Context, batch D) error {
	l, rules, err := e.layout(ctx)
	if err != nil {
		return err
	}
	store, err := e.lakes.open(ctx, l.Root)
	if err != nil {
		return err
	}
	if e.unchecked.Load() {
		if err := e.checkSchema(ctx); err != nil {
			return err
		}
		e.unchecked.Store(false)
	}
	name, err := e.batchName(ctx, store, rules)
	if err != nil {
		return err
	}
	enc := e.encoders.Get().(encoder[D])
	defer func() {
		enc.Release()
		e.encoders.Put(enc)
	}()
	fromClient, misnamed := tenant.Client(ctx)
	plan := enc.Split(batch, fromClient, l.MaxPartitions)
	if name == "" && len(plan.Partitions) > 0 {
		e.warnUnrecorded(ctx)
	}
	written, refused := 0, 0
	var encodeErrs error
	for _, p := range plan.Partitions {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := e.writeFile(ctx, store, enc, name, p)
		var ioErr *lakestore.IOError
		switch {
		case err == nil:
			written++
		case errors.As(err, &ioErr):
			return err
		default:
			// The same rows would fail again for ever and hold up everything behind them.
			refused += p.Rows
			e.logger.Error("Refused rows that can't be encoded", zap.String("tenant", p.Tenant), zap.Time("hour", p.Hour),
				zap.Int("rows", p.Rows), zap.Error(err))
			encodeErrs = errors.Join(encodeErrs, err)
		}
	}
	if written > 0 && name != "" {
		e.files.add(name)
	}
	e.refuse(ctx, "encode", refused)
	e.enter(ctx, plan, refused)
	e.account(ctx, plan, misnamed)
	if written == 0 && encodeErrs != nil {
		return consumererror.NewPermanent(encodeErrs)
	}
	return nil
}

// enter makes the ledger's entries of a batch that is done with.
func (e *parquetExporter[D]) enter(ctx context.Context, plan *rows.Plan, refused int) {
	all := 0
	for _, p := range plan.Partitions {
		all += p.Rows
	}
	outcome := delivery.Of(ctx).Outcome
	outcome.Refuse(e.id, "encode", int64(refused), delivery.UnitItem)
	outcome.Take(e.id, int64(all))
}

// layout returns what is in force for the batch, with its session's rules if it comes from a journal. A range of the journal that was begun under
// another configuration comes again under that one: its files then replace those of the first time.
func (e *parquetExporter[D]) layout(ctx context.Context) (layout, *sessionRules, error) {
	session, ok := delivery.From(ctx)
	if !ok {
		return e.lakes.configured, nil, nil
	}
	rules, err := delivery.Join(session, e.id, func() *sessionRules { return &sessionRules{Rules: delivery.NewRules(e.lakes.configured)} })
	switch {
	case errors.Is(err, delivery.ErrEnded): // A queue in between has kept it too long: repeating it here would never end.
		return layout{}, nil, consumererror.NewPermanent(err)
	case err != nil:
		return layout{}, nil, err
	}
	source, err := e.sourceName(ctx, e.lakes.store, session, rules)
	if err != nil {
		return layout{}, nil, err
	}
	rules.once.Do(func() { e.checkFiles(ctx, session, source) })
	l := rules.InForce()
	if l != e.lakes.configured {
		e.formerly.Do(func() {
			e.logger.Info("Ranges that began under another configuration are completed under that one", zap.String("root", l.Root), zap.Int("max_partitions", l.MaxPartitions))
		})
	}
	return l, rules, nil
}

// warnUnrecorded says, once, that a journal's ranges come without names.
func (e *parquetExporter[D]) warnUnrecorded(ctx context.Context) {
	if _, journal := delivery.From(ctx); journal {
		e.unrecorded.Do(func() {
			e.logger.Warn("Rows can be written twice after a crash: set follow::range::recorded of the kafka_replay receiver before this exporter")
		})
	}
}

func (e *parquetExporter[D]) writeFile(ctx context.Context, store lakestore.Store, enc encoder[D], name string, p rows.Partition) error {
	begin := time.Now()
	dir := lakestore.PartitionDir(e.signal, p.Hour, p.Tenant)
	if session, ok := delivery.From(ctx); ok && name != "" && session.MaybeRedelivered() {
		merged, err := lakestore.Superseded(ctx, store, path.Join(dir, name+lakestore.Extension))
		if err != nil {
			return err
		}
		if merged {
			e.metrics.ExporterParquetMergedBefore.Add(ctx, 1, e.attr)
			return nil
		}
	}
	w, err := store.Write(ctx, dir, name, func(w io.Writer) error {
		return enc.Write(w, p)
	})
	if err != nil {
		return err
	}
	e.metrics.ExporterParquetWriteDuration.Record(ctx, time.Since(begin).Seconds(), e.attr)
	e.metrics.ExporterParquetFiles.Add(ctx, 1, e.attr)
	e.metrics.ExporterParquetRows.Add(ctx, int64(p.Rows), e.attr)
	e.metrics.ExporterParquetBytes.Add(ctx, w.Bytes, e.attr)
	return nil
}

// account counts what a batch that is done with did not write, or wrote elsewhere. misnamed is what is wrong with the tenant that client
// metadata names; behind a front door that refuses such names it comes from older records of the journal.
func (e *parquetExporter[D]) account(ctx context.Context, plan *rows.Plan, misnamed error) {
	e.refuse(ctx, "no_points", plan.NoPoints)
	e.misnamed(ctx, "resource", plan.Misnamed)
	if misnamed != nil {
		all := 0
		for _, p := range plan.Partitions {
			all += p.Rows
		}
		e.misnamed(ctx, "metadata", all)
	}
	for reason, n := range map[string]int{"implausible_time": plan.Implausible, "too_many_partitions": plan.Folded} {
		if n > 0 {
			e.metrics.ExporterParquetUndated.Add(ctx, int64(n), e.attr, metric.WithAttributes(attribute.String("reason", reason)))
		}
	}
}

// misnamed counts rows that were written as the default tenant's.
func (e *parquetExporter[D]) misnamed(ctx context.Context, reason string, n int) {
	if n > 0 {
		e.metrics.ExporterParquetMisnamed.Add(ctx, int64(n), e.attr, metric.WithAttributes(attribute.String("reason", reason)))
	}
}

func (e *parquetExporter[D]) refuse(ctx context.Context, reason string, n int) {
	if n > 0 {
		e.metrics.ExporterParquetRefused.Add(ctx, int64(n), e.attr, metric.WithAttributes(attribute.String("reason", reason)))
	}
}
