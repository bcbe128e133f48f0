// Package database opens Prometheus' storage, query engine, rules and HTTP API as one thing.
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

// Settings say what to open. All bounds are Prometheus' own, except MaxSeries.
type Settings struct {
	// Directory holds blocks and write-ahead log. The caller holds its lock (see Lock) from before Open until after Close.
	Directory string
	// Room says why nothing may be written now: the disk is full, or read-only. nil: there is always room.
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
	// MaxSeries bounds the series in memory; zero is no bound.
	MaxSeries uint64
	// MaxExemplars is the size of the ring of exemplars; zero stores none.
	MaxExemplars int64
	// StartTimeZeroSamples stores a zero at each sample's start time where there is room for it.
	StartTimeZeroSamples bool

	// QueryTimeout, QueryMaxSamples, QueryConcurrency bound PromQL; Lookback is how long a series keeps its last value.
	QueryTimeout     time.Duration
	QueryMaxSamples  int
	QueryConcurrency int
	Lookback         time.Duration
	// QueryText and QueryMaxSteps bound queries that come over HTTP; RefusedQuery is called with the reason for each that is refused.
	QueryText     querylimit.Text
	QueryMaxSteps int
	RefusedQuery  func(querylimit.Reason)

	// TenantLabel tells whose a series is: metadata is kept by it. Empty: there are no tenants.
	TenantLabel string
	// Guard is put around the handler of each route, whose pattern it gets when the route is registered; nil: none.
	Guard func(pattern string, h http.HandlerFunc) http.HandlerFunc
	// AdminAPI enables deletion and snapshots over HTTP.
	AdminAPI bool
	// RuleFiles are patterns of rule files; EvaluationInterval is for groups that name none.
	RuleFiles          []string
	EvaluationInterval time.Duration
	// Alertmanagers are base URLs; ExternalURL is what alerts link back to.
	Alertmanagers []string
	ExternalURL   string
	// ListenAddress is shown by the API.
	ListenAddress string
	// Version is what the API tells about the build.
	Version string

	Logger *slog.Logger
}

func (s Settings) tsdbOptions() *tsdb.Options {
	o := tsdb.DefaultOptions()
	o.NoLockfile = true // ours is taken earlier: opening deletes temporary directories before it meets the lock
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

// longestBlock is a tenth of the retention, so that what is dropped at once stays a small part of what is kept.
func (s Settings) longestBlock() time.Duration {
	if s.Retention == 0 {
		return longestBlock
	}
	return max(min(longestBlock, s.Retention/10), time.Duration(tsdb.DefaultBlockDuration)*time.Millisecond)
}
