package database

import (
	"context"
	"fmt"
	"strconv"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
)

// Delete deletes samples. Before the head's last two-hour block it deletes nothing else: samples that are written there afterwards stay. The
// storage alone hides deleted samples of its head by tombstones, which also hide later samples, and keeps out-of-order samples that are still in
// the head. So Delete first writes the head's part of such blocks to disk. Then it rewrites the blocks without the deleted samples, because a query
// that begins before a tombstone and ends in it panics.
func (a admin) Delete(ctx context.Context, mint, maxt int64, ms ...*labels.Matcher) error {
	if err := a.CompactOOOHead(ctx); err != nil {
		return fmt.Errorf("write out-of-order samples to a block: %w", err)
	}
	head := a.Head()
	end := head.MaxTime() - mod(head.MaxTime(), tsdb.DefaultBlockDuration) // Chunks don't cross it.
	for from := head.MinTime(); from < end && head.OverlapsClosedInterval(mint, maxt); from = head.MinTime() {
		to := from - mod(from, tsdb.DefaultBlockDuration) + tsdb.DefaultBlockDuration - 1
		head.WaitForAppendersOverlapping(to)
		if err := a.CompactHead(tsdb.NewRangeHead(head, from, to)); err != nil {
			return fmt.Errorf("write the head to a block: %w", err)
		}
		if head.MinTime() <= from {
			break
		}
	}
	if err := markDeletion(a.Dir(), min(end, head.MinTime())); err != nil {
		return err
	}
	if err := a.DB.Delete(ctx, mint, maxt, confine(ctx, ms)...); err != nil {
		return err
	}
	return a.CleanTombstones()
}

func mod(t, size int64) int64 { return ((t % size) + size) % size }

// flags are the values that the API reports as the flags of Prometheus' binary: a client that wants to rewrite a range reads them. The second is
// ours, see admin.Delete.
func (s Settings) flags() map[string]string {
	return map[string]string{
		"web.enable-admin-api":              strconv.FormatBool(s.AdminAPI),
		"storage.tsdb.delete-compacts-head": "true",
	}
}

// config is the configuration file that the API reports.
func (s Settings) config() config.Config {
	return config.Config{
		GlobalConfig: config.DefaultGlobalConfig,
		StorageConfig: config.StorageConfig{TSDBConfig: &config.TSDBConfig{
			OutOfOrderTimeWindow: s.OutOfOrderWindow.Milliseconds(), OutOfOrderTimeWindowFlag: model.Duration(s.OutOfOrderWindow),
		}},
	}
}
