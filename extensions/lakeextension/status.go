package lakeextension

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/keeper"
	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/internal/lakestore"
)

// status is what is known of the lake and of the work on it. Safe for concurrent use.
type status struct {
	mu sync.Mutex
	s  report // guarded by mu
}

// report is the answer of /v1/lake.
type report struct {
	Leader   bool      `json:"leader"`
	Epoch    int64     `json:"epoch,omitempty"`
	LastPass time.Time `json:"last_pass,omitzero"`
	Took     float64   `json:"took_seconds"`
	// LastError is the last one of any partition or pass; it stays until the process ends.
	LastError   string    `json:"last_error,omitempty"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`
	Signals     []signal  `json:"signals"`
}

// signal is what a pass has seen, and what was done since the start.
type signal struct {
	Signal      string           `json:"signal"`
	Files       int              `json:"files"`
	Bytes       int64            `json:"bytes"`
	Partitions  int              `json:"partitions"`
	Pending     int              `json:"pending_partitions"`
	Oldest      time.Time        `json:"oldest_pending_hour_end,omitzero"`
	Changes     map[string]int64 `json:"changes"`
	MergedFiles int64            `json:"merged_files"`
	Expired     int64            `json:"expired_files"`
	Orphans     int64            `json:"orphans"`
	// Newest are the newest partitions, newest first.
	Newest []partition `json:"newest_partitions"`
}

// partition is an hour of a tenant, as a pass has seen it.
type partition struct {
	Hour    time.Time `json:"hour"`
	Tenant  string    `json:"tenant"`
	Files   int       `json:"files"`
	Bytes   int64     `json:"bytes"`
	Pending bool      `json:"pending,omitempty"` // its files are to be merged
}

func (s *status) lead(held bool, epoch int64) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed = s.s.Leader != held
	s.s.Leader, s.s.Epoch = held, epoch
	return changed
}

// with changes what is known of a signal.
func (s *status) with(name string, change func(*signal)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, there := slices.BinarySearchFunc(s.s.Signals, name, func(x signal, name string) int { return cmp.Compare(x.Signal, name) })
	if !there {
		s.s.Signals = slices.Insert(s.s.Signals, at, signal{Signal: name, Changes: map[string]int64{}})
	}
	change(&s.s.Signals[at])
}

func (s *status) seen(name string, st keeper.State) {
	newest := make([]partition, 0, len(st.Newest))
	for _, p := range slices.Backward(st.Newest) {
		newest = append(newest, partition(p))
	}
	s.with(name, func(x *signal) {
		x.Newest = newest
		x.Files, x.Bytes, x.Partitions, x.Pending, x.Oldest = st.Files, st.Bytes, st.Partitions, st.Pending, st.Oldest
	})
}

func (s *status) passed(at time.Time, took time.Duration, failed error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.LastPass, s.s.Took = at.UTC(), took.Seconds()
	if failed != nil {
		s.s.LastError, s.s.LastErrorAt = failed.Error(), time.Now().UTC()
	}
}

func (s *status) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.LastError, s.s.LastErrorAt = err.Error(), time.Now().UTC()
}

// read returns a copy.
func (s *status) read() report {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.s
	r.Signals = slices.Clone(r.Signals)
	for i, x := range r.Signals {
		r.Signals[i].Changes = map[string]int64{}
		for reason, n := range x.Changes {
			r.Signals[i].Changes[reason] = n
		}
	}
	return r
}

// fail counts and reports what is left for later.
func (e *lakeExtension) fail(ctx context.Context, partition, reason string, err error) {
	e.telemetry.ExtensionLakeFailures.Add(ctx, 1, metric.WithAttributes(attribute.String("reason", reason)))
	e.status.failed(err)
	if reason == "raced" {
		return // somebody else does it
	}
	e.set.Logger.Warn("A part of the lake is left for the next pass", zap.String("partition", partition), zap.String("reason", reason), zap.Error(err))
}

