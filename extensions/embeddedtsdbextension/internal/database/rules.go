package database

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/notifier"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb"
)

const (
	alertQueue = 10_000 // waiting alerts, as in Prometheus' own binary
	// Prometheus' defaults for three bounds on alerts.
	outageTolerance = time.Hour
	forGracePeriod  = 10 * time.Minute
	resendDelay     = time.Minute
)

// CheckRules parses the files that match patterns. A pattern without a match is an error, because it is usually a mistyped path.
func CheckRules(patterns []string) error {
	for _, p := range patterns {
		files, err := filepath.Glob(p)
		if err != nil {
			return fmt.Errorf("%q: %w", p, err)
		}
		if len(files) == 0 {
			return fmt.Errorf("%q matches no file", p)
		}
	}
	return rules.ParseFiles(patterns, model.UTF8Validation, parser.NewParser(parser.Options{}), promslog.NewNopLogger())
}

func expand(patterns []string) (files []string, err error) {
	for _, p := range patterns {
		matches, err := filepath.Glob(p)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", p, err)
		}
		files = append(files, matches...)
	}
	return files, nil
}

// alerting is the rule manager with the notifier that sends its alerts to the Alertmanagers.
type alerting struct {
	rules    *rules.Manager
	notifier *notifier.Manager
	done     chan struct{} // closed when the notifier has ended
}

func startAlerting(ctx context.Context, s Settings, db *tsdb.DB, g *gate, engine *promql.Engine, reg prometheus.Registerer) (*alerting, error) {
	external, err := url.Parse(s.ExternalURL)
	if err != nil {
		return nil, fmt.Errorf("external URL: %w", err)
	}
	files, err := expand(s.RuleFiles)
	if err != nil {
		return nil, fmt.Errorf("rule files: %w", err)
	}
	n := notifier.NewManager(&notifier.Options{QueueCapacity: alertQueue, Registerer: reg}, model.UTF8Validation, s.Logger)
	cfg, targets, err := alertmanagers(s.Alertmanagers)
	if err != nil {
		return nil, err
	}
	if err := n.ApplyConfig(cfg); err != nil {
		return nil, fmt.Errorf("alertmanagers: %w", err)
	}
	m := rules.NewManager(&rules.ManagerOptions{
		ExternalURL:     external,
		QueryFunc:       rules.EngineQueryFunc(engine, db),
		NotifyFunc:      rules.SendAlerts(n, s.ExternalURL),
		Context:         ctx,
		Appendable:      g,
		Queryable:       db,
		Logger:          s.Logger,
		Registerer:      reg,
		OutageTolerance: outageTolerance,
		ForGracePeriod:  forGracePeriod,
		ResendDelay:     resendDelay,
		Parser:          parser.NewParser(parser.Options{}),
	})
	if err := m.Update(s.EvaluationInterval, files, labels.EmptyLabels(), s.ExternalURL, nil); err != nil {
		return nil, fmt.Errorf("rule files: %w", err)
	}
	a := &alerting{rules: m, notifier: n, done: make(chan struct{})}
	sync := make(chan map[string][]*targetgroup.Group, 1)
	sync <- targets
	go func() {
		defer close(a.done)
		n.Run(sync)
	}()
	go m.Run()
	return a, nil
}

// stop stops evaluation, then the sending of alerts.
func (a *alerting) stop() {
	a.rules.Stop()
	a.notifier.Stop()
	<-a.done
}

// alertmanagers returns the configuration, and the targets by its keys, that the notifier needs for fixed URLs.
func alertmanagers(urls []string) (*config.Config, map[string][]*targetgroup.Group, error) {
	cfg := &config.Config{GlobalConfig: config.DefaultGlobalConfig}
	targets := make(map[string][]*targetgroup.Group, len(urls))
	for i, s := range urls {
		u, err := url.Parse(s)
		if err != nil {
			return nil, nil, fmt.Errorf("alertmanagers: %w", err)
		}
		am := config.DefaultAlertmanagerConfig
		am.Scheme, am.PathPrefix = u.Scheme, u.Path
		cfg.AlertingConfig.AlertmanagerConfigs = append(cfg.AlertingConfig.AlertmanagerConfigs, &am)
		targets[fmt.Sprintf("config-%d", i)] = []*targetgroup.Group{ // the key that AlertmanagerConfigs.ToMap creates
			{Targets: []model.LabelSet{{model.AddressLabel: model.LabelValue(u.Host)}}},
		}
	}
	return cfg, targets, nil
}
