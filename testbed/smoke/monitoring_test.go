package smoke

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

const deployment = "../../distributions/penstock"

// The alert rules are what Prometheus loads, and every metric, label and enumerated value in them and in the dashboard
// is one that Penstock has: a rule about a misspelt name would be silent for ever.
func TestAlertsAndDashboardNameWhatThereIs(t *testing.T) {
	known := documented(t)
	p := process.Start(t, process.Settings{Args: []string{"--set=processors::cardinality_guard/tsdb::report::interval=1s"}})
	for _, name := range []string{"up", "otelcol_process_uptime", "otelcol_process_cpu_seconds", "otelcol_process_memory_rss", "otelcol_process_runtime_heap_alloc_bytes"} {
		known[name] = anyLabels // of Prometheus, and of every collector
	}

	expressions := ruleExpressions(t)
	for where, e := range dashboardExpressions(t) {
		expressions[where] = e
	}
	require.Greater(t, len(expressions), 50)
	promql := parser.NewParser(parser.Options{})
	used := map[string]bool{}
	for where, text := range expressions {
		e, err := promql.ParseExpr(text)
		if !assert.NoError(t, err, "%s: %s", where, text) {
			continue
		}
		parser.Inspect(e, func(node parser.Node, _ []parser.Node) error {
			if selector, ok := node.(*parser.VectorSelector); ok {
				name := histogramPart.ReplaceAllString(selector.Name, "")
				used[name] = true
				if !strings.HasPrefix(name, reportPrefix) {
					known.check(t, where, name, selector.LabelMatchers)
				}
			}
			return nil
		})
	}

	// Names are spelt in the endpoint as they are in the documentation: without suffixes.
	ask.Eventually(t, func() error {
		_, body, err := process.Fetch(t.Context(), "http://"+p.Telemetry()+"/metrics")
		if err != nil {
			return err
		}
		for _, name := range []string{"otelcol_processor_cardinality_guard_points", "otelcol_receiver_kafka_replay_lag_duration", "otelcol_process_uptime",
			"otelcol_process_cpu_seconds", "otelcol_process_memory_rss", "otelcol_process_runtime_heap_alloc_bytes", "otelcol_exporter_sent_metric_points"} {
			if !strings.Contains(body, "\n"+name+"{") && !strings.Contains(body, "\n"+name+" ") {
				return fmt.Errorf("no %s in /metrics", name)
			}
		}
		return nil
	})
	// The guard's report is in the store. It is about event time, so points go on coming until it is there.
	ask.Eventually(t, func() error {
		if answer, err := send.Post(p.HTTP(), "/v1/metrics", growing(), "Content-Type", "application/json"); err != nil || answer.Status != 200 {
			return fmt.Errorf("%v: %w", answer, err)
		}
		for name := range used {
			if strings.HasPrefix(name, reportPrefix) {
				if _, err := ask.PromValue(p.TSDB(), "count("+name+")"); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

const reportPrefix = "penstock_cardinality_"

var histogramPart = regexp.MustCompile(`_(bucket|sum|count)$`)

// growing returns a request with enough series of one metric that the guard counts the values of their attributes.
func growing() []byte {
	var points []string
	now := time.Now().UnixNano()
	for i := range 1100 {
		points = append(points, fmt.Sprintf(`{"asInt":"1","timeUnixNano":"%d","attributes":[{"key":"n","value":{"stringValue":"%d"}}]}`, now, i))
	}
	return []byte(`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"many","gauge":{"dataPoints":[` + strings.Join(points, ",") + `]}}]}]}]}`)
}

// catalog holds the labels of each metric, and of each label the values that it can have, nil for any.
type catalog map[string]map[string][]string

// anyLabels is for metrics whose labels are not ours.
var anyLabels map[string][]string

func (c catalog) check(t *testing.T, where, name string, matchers []*labels.Matcher) {
	t.Helper()
	have, ok := c[name]
	if !assert.True(t, ok, "%s: there is no metric %s", where, name) || have == nil {
		return
	}
	for _, m := range matchers {
		switch m.Name {
		case model.MetricNameLabel, "job", "instance":
			continue
		}
		values, ok := have[m.Name]
		if !assert.True(t, ok, "%s: %s has no label %s", where, name, m.Name) || values == nil {
			continue
		}
		for value := range strings.SplitSeq(m.Value, "|") {
			assert.Contains(t, values, value, "%s: %s{%s}", where, name, m)
		}
	}
}

// documented reads every documentation.md: ours, and those of the collector's own modules that are in the binary.
func documented(t *testing.T) catalog {
	t.Helper()
	c := catalog{}
	require.NoError(t, filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == "build" || d.Name() == ".git") {
			return filepath.SkipDir
		}
		if err == nil && d.Name() == "documentation.md" {
			c.read(t, path)
		}
		return err
	}))
	require.Contains(t, c, "otelcol_processor_cardinality_guard_dropped_points")
	for _, module := range []string{"exporter/exporterhelper", "receiver/receiverhelper"} {
		list := exec.Command("go", "list", "-f", "{{.Dir}}", "go.opentelemetry.io/collector/"+module)
		list.Dir = "../.."
		out, err := list.Output()
		require.NoError(t, err)
		c.read(t, filepath.Join(strings.TrimSpace(string(out)), "documentation.md"))
	}
	return c
}

var (
	metricHeading = regexp.MustCompile(`(?m)^### (otelcol_\S+)$`)
	attributeRow  = regexp.MustCompile(`(?m)^\| ([a-z_.]+) \| .* \| (Any [A-Za-z]+|[A-Za-z]+: .*?) \|`)
	enumValue     = regexp.MustCompile("``([^`]+)``")
)

func (c catalog) read(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	theirs := strings.Contains(path, "go.opentelemetry.io")
	headings := metricHeading.FindAllStringSubmatchIndex(string(text), -1)
	require.NotEmpty(t, headings, path)
	for i, h := range headings {
		end := len(text)
		if i+1 < len(headings) {
			end = headings[i+1][0]
		}
		name := string(text[h[2]:h[3]])
		if c[name] = anyLabels; theirs {
			continue // Theirs don't list all labels.
		}
		c[name] = map[string][]string{}
		for _, row := range attributeRow.FindAllStringSubmatch(string(text[h[1]:end]), -1) {
			var values []string
			for _, v := range enumValue.FindAllStringSubmatch(row[2], -1) {
				values = append(values, v[1])
			}
			c[name][strings.ReplaceAll(row[1], ".", "_")] = values
		}
	}
}

// ruleExpressions returns the expressions of the alert rules by name, after Prometheus' own check of the file.
func ruleExpressions(t *testing.T) map[string]string {
	t.Helper()
	groups, errs := rulefmt.ParseFile(deployment+"/prometheus/alerts.yaml", false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	require.Empty(t, errs)
	found := map[string]string{}
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			assert.Contains(t, []string{"page", "ticket", "info"}, r.Labels["severity"], r.Alert)
			assert.NotEmpty(t, r.Annotations["summary"], r.Alert)
			require.NotContains(t, found, r.Alert)
			found[r.Alert] = r.Expr
		}
	}
	return found
}

// dashboardExpressions returns the expressions of the dashboard's panels, with Grafana's variables filled in.
func dashboardExpressions(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(deployment + "/grafana/penstock.json")
	require.NoError(t, err)
	var dashboard struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ RefID, Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &dashboard))
	found, ids := map[string]string{}, map[int]bool{}
	variables := strings.NewReplacer("$__rate_interval", "5m", "$job", ".*", "$instance", ".*")
	for _, p := range dashboard.Panels {
		assert.False(t, ids[p.ID], "panel %q has the id of another one", p.Title)
		ids[p.ID] = true
		for _, target := range p.Targets {
			found[fmt.Sprintf("panel %d %s %s", p.ID, p.Title, target.RefID)] = variables.Replace(target.Expr)
		}
	}
	return found
}
