//go:build full

package loki_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/testbed/backends/loki"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// recordsOf are the records from which the exporter makes these entries.
func recordsOf(t *testing.T, entries []storedEntry, base time.Time) plog.Logs {
	t.Helper()
	ld := plog.NewLogs()
	for _, e := range entries {
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", e.Stream["service_name"])
		if v := e.Stream["deployment_environment"]; v != "" {
			rl.Resource().Attributes().PutStr("deployment.environment.name", v)
		}
		rl.Resource().Attributes().PutStr("k8s.node.name", "node-1")
		sl := rl.ScopeLogs().AppendEmpty()
		sl.Scope().SetName("lib")
		sl.Scope().SetVersion("1.2")
		sl.Scope().Attributes().PutStr("trace_id", "of the scope")
		lr := sl.LogRecords().AppendEmpty()
		lr.SetTimestamp(pcommon.Timestamp(base.UnixNano() + e.At))
		lr.Body().SetStr(e.Line)
		for name, value := range e.Metadata {
			if name == "severity_number" {
				n, err := strconv.Atoi(value)
				require.NoError(t, err)
				lr.SetSeverityNumber(plog.SeverityNumber(n))
				continue
			}
			lr.Attributes().PutStr(name, value)
		}
	}
	return ld
}

// knownDifferences are the requests that lokiapi's own comparison expects to differ.
func knownDifferences(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(answersDir, "differences.txt"))
	require.NoError(t, err)
	all := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		all[strings.TrimSpace(line)] = true
	}
	return all
}

// The built binary writes the same journal into Loki and into its own store: each request of queries.txt has the same lines, labels and values
// in both.
func TestEmbeddedLogsAnswerAsLoki(t *testing.T) {
	server := loki.Start(t, loki.Settings{})
	p := process.Start(t, process.Settings{Env: map[string]string{"PENSTOCK_LOKI_URL": server.URL(), "PENSTOCK_LAKE_URL": "off"}})
	base := time.Now().Add(-59 * time.Minute).Truncate(time.Minute)
	if base.Before(time.Now().Add(-time.Hour + 30*time.Second)) {
		base = base.Add(30 * time.Second) // lines older than an hour get the exporter's label late
	}
	entries := readEntries(t)
	accepted(t, p, recordsOf(t, entries, base))
	embedded := "http://" + p.Query()
	everything := `query time=60 :: sum(count_over_time({service_name=~".+"}[1h]))`
	for _, root := range []string{server.URL(), embedded} {
		ask.Eventually(t, func() error {
			a := answerTo(t, root, base, everything)
			if !strings.Contains(string(a.JSON), `"`+strconv.Itoa(len(entries)-1)+`"`) { // the first lies before the window
				return fmt.Errorf("%d %s %s", a.Status, a.JSON, a.Text)
			}
			return nil
		})
	}
	known := knownDifferences(t)
	compared := 0
	for _, line := range requests(t) {
		if known[line] || strings.Contains(line, "interval=") { // Loki thins out each hour separately, from its own beginning
			continue
		}
		compared++
		want, got := answerTo(t, server.URL(), base, line), answerTo(t, embedded, base, line)
		if assert.Equal(t, want.Status, got.Status, "%s\n%s%s\n%s%s", line, want.Text, want.JSON, got.Text, got.JSON) {
			assert.Equal(t, canonical(t, want), canonical(t, got), line)
		}
	}
	assert.GreaterOrEqual(t, compared, 150)
}
