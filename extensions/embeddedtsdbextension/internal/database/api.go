package database

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/grafana/regexp"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/features"
	"github.com/prometheus/prometheus/util/notifications"
	v1 "github.com/prometheus/prometheus/web/api/v1"
)

// The defaults of Prometheus' own binary for remote read and the list of notifications.
const (
	readSamples      = 50_000_000
	readConcurrency  = 10
	readFrameBytes   = 1 << 20
	maxNotifications = 16
)

// noOrigin matches no origin: confighttp handles CORS.
var noOrigin = regexp.MustCompile(`^$a`)

// api contains everything that the HTTP API needs.
type api struct {
	db       *tsdb.DB
	stats    *tsdb.DBStats
	gate     *gate
	engine   promql.QueryEngine
	alerting *alerting
	registry *prometheus.Registry
	started  time.Time
}

func newHandler(s Settings, a api) http.Handler {
	notes := notifications.NewNotifications(maxNotifications, nil)
	registry := features.NewRegistry()
	apiV1 := v1.NewAPI(
		a.engine, viewed{a.db}, a.gate, a.gate, viewed{a.db},
		func(context.Context) v1.ScrapePoolsRetriever { return noScraping{} },
		func(ctx context.Context) v1.TargetRetriever { return noScraping{ctx, a.gate.families} },
		func(context.Context) v1.AlertmanagerRetriever { return a.alerting.notifier },
		s.config, s.flags(),
		v1.GlobalURLOptions{ListenAddress: s.ListenAddress, Host: host(s.ExternalURL), Scheme: "http"},
		func(f http.HandlerFunc) http.HandlerFunc { return f }, // created only when everything is ready
		admin{a.db, a.stats}, s.Directory, s.AdminAPI, false, 0,
		s.Logger,
		func(context.Context) v1.RulesRetriever { return ruleList{a.alerting.rules} },
		readSamples, readConcurrency, readFrameBytes,
		false, noOrigin,
		func() (v1.RuntimeInfo, error) { return runtimeInfo(s, a), nil },
		&v1.PrometheusVersion{Version: s.Version, Branch: "penstock", GoVersion: runtime.Version()},
		notes.Get, notes.Sub,
		a.registry, a.registry, nil,
		true, remoteapi.MessageTypes{remoteapi.WriteV1MessageType, remoteapi.WriteV2MessageType},
		false, false, false,
		s.StartTimeZeroSamples, s.Lookback, false,
		true, // metadata reaches gate's appenders
		nil, registry,
		v1.OpenAPIOptions{ExternalURL: s.ExternalURL, Version: s.Version},
		s.boundedParser(),
	)
	r := route.New()
	if s.Guard != nil {
		r = r.WithInstrumentation(s.Guard)
	}
	apiV1.Register(r.WithPrefix("/api/v1"))
	r.Get("/metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{Registry: a.registry}).ServeHTTP)
	return a.gate.countingFuture(r)
}

func host(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return u.Host
}

func runtimeInfo(s Settings, a api) v1.RuntimeInfo {
	name, err := os.Hostname()
	if err != nil {
		name = "unknown"
	}
	retention := model.Duration(s.Retention).String()
	if s.RetentionBytes > 0 {
		retention += fmt.Sprintf(" or %dB", s.RetentionBytes)
	}
	return v1.RuntimeInfo{
		StartTime:           a.started,
		CWD:                 s.Directory,
		Hostname:            name,
		ServerTime:          time.Now(),
		ReloadConfigSuccess: true,
		LastConfigTime:      a.started,
		GoroutineCount:      runtime.NumGoroutine(),
		GOMAXPROCS:          runtime.GOMAXPROCS(0),
		GOMEMLIMIT:          debug.SetMemoryLimit(-1),
		GOGC:                os.Getenv("GOGC"),
		GODEBUG:             os.Getenv("GODEBUG"),
		StorageRetention:    retention,
	}
}

// noScraping replaces the scrape manager, which this process does not have.
type noScraping struct {
	ctx      context.Context // of the request
	families *families
}

func (noScraping) ScrapePools() []string { return nil }

func (n noScraping) TargetsActive() map[string][]*scrape.Target { return n.families.targets(n.ctx) }

func (noScraping) TargetsDropped() map[string][]*scrape.Target { return nil }

func (noScraping) TargetsDroppedCounts() map[string]int { return nil }

func (noScraping) ScrapePoolConfig(pool string) (*config.ScrapeConfig, error) {
	return nil, fmt.Errorf("no scrape pool %q", pool)
}

// ruleList lists the rules of the rule manager.
type ruleList struct{ m *rules.Manager }

func (l ruleList) RuleGroups() []*rules.Group           { return l.m.RuleGroups() }
func (l ruleList) AlertingRules() []*rules.AlertingRule { return l.m.AlertingRules() }

// admin adapts the storage for the API's admin and status pages.
type admin struct {
	*tsdb.DB
	stats *tsdb.DBStats
}

func (a admin) Stats(label string, limit int) (*tsdb.Stats, error) {
	return a.Head().Stats(label, limit), nil
}

func (a admin) WALReplayStatus() (tsdb.WALReplayStatus, error) {
	return a.stats.Head.WALReplayStatus.GetWALReplayStatus(), nil
}

func (a admin) BlockMetas() ([]tsdb.BlockMeta, error) { return a.DB.BlockMetas(), nil }
