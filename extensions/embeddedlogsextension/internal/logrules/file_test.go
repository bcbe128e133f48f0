package logrules_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logrules"
)

var defaults = logrules.Defaults{Interval: time.Minute, Timeout: 30 * time.Second, MaxSeries: 1000}

func write(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "rules.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// stats stands for the check of LogsQL.
func stats(expr string) error {
	if !strings.Contains(expr, "| stats") {
		return errors.New("missing `| stats ...` pipe")
	}
	return nil
}

func TestAFileOfRules(t *testing.T) {
	path := write(t, `
groups:
  - name: shop
    type: vlogs
    interval: 30s
    limit: 20
    timeout: 5s
    tenant: acme
    labels: {team: a, severity: low}
    rules:
      - record: shop:errors:count
        expr: 'level:error | stats by (service.name) count() errors'
        labels: {severity: high}
  - name: spans
    signal: traces
    rules: [{record: spans:count, expr: '* | stats count() n'}]
`)
	rules, err := logrules.Load([]string{path, path}, defaults, stats)
	require.NoError(t, err)
	assert.Equal(t, []logrules.Rule{
		{File: path, Group: "shop", Record: "shop:errors:count", Expr: "level:error | stats by (service.name) count() errors", Labels: map[string]string{"team": "a", "severity": "high"},
			Interval: 30 * time.Second, Timeout: 5 * time.Second, MaxSeries: 20, Tenant: "acme"},
		{File: path, Group: "spans", Record: "spans:count", Expr: "* | stats count() n", Labels: map[string]string{}, Interval: time.Minute, Timeout: 30 * time.Second, MaxSeries: 1000, Traces: true},
	}, rules)
}

func TestRulesThatAreWrong(t *testing.T) {
	rule := "rules: [{record: a, expr: '* | stats count() n'}]"
	for says, text := range map[string]string{
		`group "g": rules: there are none`:                          "groups: [{name: g}]",
		`groups[0]: name: it must be set`:                           "groups: [{" + rule + "}]",
		`there are two of this name`:                                "groups: [{name: g, " + rule + "}, {name: g, " + rule + "}]",
		`type: "prometheus" is not vlogs`:                           "groups: [{name: g, type: prometheus, " + rule + "}]",
		`signal: "metrics" is neither`:                              "groups: [{name: g, signal: metrics, " + rule + "}]",
		`interval: 500ms is shorter`:                                "groups: [{name: g, interval: 500ms, " + rule + "}]",
		`timeout: 1m0s is longer than rules::timeout (30s)`:         "groups: [{name: g, timeout: 1m, " + rule + "}]",
		`limit: 1001 is not between 0 and rules::max_series (1000)`: "groups: [{name: g, limit: 1001, " + rule + "}]",
		`labels: "__name__" can't be the name`:                      "groups: [{name: g, labels: {__name__: x}, " + rule + "}]",
		`field queery not found`:                                    "groups: [{name: g, queery: 1, " + rule + "}]",
		`rules[0]: alert: "A": alerts are PromQL`:                   "groups: [{name: g, rules: [{alert: A, expr: up}]}]",
		`rules[0]: record: "" is not the name`:                      "groups: [{name: g, rules: [{expr: '* | stats count() n'}]}]",
		`rules[0]: expr: missing`:                                   "groups: [{name: g, rules: [{record: a, expr: '*'}]}]",
		`rules[0]: expr: it must be set`:                            "groups: [{name: g, rules: [{record: a}]}]",
		`rules[1]: the same rule stands in the group twice`:         "groups: [{name: g, rules: [{record: a, expr: 'x | stats count() n'}, {record: a, expr: 'x | stats count() n'}]}]",
		`more than one YAML document`:                               "groups: []\n---\ngroups: []",
	} {
		_, err := logrules.Load([]string{write(t, text)}, defaults, stats)
		assert.ErrorContains(t, err, says)
	}
	_, err := logrules.Load([]string{"/nowhere/*.yaml"}, defaults, stats)
	assert.ErrorContains(t, err, `"/nowhere/*.yaml" matches no file`)
	one, two := write(t, "groups: [{name: g, "+rule+"}]"), write(t, "groups: [{name: g, "+rule+"}]")
	_, err = logrules.Load([]string{one, two}, defaults, stats)
	assert.ErrorContains(t, err, `group "g" stands in`)
}
