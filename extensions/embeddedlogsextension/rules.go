package embeddedlogsextension

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/otlptranslator"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logrules"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/statistics"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// rulesState is the file in the directory that says which evaluations are done.
const rulesState = "rules.json"

// resultLabel tells the statistics of a query that has several, as vmalert does.
const resultLabel = "stats_result"

// samples is what an extension offers that takes samples in process. Its errors are temporary.
type samples interface {
	Appender(ctx context.Context) (storage.AppenderV2, error)
	Run() (string, error)
	Sync(ctx context.Context, run string) (position string, err error)
	// TenantLabel is the label that tells whose a series is; empty: there is none.
	TenantLabel() string
}

// recorder evaluates rules with the store, and writes what they record. The runner's goroutine alone uses it.
type recorder struct {
	e   *logsExtension
	to  samples
	run string // of the storage of samples, since the last sync; empty: nothing was written
}

// setUpRules makes the runner, if there are rules.
func (e *logsExtension) setUpRules(host component.Host) error {
	rules, err := e.cfg.loadRules()
	if err != nil {
		return fmt.Errorf("rule_files: %w", err)
	}
	if len(rules) == 0 {
		return nil
	}
	ext, ok := host.GetExtensions()[e.cfg.Rules.TSDB]
	if !ok {
		return fmt.Errorf("rules::tsdb: extension %q is not in service::extensions: the rules of rule_files have nowhere to record", e.cfg.Rules.TSDB)
	}
	to, ok := ext.(samples)
	if !ok {
		return fmt.Errorf("rules::tsdb: extension %q doesn't take samples", e.cfg.Rules.TSDB)
	}
	r := &recorder{e: e, to: to}
	e.rules, err = logrules.New(logrules.Settings{
		Rules: rules, Delay: e.cfg.Rules.Delay, CatchUp: e.cfg.Rules.CatchUp, State: filepath.Join(e.cfg.Directory, rulesState),
		Evaluate: r.evaluate, Record: r.record, Sync: r.sync, Behind: e.arrivals.behind, Recorded: e.ruleRecorded, Failed: e.ruleFailed,
		Unsaved: func(err error) {
			e.set.Logger.Warn("The state of the log rules can't be saved: a restart repeats evaluations", zap.Error(err))
		},
	}, time.Now())
	return err
}

// runRules evaluates once the storage is open and delivery has begun, until the extension stops.
func (e *logsExtension) runRules() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	select {
	case <-e.opened:
	case <-e.stop:
		return
	}
	// Rows that came before a stop may be in the journal alone. The first that is delivered tells how many are still to come.
	select {
	case <-e.arrivals.begun():
	case <-time.After(deliveryBegins):
	case <-e.stop:
		return
	}
	go func() {
		select {
		case <-e.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	e.rules.Run(ctx)
}

func (e *logsExtension) ruleRecorded(*logrules.Rule, int) {
	e.telemetry.ExtensionEmbeddedLogsRuleEvaluations.Add(context.Background(), 1)
}

// ruleFailed counts every failure and logs the first after a success.
func (e *logsExtension) ruleFailed(r *logrules.Rule, why *logrules.Error, n int64, first bool) {
	e.telemetry.ExtensionEmbeddedLogsRuleFailures.Add(context.Background(), max(n, 1), metric.WithAttributes(attribute.String("reason", string(why.Reason))))
	if first {
		e.set.Logger.Warn("A log rule records nothing", zap.String("group", r.Group), zap.String("record", r.Record), zap.String("reason", string(why.Reason)), zap.Error(why.Err))
	}
}

// evaluate runs a rule's query as of a time.
func (c *recorder) evaluate(ctx context.Context, r *logrules.Rule, at time.Time) ([]logrules.Sample, error) {
	s, err := c.e.use()
	if err != nil {
		return nil, &logrules.Error{Reason: logrules.NotReady, Err: err}
	}
	q := store.Query{Text: r.Expr, At: at, View: store.View{All: r.Tenant == "", Tenant: r.Tenant}, Hidden: store.Provenance, MaxRead: c.e.cfg.Query.MaxRead}
	if r.Traces {
		q.Signal = store.Traces
	}
	p, err := s.Prepare(q)
	if err != nil {
		return nil, &logrules.Error{Reason: logrules.BadQuery, Err: err}
	}
	if from, to := p.Query.GetFilterTimeRange(); from == math.MinInt64 && to == math.MaxInt64 {
		p.Query.AddTimeFilter(at.Add(-r.Interval).UnixNano(), at.UnixNano()-1)
	}
	names, err := p.Query.GetStatsLabels()
	if err != nil {
		return nil, &logrules.Error{Reason: logrules.BadQuery, Err: err}
	}
	points, err := statistics.Of(ctx, s, p, names, true, r.MaxSeries)
	if err != nil {
		return nil, failure(ctx, err)
	}
	several := slices.ContainsFunc(points, func(p statistics.Point) bool { return p.Place > 0 })
	of := make([]logrules.Sample, 0, len(points))
	for i := range points {
		v, ok, err := number(points[i].Value)
		if err != nil {
			return nil, &logrules.Error{Reason: logrules.NotANumber, Err: fmt.Errorf("%s: %w", points[i].Name, err)}
		}
		if !ok {
			continue // no sample is not a zero
		}
		ls, err := c.labels(r, &points[i], several)
		if err != nil {
			return nil, &logrules.Error{Reason: logrules.BadQuery, Err: err}
		}
		of = append(of, logrules.Sample{Labels: ls, Value: v})
	}
	return of, nil
}

// number is a statistic's value; ok is false where it has none.
func number(text string) (v float64, ok bool, err error) {
	if text == "" {
		return 0, false, nil
	}
	if v, err = strconv.ParseFloat(text, 64); err != nil {
		return 0, false, fmt.Errorf("%.64q is no number", text)
	}
	return v, !math.IsNaN(v), nil
}

// labels are those of a recorded series: the query's in Prometheus' writing, and the rule's over them. Whose a series is comes from the rows,
// or from the rule, never from what a sender wrote into a field.
func (c *recorder) labels(r *logrules.Rule, p *statistics.Point, several bool) (labels.Labels, error) {
	whose := c.to.TenantLabel()
	if whose == "" {
		whose = store.TenantField
	}
	b := labels.NewBuilder(labels.EmptyLabels())
	namer := otlptranslator.LabelNamer{}
	for _, l := range p.Labels {
		name := whose
		if l.Name != store.TenantField {
			var err error
			if name, err = namer.Build(l.Name); err != nil {
				return labels.EmptyLabels(), fmt.Errorf("the field %q can be no label: %w", l.Name, err)
			}
			if name == whose {
				return labels.EmptyLabels(), fmt.Errorf("the field %q would be the label %q, which tells tenants apart: rename it, or group by %s", l.Name, name, store.TenantField)
			}
			if b.Get(name) != "" {
				return labels.EmptyLabels(), fmt.Errorf("two fields would be the label %q: rename one in the query", name)
			}
		}
		b.Set(name, l.Value)
	}
	for name, v := range r.Labels {
		b.Set(name, v)
	}
	if several {
		b.Set(resultLabel, p.Name)
	}
	if r.Tenant != "" {
		b.Set(whose, r.Tenant)
	}
	return b.Set(model.MetricNameLabel, r.Record).Labels(), nil
}

// failure gives an error of the store its reason.
func failure(ctx context.Context, err error) error {
	var bad *store.QueryError
	var cost *store.CostError
	var many *statistics.TooManyError
	reason := logrules.NotReady
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &many):
		return &logrules.Error{Reason: logrules.MaxSeries, Err: fmt.Errorf("%w (limit of the group, rules::max_series)", err)}
	case errors.As(err, &cost):
		reason = logrules.MaxRead
	case errors.As(err, &bad):
		reason = logrules.BadQuery
	}
	return &logrules.Error{Reason: reason, Err: err}
}

