// Package database opens Prometheus' storage, query engine, rules and HTTP API as one unit.
package database

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/compression"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/querylimit"
	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/wal"
)

// longestBlock is the longest span of time that compaction puts into one block, as in Prometheus' own binary.
const longestBlock = 31 * 24 * time.Hour

// Compressions are the values of Settings.WALCompression.
var Compressions = []string{compression.Snappy, compression.Zstd, compression.None}

// Settings of a database. All bounds are Prometheus' own, except MaxSeries.
type Settings struct {
	// Directory holds blocks and write-ahead log. The caller holds its lock (see Lock) from before Open until after Close.
	Directory string
	// Room returns why writes are refused now: the disk is full, or read-only. nil: there is always space.
	Room func() error
	// OpenFile opens segments of the logs for their fsync; nil is wal.Open.
	OpenFile func(name string) (wal.File, error)
	// Retention drops blocks by age; zero keeps them.
	Retention time.Duration
	// RetentionBytes drops the oldest blocks by size of the whole directory; zero keeps them.
	RetentionBytes int64
	// OutOfOrderWindow is how far behind a series' newest sample a sample may be.
	OutOfOrderWindow time.Duration
	// WALCompression is one of Compressions.
	WALCompression string
	// MaxSeries bounds the series in memory; zero means no bound.
	MaxSeries uint64
	// MaxExemplars is the size of the ring of exemplars; zero stores none.
	MaxExemplars int64
	// StartTimeZeroSamples stores a zero at each sample's start time if no other sample prevents that.
	StartTimeZeroSamples bool

	// QueryTimeout, QueryMaxSamples, QueryConcurrency bound PromQL; Lookback is how long a series keeps its last value.
	QueryTimeout     time.Duration
	QueryMaxSamples  int
	QueryConcurrency int
	Lookback         time.Duration
	// QueryText and QueryMaxSteps bound HTTP queries; RefusedQuery is called with the reason for each refused one.
	QueryText     querylimit.Text
	QueryMaxSteps int
	RefusedQuery  func(querylimit.Reason)

	// TenantLabel is the label with a series' tenant: metadata is stored by it. Empty: there are no tenants.
	TenantLabel string
	// Guard wraps the handler of each route; it gets the route's pattern when the route is registered. nil: none.
	Guard func(pattern string, h http.HandlerFunc) http.HandlerFunc
	// AdminAPI enables deletion and snapshots over HTTP.
	AdminAPI bool
	// RuleFiles are patterns of rule files; EvaluationInterval applies to groups without an interval.
	RuleFiles          []string
	EvaluationInterval time.Duration
	// Alertmanagers are base URLs; ExternalURL is the link target of alerts.
	Alertmanagers []string
	ExternalURL   string
	// ListenAddress is shown by the API.
	ListenAddress string
	// Version is the build information of the API.
	Version string

	Logger *slog.Logger
}

func (s Settings) tsdbOptions() *tsdb.Options {
	o := tsdb.DefaultOptions()
	o.NoLockfile = true // we take our lock earlier: opening deletes temporary directories before it takes the lock
	o.RetentionDuration = s.Retention.Milliseconds()
	o.MaxBytes = s.RetentionBytes
	o.MaxBlockDuration = s.longestBlock().Milliseconds()
	o.OutOfOrderTimeWindow = s.OutOfOrderWindow.Milliseconds()
	o.WALCompression = s.WALCompression
	o.EnableExemplarStorage = s.MaxExemplars > 0
	o.MaxExemplars = s.MaxExemplars
	o.EnableSTAsZeroSample = s.StartTimeZeroSamples
	return o
}

// longestBlock is a tenth of the retention, so that each dropped block is a small part of the stored data.
func (s Settings) longestBlock() time.Duration {
	if s.Retention == 0 {
		return longestBlock
	}
	return max(min(longestBlock, s.Retention/10), time.Duration(tsdb.DefaultBlockDuration)*time.Millisecond)
}
