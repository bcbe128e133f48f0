package database

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/wal"
)

// ErrBroken is wrapped by every error after a failed write or fsync of the storage's logs, until the logs are cut and open again.
var ErrBroken = errors.New("the storage's log failed and is being cut back to its durable part")

// barrier makes committed samples durable. Prometheus never fsyncs the segment that it writes, and ignores some write errors; so the barrier fsyncs
// through its own descriptors, and watches Prometheus' counters of failed writes. After the first failure nothing is written any more.
type barrier struct {
	logs   []*wal.Log // WAL, WBL; the second may not exist on disk
	failed failedWrites
	group  *wal.Group

	writing sync.RWMutex // held for reading by a commit: the end of a log is measured between two commits
	last    uint64       // failed writes at the last sync
	end     atomic.Pointer[ends]
	broken  atomic.Pointer[error]
	broke   chan struct{} // closed with the first failure
	once    sync.Once
}

// newBarrier follows the logs in dir and makes their present content durable.
func newBarrier(dir string, failed failedWrites, open func(string) (wal.File, error)) (*barrier, error) {
	b := &barrier{failed: failed, broke: make(chan struct{})}
	b.group = wal.NewGroup(b.sync)
	b.last = failed.total()
	for _, d := range []string{walDir(dir), wblDir(dir)} {
		l, err := wal.Follow(d, open)
		if err != nil {
			return nil, errors.Join(err, b.close())
		}
		b.logs = append(b.logs, l)
	}
	if err := b.sync(); err != nil { // including data that an earlier process did not fsync
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// Sync returns when everything that was committed before is durable. Callers share fsyncs: see wal.Group.
func (b *barrier) Sync(ctx context.Context) error { return b.group.Do(ctx) }

// check returns the error that broke the storage.
func (b *barrier) check() error {
	if err := b.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// breaks stops all writing.
func (b *barrier) breaks(cause error) error {
	b.once.Do(func() {
		err := fmt.Errorf("%w: %w", ErrBroken, cause)
		b.broken.Store(&err)
		close(b.broke)
	})
	return b.check()
}

// commit brackets a commit: it notices new segments, and an error stops all writing, because the log may now end in half a record.
func (b *barrier) commit(do func() error) error {
	b.writing.RLock()
	defer b.writing.RUnlock()
	if err := b.check(); err != nil {
		return err
	}
	before := b.failed.total()
	err := do()
	for _, l := range b.logs {
		err = errors.Join(err, l.Notice())
	}
	if err != nil || b.failed.total() > before {
		return b.breaks(errors.Join(err, b.failed.since(before)))
	}
	return nil
}

// sync is one barrier. It measures the log of out-of-order samples first, because the series of its samples are in the other log.
func (b *barrier) sync() error {
	if err := b.check(); err != nil {
		return err
	}
	b.writing.Lock()
	err := errors.Join(b.logs[1].Measure(), b.logs[0].Measure())
	b.writing.Unlock()
	if err == nil {
		err = errors.Join(b.logs[0].Sync(), b.logs[1].Sync())
	}
	if err = errors.Join(err, b.failed.since(b.last)); err != nil {
		return b.breaks(err)
	}
	b.end.Store(&ends{b.logs[0].End(), b.logs[1].End()})
	return nil
}

func (b *barrier) close() error {
	var errs error
	for _, l := range b.logs {
		errs = errors.Join(errs, l.Close())
	}
	return errs
}

// failedWrites are Prometheus' counters of failed writes to its logs. They are read twice per commit. A counter's metric is the counter itself, so
// it is collected once: Prometheus wraps its collectors, and each collection of a wrapped one starts a goroutine and waits for it.
type failedWrites []prometheus.Metric

func (f failedWrites) total() (n uint64) {
	for _, c := range f {
		var m dto.Metric
		if c.Write(&m) == nil {
			n += uint64(m.GetCounter().GetValue())
		}
	}
	return n
}

func (f failedWrites) since(before uint64) error {
	if n := f.total(); n > before {
		return fmt.Errorf("%d writes to the logs failed; the storage's messages say why", n-before)
	}
	return nil
}

// catcher is a registry that keeps the counters of failed writes. Prometheus registers them for each log that it opens.
type catcher struct {
	prometheus.Registerer
	failed failedWrites
}

func (c *catcher) Register(m prometheus.Collector) error {
	c.keep(m)
	return c.Registerer.Register(m)
}

func (c *catcher) MustRegister(all ...prometheus.Collector) {
	for _, m := range all {
		c.keep(m)
	}
	c.Registerer.MustRegister(all...)
}

func (c *catcher) keep(m prometheus.Collector) {
	descs := make(chan *prometheus.Desc, 16)
	go func() {
		m.Describe(descs)
		close(descs)
	}()
	found := false
	for d := range descs {
		text := d.String()
		found = found || strings.Contains(text, `"prometheus_tsdb_wal_writes_failed_total"`) || strings.Contains(text, `"prometheus_tsdb_out_of_order_wbl_writes_failed_total"`)
	}
	if found { // It is a counter, so it has one metric.
		metrics := make(chan prometheus.Metric, 1)
		m.Collect(metrics)
		c.failed = append(c.failed, <-metrics)
	}
}
