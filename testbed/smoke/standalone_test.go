package smoke

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// The main job: a stock SDK points at the binary and nothing else changes; metrics answer PromQL, everything is in the lake.
func TestSDKToPromQLAndLake(t *testing.T) {
	const requests = 1234
	for _, tt := range []struct {
		name string
		http bool
	}{{"grpc", false}, {"http", true}} {
		t.Run(tt.name, func(t *testing.T) {
			p := process.Start(t, process.Settings{Args: []string{soonInTheLake}})
			endpoint := p.GRPC()
			if tt.http {
				endpoint = p.HTTP()
			}
			sdk := send.NewGoSDK(t, "shop", endpoint, tt.http)
			sdk.Emit(t, requests)
			sdk.Shutdown(t)

			ask.Eventually(t, func() error {
				return wantValue(p, `sum(requests_total{job="shop",http_route="/"})`, requests)
			})
			ask.Eventually(t, func() error {
				return wantValue(p, `sum(latency_seconds_count{job="shop"})`, requests)
			})
			ask.AwaitLakeRows(t, p.Lake(), map[string]int64{"logs": requests, "traces": requests})
			p.Terminate(t)
			assert.EqualValues(t, requests, ask.LakeRows(t, p.Lake(), "logs"))
			assert.EqualValues(t, requests, ask.LakeRows(t, p.Lake(), "traces"))
		})
	}
}

// OTLP/HTTP with JSON, as a browser or a curl sends it.
func TestJSON(t *testing.T) {
	p := process.Start(t, process.Settings{Args: []string{soonInTheLake}})
	const service = `"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"curl"}}]}`
	now := fmt.Sprint(time.Now().UnixNano())
	for path, body := range map[string]string{
		"/v1/metrics": `{"resourceMetrics":[{` + service + `,"scopeMetrics":[{"metrics":[{"name":"temperature","gauge":{"dataPoints":[{"asDouble":21.5,"timeUnixNano":"` + now + `"}]}}]}]}]}`,
		"/v1/logs":    `{"resourceLogs":[{` + service + `,"scopeLogs":[{"logRecords":[{"timeUnixNano":"` + now + `","severityNumber":9,"body":{"stringValue":"hello"}}]}]}]}`,
		"/v1/traces": `{"resourceSpans":[{` + service + `,"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174",` +
			`"name":"GET","kind":2,"startTimeUnixNano":"` + now + `","endTimeUnixNano":"` + now + `"}]}]}]}`,
	} {
		answer, err := send.Post(p.HTTP(), path, []byte(body), "Content-Type", "application/json")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.Status, answer.Body)
		assert.JSONEq(t, `{}`, answer.Body)
	}
	ask.Eventually(t, func() error { return wantValue(p, `temperature{job="curl"}`, 21.5) })
	ask.AwaitLakeRows(t, p.Lake(), map[string]int64{"logs": 1, "traces": 1})
	p.Terminate(t)
	assert.EqualValues(t, 1, ask.LakeRows(t, p.Lake(), "logs"))
	assert.EqualValues(t, 1, ask.LakeRows(t, p.Lake(), "traces"))
}

// Requests overtake each other where clients repeat them and gateways share the work. A delta that comes late counts all the same.
func TestOvertakenDeltasCount(t *testing.T) {
	p := process.Start(t, process.Settings{})
	now := time.Now()
	for _, ago := range []time.Duration{40 * time.Second, 20 * time.Second, 30 * time.Second} {
		md := pmetric.NewMetrics()
		rm := md.ResourceMetrics().AppendEmpty()
		rm.Resource().Attributes().PutStr("service.name", "shop")
		m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName("orders")
		m.SetEmptySum().SetIsMonotonic(true)
		m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
		dp := m.Sum().DataPoints().AppendEmpty()
		dp.SetStartTimestamp(pcommon.NewTimestampFromTime(now.Add(-ago - 10*time.Second)))
		dp.SetTimestamp(pcommon.NewTimestampFromTime(now.Add(-ago)))
		dp.SetIntValue(int64(ago / time.Second))
		answer, err := send.Metrics(p.HTTP(), md)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	}
	ask.Eventually(t, func() error { return wantValue(p, `orders_total{job="shop"}`, 90) })
}

// A token that a client sends must not reach the disk: queues keep what they are given.
func TestNoTokenOnDisk(t *testing.T) {
	p := process.Start(t, process.Settings{})
	const token = "a-token-that-nobody-else-has"
	body := []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"hello"}}]}]}]}`)
	answer, err := send.Post(p.HTTP(), "/v1/logs", body, "Content-Type", "application/json", "Authorization", "Bearer "+token)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.Status, answer.Body)

	assertNotOnDisk(t, p.DataDir(), token, "authorization")
	p.Terminate(t)
	assertNotOnDisk(t, p.DataDir(), token, "authorization")
}

// Host metrics need no client at all.
func TestHostMetrics(t *testing.T) {
	p := process.Start(t, process.Settings{})
	ask.Eventually(t, func() error {
		used, err := ask.PromValue(p.TSDB(), `sum(system_memory_usage_bytes)`)
		if err == nil && used <= 0 {
			err = fmt.Errorf("memory usage %v", used)
		}
		return err
	})
}

func TestUnknownProfileNamesTheKnownOnes(t *testing.T) {
	p := process.New(t, process.Settings{Configs: []string{"profile:bogus"}})
	p.Begin(t)
	assert.NotZero(t, p.Wait(t))
	for _, name := range []string{"bogus", "standalone", "agent", "gateway"} {
		assert.Contains(t, p.Log(), name)
	}
}

// Every profile starts and stops cleanly without any variable set but the addresses.
func TestProfilesStart(t *testing.T) {
	for _, profile := range []string{"standalone", "agent", "gateway"} {
		t.Run(profile, func(t *testing.T) {
			p := process.Start(t, process.Settings{Configs: []string{"profile:" + profile}})
			// At once: the first host metrics, on their way while it stops, are kept in the queue, which the collector logs as an error.
			p.Terminate(t)
			assert.NotContains(t, p.Log(), "\terror\t", "a clean run logs no error")
		})
	}
}

// wantValue reports how the single answer to query differs from want.
func wantValue(p *process.Process, query string, want float64) error {
	got, err := ask.PromValue(p.TSDB(), query)
	if err == nil && got != want {
		err = fmt.Errorf("%s = %v, want %v", query, got, want)
	}
	return err
}

// assertNotOnDisk reads every file below dir. It fails when there is none: then it would show nothing.
func assertNotOnDisk(t *testing.T, dir string, texts ...string) {
	t.Helper()
	files := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // gone meanwhile: a running process renames its files
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		files++
		for _, text := range texts {
			assert.NotContains(t, strings.ToLower(string(content)), text, path)
		}
		return nil
	}))
	require.NotZero(t, files, "nothing was written below %s", dir)
}
