package lakeextension

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/footer"
	"github.com/penstockhq/penstock/extensions/lakeextension/internal/iceberg"
	"github.com/penstockhq/penstock/extensions/lakeextension/internal/keeper"
	"github.com/penstockhq/penstock/extensions/lakeextension/internal/metadata"
	"github.com/penstockhq/penstock/extensions/lakeextension/internal/tables"
	"github.com/penstockhq/penstock/internal/lakestore"
	"github.com/penstockhq/penstock/internal/lakestore/bucket"
)

// TablesConfig says how the lake becomes Apache Iceberg tables.
type TablesConfig struct {
	// Every is how often new files are looked for and committed, from 1s on. 0: there are no tables, and no catalog. Default 30s.
	Every time.Duration `mapstructure:"every"`
	// Sweep is how often the whole lake is compared with the tables: files of earlier hours, and what is gone. At least Every. Default 15m.
	Sweep time.Duration `mapstructure:"sweep"`
	// KeepSnapshots is how long readers can read a state of a table after the next one, at most 128 states. Default 1h.
	KeepSnapshots time.Duration `mapstructure:"keep_snapshots"`
}

// Validate refuses what can't work.
func (c *TablesConfig) Validate() error {
	if c.Every == 0 {
		return nil
	}
	var errs []error
	if c.Every < time.Second {
		errs = append(errs, fmt.Errorf("every: must be 0 (no tables) or at least 1s, got %s", c.Every))
	}
	if c.Sweep < c.Every {
		errs = append(errs, fmt.Errorf("sweep: %s is less than every, %s", c.Sweep, c.Every))
	}
	if c.KeepSnapshots < time.Minute {
		errs = append(errs, fmt.Errorf("keep_snapshots: must be at least 1m, got %s", c.KeepSnapshots))
	}
	return errors.Join(errs...)
}

// firstLook is how long a round waits for the lease, or for the lake, until the first one has succeeded.
const firstLook = time.Second

// readersURI is the root of a lake as the readers of tables know it.
func readersURI(store lakestore.Store) (string, error) {
	root := store.Root()
	if !bucket.Is(root) {
		return "file://" + strings.TrimSuffix(root, "/"), nil
	}
	l, err := bucket.Parse(root)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix("s3://"+l.Bucket+"/"+l.Prefix, "/"), nil
}

func openTable(store lakestore.Store, uri, signal string, keep time.Duration) *iceberg.Table {
	return iceberg.Open(iceberg.Settings{Store: tables.Metadata(store), Name: signal, URI: uri, Keep: keep, Now: time.Now, UUID: uuid.NewString})
}

// committer keeps the tables in step with the lake.
type committer struct {
	config    TablesConfig
	followers map[string]*tables.Follower // by signal
	telemetry *metadata.TelemetryBuilder
	logger    *zap.Logger
	failing   map[string]bool // by signal: the log has said so
}

func newCommitter(store lakestore.Store, uri string, c TablesConfig, telemetry *metadata.TelemetryBuilder, logger *zap.Logger) *committer {
	t := &committer{config: c, followers: map[string]*tables.Follower{}, telemetry: telemetry, logger: logger, failing: map[string]bool{}}
	for _, signal := range keeper.Signals {
		t.followers[signal] = tables.NewFollower(store, openTable(store, uri, signal, c.KeepSnapshots), signal)
	}
	return t
}

// Apply makes the table of a change's signal have what the change made, before files are deleted.
func (t *committer) Apply(ctx context.Context, c lakestore.Change) error {
	signal, _, _ := strings.Cut(c.Partition, "/")
	if f := t.followers[signal]; f != nil {
		return f.Apply(ctx, c)
	}
	return nil // a directory that is no table's
}

// run makes rounds while this gateway looks after the lake, until ctx ends. Of several gateways that think they do, each commit of one is seen by the others.
func (t *committer) run(ctx context.Context, held func() bool) {
	tick := time.NewTicker(t.config.Every)
	defer tick.Stop()
	var swept time.Time
	for {
		now := time.Now()
		all := now.Sub(swept) >= t.config.Sweep
		if held() {
			done := true
			for _, signal := range keeper.Signals {
				done = t.round(ctx, signal, now, all) && done
			}
			if all && done {
				swept = now
			}
		}
		wait := tick.C
		if swept.IsZero() {
			wait = time.After(min(firstLook, t.config.Every))
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return
		}
	}
}

// round brings the table of a signal in step, and says whether that went well.
func (t *committer) round(ctx context.Context, signal string, now time.Time, all bool) bool {
	r, err := t.followers[signal].Round(ctx, now, all)
	if ctx.Err() != nil {
		return false
	}
	attr := metric.WithAttributes(attribute.String("signal", signal))
	t.telemetry.ExtensionLakeTableCommits.Add(ctx, int64(r.Commits), attr)
	for change, n := range map[string]int{"added": r.Added, "removed": r.Removed} {
		t.telemetry.ExtensionLakeTableFiles.Add(ctx, int64(n), attr, metric.WithAttributes(attribute.String("change", change)))
	}
	for name, why := range r.Refused {
		reason := "damaged"
		if errors.Is(why, iceberg.ErrSchema) || errors.Is(why, footer.ErrType) {
			reason = "schema"
		}
		t.telemetry.ExtensionLakeTableRefused.Add(ctx, 1, attr, metric.WithAttributes(attribute.String("reason", reason)))
		t.logger.Warn("The table leaves out a file of the lake that it can't read", zap.String("file", name), zap.String("reason", reason), zap.Error(why))
	}
	if err = errors.Join(err, r.NotCollected); err == nil {
		if t.failing[signal] {
			t.logger.Info("The lake's files are committed to the table again", zap.String("signal", signal))
		}
		delete(t.failing, signal)
		return true
	}
	t.telemetry.ExtensionLakeTableFailures.Add(ctx, 1, attr)
	if !t.failing[signal] {
		t.logger.Warn("The lake's files could not be committed to the table; the next round tries again", zap.String("signal", signal), zap.Error(err))
	}
	t.failing[signal] = true
	return false
}