// events are what the keeper tells.
type events struct {
	*lakeExtension
	ctx context.Context //nolint:containedctx // of the passes that it is told of
}

var _ keeper.Events = (*events)(nil)

func bySignal(name string) metric.MeasurementOption {
	return metric.WithAttributes(attribute.String("signal", name))
}

// Changed implements keeper.Events.
func (e *events) Changed(name string, c lakestore.Change) {
	rows := int64(0)
	for _, f := range c.Add {
		rows += f.Rows
	}
	e.telemetry.ExtensionLakeChanges.Add(e.ctx, 1, metric.WithAttributes(attribute.String("signal", name), attribute.String("reason", c.Reason)))
	e.telemetry.ExtensionLakeMergedFiles.Add(e.ctx, int64(len(c.Remove)), bySignal(name))
	e.telemetry.ExtensionLakeMergedRows.Add(e.ctx, rows, bySignal(name))
	e.status.with(name, func(x *signal) {
		x.Changes[c.Reason]++
		x.MergedFiles += int64(len(c.Remove))
	})
}

// Expired implements keeper.Events.
func (e *events) Expired(name string, files int) {
	e.telemetry.ExtensionLakeExpiredFiles.Add(e.ctx, int64(files), bySignal(name))
	e.status.with(name, func(x *signal) { x.Expired += int64(files) })
}

// Orphans implements keeper.Events.
func (e *events) Orphans(name string, files int) {
	e.telemetry.ExtensionLakeOrphans.Add(e.ctx, int64(files), bySignal(name))
	e.status.with(name, func(x *signal) { x.Orphans += int64(files) })
}

// Failed implements keeper.Events.
func (e *events) Failed(partition, reason string, err error) { e.fail(e.ctx, partition, reason, err) }

// observe registers the gauges. Those of the lake are the leader's.
func (e *lakeExtension) observe() error {
	each := func(value func(signal) int64) metric.Int64Callback {
		return func(_ context.Context, o metric.Int64Observer) error {
			if r := e.status.read(); r.Leader {
				for _, s := range r.Signals {
					o.Observe(value(s), bySignal(s.Signal))
				}
			}
			return nil
		}
	}
	for _, err := range []error{
		e.telemetry.RegisterExtensionLakeFilesCallback(each(func(s signal) int64 { return int64(s.Files) })),
		e.telemetry.RegisterExtensionLakeBytesCallback(each(func(s signal) int64 { return s.Bytes })),
		e.telemetry.RegisterExtensionLakePendingPartitionsCallback(each(func(s signal) int64 { return int64(s.Pending) })),
		e.telemetry.RegisterExtensionLakeLagCallback(func(_ context.Context, o metric.Float64Observer) error {
			if r := e.status.read(); r.Leader {
				for _, s := range r.Signals {
					lag := 0.0
					if !s.Oldest.IsZero() {
						lag = time.Since(s.Oldest).Seconds()
					}
					o.Observe(lag, bySignal(s.Signal))
				}
			}
			return nil
		}),
		e.telemetry.RegisterExtensionLakeLeaderCallback(func(_ context.Context, o metric.Int64Observer) error {
			leader := int64(0)
			if e.status.read().Leader {
				leader = 1
			}
			o.Observe(leader)
			return nil
		}),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// mount shows the API on the admin extension.
func (e *lakeExtension) mount(host component.Host) {
	m, ok := admin.Find(host)
	if !ok {
		return
	}
	mux := &admin.Mux{}
	mux.HandleFunc("/", admin.Need{Scopes: []string{access.Read}, Operator: true}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		out := json.NewEncoder(w)
		out.SetIndent("", " ")
		_ = out.Encode(e.status.read())
	})
	unmount, err := m.Mount("v1/"+e.id.String(), "Lake, as JSON", mux)
	if err != nil {
		e.set.Logger.Warn("No admin page", zap.Error(err))
		return
	}
	e.leave = append(e.leave, unmount)
}