// record writes all samples, or none.
func (c *recorder) record(ctx context.Context, at time.Time, all []logrules.Sample) error {
	notReady := func(err error) error { return &logrules.Error{Reason: logrules.NotReady, Err: err} }
	if c.run == "" {
		run, err := c.to.Run()
		if err != nil {
			return notReady(err)
		}
		c.run = run
	}
	app, err := c.to.Appender(ctx)
	if err != nil {
		return notReady(err)
	}
	for _, s := range all {
		_, err := app.Append(0, s.Labels, 0, at.UnixMilli(), s.Value, nil, nil, storage.AppendV2Options{})
		switch {
		case err == nil:
		case errors.Is(err, storage.ErrDuplicateSampleForTimestamp): // A start evaluates again what was recorded before a kill. The first value stays.
		case errors.Is(err, storage.ErrOutOfBounds), errors.Is(err, storage.ErrTooOldSample), errors.Is(err, storage.ErrOutOfOrderSample):
			return errors.Join(&logrules.Error{Reason: logrules.Refused, Err: fmt.Errorf("%s at %s: %w", s.Labels, at.UTC().Format(time.RFC3339), err)}, app.Rollback())
		default:
			return errors.Join(notReady(err), app.Rollback())
		}
	}
	if err := app.Commit(); err != nil {
		return notReady(err)
	}
	return nil
}

func (c *recorder) sync(ctx context.Context) error {
	if c.run == "" {
		return nil
	}
	run := c.run
	c.run = ""
	_, err := c.to.Sync(ctx, run)
	return err
}

// listRules answers as Prometheus does.
func (e *logsExtension) listRules(w http.ResponseWriter, _ *http.Request) {
	type rule struct {
		Name           string            `json:"name"`
		Query          string            `json:"query"`
		Labels         map[string]string `json:"labels,omitempty"`
		Health         string            `json:"health"`
		LastError      string            `json:"lastError,omitempty"`
		Type           string            `json:"type"`
		LastEvaluation time.Time         `json:"lastEvaluation"`
		EvaluationTime float64           `json:"evaluationTime"`
		// Next, Series and Missed are beyond what Prometheus tells.
		Next   time.Time `json:"next"`
		Series int       `json:"series"`
		Missed int64     `json:"missed"`
	}
	type group struct {
		Name     string  `json:"name"`
		File     string  `json:"file"`
		Interval float64 `json:"interval"`
		Limit    int     `json:"limit"`
		Tenant   string  `json:"tenant,omitempty"`
		Rules    []rule  `json:"rules"`
	}
	groups := []group{}
	if e.rules != nil {
		for _, s := range e.rules.Status() {
			r := s.Rule
			if n := len(groups); n == 0 || groups[n-1].Name != r.Group {
				groups = append(groups, group{Name: r.Group, File: r.File, Interval: r.Interval.Seconds(), Limit: r.MaxSeries, Tenant: r.Tenant})
			}
			one := rule{Name: r.Record, Query: r.Expr, Labels: r.Labels, Health: "unknown", Type: "recording", LastEvaluation: s.Evaluated, EvaluationTime: s.Took.Seconds(), Next: s.Next, Series: s.Series, Missed: s.Missing}
			switch {
			case s.Failure != nil:
				one.Health, one.LastError = "err", s.Failure.Error()
			case !s.Evaluated.IsZero():
				one.Health = "ok"
			}
			last := &groups[len(groups)-1]
			last.Rules = append(last.Rules, one)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"groups": groups}}) // the client is gone
}
