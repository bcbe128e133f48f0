package logrules

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// minInterval is the shortest interval: samples carry milliseconds, and rows are searchable after about a second.
const minInterval = time.Second

// Rule records the statistics of one LogsQL query.
type Rule struct {
	// File and Group say where the rule stands.
	File, Group string
	// Record is the name of the series.
	Record string
	// Expr is the query.
	Expr string
	// Labels are put on each series, over those of the query.
	Labels map[string]string
	// Interval is the time between two samples.
	Interval time.Duration
	// Timeout ends an evaluation.
	Timeout time.Duration
	// MaxSeries bounds the series of an evaluation: one with more fails whole.
	MaxSeries int
	// Tenant is the one whose rows are seen; empty: those of all.
	Tenant string
	// Traces says that the rows are spans, not log records.
	Traces bool
}

// Defaults are for groups that say nothing of their own. A group may ask for less than Timeout and MaxSeries, not for more.
type Defaults struct {
	Interval, Timeout time.Duration
	MaxSeries         int
}

// The shape of a rule file is Prometheus', with LogsQL in expr. Prometheus' query_offset is the delay, which is one for all rules.
type file struct {
	Groups []group `yaml:"groups"`
}

type group struct {
	Name     string            `yaml:"name"`
	Type     string            `yaml:"type"` // vmalert's: vlogs is the only one here
	Interval model.Duration    `yaml:"interval"`
	Timeout  model.Duration    `yaml:"timeout"`
	Limit    int               `yaml:"limit"`
	Tenant   string            `yaml:"tenant"`
	Signal   string            `yaml:"signal"` // logs, or traces
	Labels   map[string]string `yaml:"labels"`
	Rules    []entry           `yaml:"rules"`
}

type entry struct {
	Record string            `yaml:"record"`
	Alert  string            `yaml:"alert"`
	Expr   string            `yaml:"expr"`
	Labels map[string]string `yaml:"labels"`
}

// Load reads the rules of all files that patterns match. check says what is wrong with a query. The error names file, group and rule. A
// pattern that matches nothing is an error: it is a mistyped path more often than a wish.
func Load(patterns []string, d Defaults, check func(expr string) error) ([]Rule, error) {
	var rules []Rule
	var errs []error
	seen := map[string]struct{}{}
	for _, p := range patterns {
		paths, err := filepath.Glob(p)
		if err != nil {
			errs = append(errs, fmt.Errorf("%q: %w", p, err))
			continue
		}
		if len(paths) == 0 {
			errs = append(errs, fmt.Errorf("%q matches no file", p))
		}
		for _, path := range paths {
			if _, twice := seen[path]; twice {
				continue
			}
			seen[path] = struct{}{}
			of, err := loadFile(path, d, check)
			if err != nil {
				errs = append(errs, fmt.Errorf("%q: %w", path, err))
			}
			rules = append(rules, of...)
		}
	}
	groups := map[string]string{} // group to file
	for _, r := range rules {
		if other, ok := groups[r.Group]; ok && other != r.File {
			errs = append(errs, fmt.Errorf("group %q stands in %q and in %q: the name of a group is where its state is kept", r.Group, other, r.File))
		}
		groups[r.Group] = r.File
	}
	return rules, errors.Join(errs...)
}

func loadFile(path string, d Defaults, check func(string) error) ([]Rule, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var f file
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := decoder.Decode(&file{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("it has more than one YAML document")
	}
	var rules []Rule
	var errs []error
	names := map[string]struct{}{}
	for i, g := range f.Groups {
		at := fmt.Sprintf("groups[%d]", i)
		if g.Name != "" {
			at = fmt.Sprintf("group %q", g.Name)
		}
		if _, twice := names[g.Name]; twice {
			errs = append(errs, fmt.Errorf("%s: there are two of this name", at))
		}
		names[g.Name] = struct{}{}
		if err := g.check(d); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", at, err))
			continue
		}
		recorded := map[string]struct{}{}
		for j, e := range g.Rules {
			r := g.rule(path, e, d)
			if _, twice := recorded[r.key()]; twice {
				errs = append(errs, fmt.Errorf("%s, rules[%d]: the same rule stands in the group twice", at, j))
			}
			recorded[r.key()] = struct{}{}
			if err := e.check(check); err != nil {
				errs = append(errs, fmt.Errorf("%s, rules[%d]: %w", at, j, err))
				continue
			}
			rules = append(rules, r)
		}
	}
	return rules, errors.Join(errs...)
}

func (g *group) check(d Defaults) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if g.Name == "" {
		bad("name: it must be set")
	}
	if g.Type != "" && g.Type != "vlogs" {
		bad("type: %q is not vlogs; rules in PromQL belong into the rule_files of embedded_tsdb", g.Type)
	}
	if g.Signal != "" && g.Signal != "logs" && g.Signal != "traces" {
		bad("signal: %q is neither logs nor traces", g.Signal)
	}
	if i := time.Duration(g.Interval); i != 0 && i < minInterval || i%time.Millisecond != 0 {
		bad("interval: %s is shorter than %s, or has parts of a millisecond", i, minInterval)
	}
	if t := time.Duration(g.Timeout); t < 0 || t > d.Timeout {
		bad("timeout: %s is longer than rules::timeout (%s)", t, d.Timeout)
	}
	if g.Limit < 0 || g.Limit > d.MaxSeries {
		bad("limit: %d is not between 0 and rules::max_series (%d)", g.Limit, d.MaxSeries)
	}
	if len(g.Rules) == 0 {
		bad("rules: there are none")
	}
	if err := checkLabels(g.Labels); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (g *group) rule(path string, e entry, d Defaults) Rule {
	r := Rule{File: path, Group: g.Name, Record: e.Record, Expr: strings.TrimSpace(e.Expr), Labels: maps.Clone(g.Labels), Interval: time.Duration(g.Interval), Timeout: time.Duration(g.Timeout), MaxSeries: g.Limit, Tenant: g.Tenant, Traces: g.Signal == "traces"}
	if r.Labels == nil {
		r.Labels = map[string]string{}
	}
	maps.Copy(r.Labels, e.Labels)
	if r.Interval == 0 {
		r.Interval = d.Interval
	}
	if r.Timeout == 0 {
		r.Timeout = d.Timeout
	}
	if r.MaxSeries == 0 {
		r.MaxSeries = d.MaxSeries
	}
	return r
}

func (e *entry) check(query func(string) error) error {
	if e.Alert != "" {
		return fmt.Errorf("alert: %q: alerts are PromQL over recorded series and belong into the rule_files of embedded_tsdb", e.Alert)
	}
	var errs []error
	if !model.UTF8Validation.IsValidMetricName(e.Record) {
		errs = append(errs, fmt.Errorf("record: %q is not the name of a metric", e.Record))
	}
	if strings.TrimSpace(e.Expr) == "" {
		errs = append(errs, errors.New("expr: it must be set"))
	} else if err := query(e.Expr); err != nil {
		errs = append(errs, fmt.Errorf("expr: %w", err))
	}
	return errors.Join(append(errs, checkLabels(e.Labels))...)
}

func checkLabels(labels map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if name == model.MetricNameLabel || strings.HasPrefix(name, model.ReservedLabelPrefix) || !model.UTF8Validation.IsValidLabelName(name) {
			return fmt.Errorf("labels: %q can't be the name of a label", name)
		}
		if !model.LabelValue(labels[name]).IsValid() {
			return fmt.Errorf("labels: the value of %q is not UTF-8", name)
		}
	}
	return nil
}
