package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

const (
	replayRoutes = 50
	replayStep   = 30 * time.Second
	replayBudget = 20
)

// counted is the value of a route's counter at a step.
func counted(route, step int) float64 { return float64(route + step*(route%4+1)) }

// requests is one export of both services, cumulative counters by route. cart has few routes, checkout too many for the budget.
func requests(begin time.Time, step int) pmetric.Metrics {
	md := pmetric.NewMetrics()
	for service, routes := range map[string]int{"checkout": replayRoutes, "cart": 5} {
		rm := md.ResourceMetrics().AppendEmpty()
		rm.Resource().Attributes().PutStr("service.name", service)
		m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName("shop.requests")
		sum := m.SetEmptySum()
		sum.SetIsMonotonic(true)
		sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		for route := range routes {
			p := sum.DataPoints().AppendEmpty()
			p.Attributes().PutStr("http.route", fmt.Sprintf("/r%d", route))
			p.SetStartTimestamp(pcommon.NewTimestampFromTime(begin.Add(-time.Second)))
			p.SetTimestamp(pcommon.NewTimestampFromTime(begin.Add(time.Duration(step) * replayStep)))
			p.SetDoubleValue(counted(route, step))
		}
	}
	return md
}

// On Tuesday a budget was too tight, and the routes of a service were folded. On Thursday the range is replayed with a wider budget and `replace`,
// and the TSDB's answers about Tuesday are what was sent.
func TestTuesdayIsReplayedWithAWiderBudget(t *testing.T) {
	budget := filepath.Join(t.TempDir(), "budget.yaml")
	limit := func(series int) {
		text := fmt.Sprintf("processors: {cardinality_guard/tsdb: {limits: {series_per_metric: %d, overflow_streams_per_metric: 10}}}", series)
		require.NoError(t, os.WriteFile(budget, []byte(text), 0o600))
	}
	limit(replayBudget)
	p := process.Start(t, process.Settings{
		Configs: []string{"profile:standalone", budget}, Env: map[string]string{"PENSTOCK_LAKE_URL": "off"},
		// Host metrics are of now: a TSDB that has them first takes Tuesday for too old.
		Args: []string{"--set=receivers::host_metrics::initial_delay=1h"},
	})

	// Tuesday: the two hours of the trouble, half an hour before and after.
	const before, during, after = 60, 240, 60
	tuesday := time.Now().UTC().Add(-48 * time.Hour).Truncate(time.Hour)
	begin, end := tuesday.Add(-before*replayStep), tuesday.Add(during*replayStep)
	for step := range before + during + after {
		answer, err := send.Metrics(p.HTTP(), requests(begin, step))
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.Status)
	}
	last := begin.Add((before + during + after - 1) * replayStep)
	ask.Eventually(t, func() error { return sameAt(p, `shop_requests_total{job="cart"}`, last, 5, before+during+after-1) })
	routes, err := ask.PromQL(p.TSDB(), `shop_requests_total{job="checkout",http_route!=""}`, tuesday.Add(time.Hour))
	require.NoError(t, err)
	require.Len(t, routes, replayBudget, "the budget holds, the other routes are folded away")
	ask.Eventually(t, func() error { // folded points leave when their pane closes
		folded, err := ask.PromQL(p.TSDB(), overflowOf("checkout"), tuesday.Add(time.Hour))
		if err == nil && len(folded) == 0 {
			err = errors.New("nothing is folded yet")
		}
		return err
	})

	// Thursday.
	limit(10_000)
	p.Terminate(t)
	p.Restart(t)
	answer, err := send.Metrics(p.HTTP(), requests(time.Now(), 0))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.Status)
	ask.Eventually(t, func() error { return sameAt(p, `shop_requests_total{job="cart"}`, time.Now(), 5, 0) })

	// The records of Tuesday came in today; in life, late is how late they were.
	job := fmt.Sprintf(`{"id":"tuesday","signal":"metrics","from":%q,"to":%q,"late":"72h","keys":["*/*/checkout"],"replace":{}`,
		tuesday.Format(time.RFC3339), end.Format(time.RFC3339))
	status, dry := replays(t, p, http.MethodPost, "", job+`,"dry_run":true}`)
	require.Equal(t, http.StatusOK, status, dry)
	assert.Empty(t, dry["problems"])
	estimate := dry["estimate"].(map[string]any)
	assert.EqualValues(t, during, estimate["records"], estimate)
	assert.EqualValues(t, during*replayRoutes, estimate["items"], estimate)

	status, made := replays(t, p, http.MethodPost, "", job+`,"records_per_second":60}`)
	require.Equal(t, http.StatusCreated, status, made)
	ask.Eventually(t, func() error {
		_, job := replays(t, p, http.MethodGet, "/tuesday", "")
		if progress, _ := job["progress"].(float64); progress < 0.2 {
			return fmt.Errorf("%v", job)
		}
		return nil
	})
	p.Kill() // in the middle of it, unless this machine has paused for seconds
	p.Wait(t)
	p.Restart(t)
	ask.Eventually(t, func() error { return jobIs(t, p, "tuesday", "done") })
	_, done := replays(t, p, http.MethodGet, "/tuesday", "")
	assert.Equal(t, []any{`{job="checkout"}`}, done["status"].(map[string]any)["replaced"])
	assert.EqualValues(t, during*replayRoutes, done["status"].(map[string]any)["counts"].(map[string]any)["items"], "what was read again counts once")

	right := func() {
		for step := range during { // every sample of the range
			require.NoError(t, sameAt(p, `shop_requests_total{job="checkout",http_route!=""}`, tuesday.Add(time.Duration(step)*replayStep), replayRoutes, before+step))
		}
		left, err := ask.PromQL(p.TSDB(), `sum(count_over_time(`+overflowOf("checkout")+`[7199s]))`, end.Add(-time.Second))
		require.NoError(t, err)
		assert.Empty(t, left, "nothing is left of what was wrong")
		samples, err := ask.PromQL(p.TSDB(), `sum(count_over_time(shop_requests_total{job="checkout"}[2h]))`, end.Add(-time.Millisecond))
		require.NoError(t, err)
		require.Len(t, samples, 1)
		assert.EqualValues(t, during*replayRoutes, samples[0].Value, "and nothing was written twice")
		for route := range replayRoutes {
			of := fmt.Sprintf(`{rollup_window="1h",http_route="/r%d"}`, route)
			hour, err := ask.PromQL(p.TSDB(), `shop_requests_increase`+strings.Replace(of, "{", `{job="checkout",`, 1), end)
			require.NoError(t, err)
			require.Len(t, hour, 1, "rollups behind the guard are right too: %s", of)
			assert.EqualValues(t, during/2*(route%4+1), hour[0].Value, of)
		}
		// Everything that was not replayed is unchanged: the other service, and the half hours around.
		require.NoError(t, sameAt(p, `shop_requests_total{job="cart"}`, tuesday.Add(time.Hour), 5, before+during/2))
		for _, at := range []time.Time{tuesday.Add(-replayStep), last} {
			routes, err := ask.PromQL(p.TSDB(), `shop_requests_total{job="checkout",http_route!=""} @ `+fmt.Sprint(at.Unix()), at)
			require.NoError(t, err)
			fresh := 0
			for _, r := range routes {
				if r.Labels["http_route"] != "" {
					fresh++
				}
			}
			assert.GreaterOrEqual(t, fresh, replayBudget)
		}
	}
	right()

	// It stays so when the process is killed.
	p.Kill()
	p.Wait(t)
	p.Restart(t)
	ask.Eventually(t, func() error {
		return sameAt(p, `shop_requests_total{job="cart"}`, tuesday.Add(time.Hour), 5, before+during/2)
	})
	right()
	require.NoError(t, jobIs(t, p, "tuesday", "done"))
}

func overflowOf(service string) string {
	return `shop_requests_total{job="` + service + `",otel_metric_overflow="true"}`
}

// sameAt compares a query's answer at a time with the routes' counters at a step.
func sameAt(p *process.Process, query string, at time.Time, routes, step int) error {
	series, err := ask.PromQL(p.TSDB(), query, at)
	if err != nil {
		return err
	}
	if len(series) != routes {
		return fmt.Errorf("%s at %s: %d series, want %d", query, at, len(series), routes)
	}
	for _, s := range series {
		var route int
		if _, err := fmt.Sscanf(s.Labels["http_route"], "/r%d", &route); err != nil {
			return fmt.Errorf("%s at %s: %v", query, at, s.Labels)
		}
		if want := counted(route, step); s.Value != want {
			return fmt.Errorf("%s at %s: route %d is %v, want %v", query, at, route, s.Value, want)
		}
	}
	return nil
}

// replays queries the API of jobs, until it has read the log of jobs.
func replays(t *testing.T, p *process.Process, method, path, body string) (status int, answer map[string]any) {
	t.Helper()
	ask.Eventually(t, func() error {
		if status, answer = replaysNow(t, p, method, path, body); status == http.StatusServiceUnavailable {
			return fmt.Errorf("%v", answer)
		}
		return nil
	})
	return status, answer
}

func replaysNow(t *testing.T, p *process.Process, method, path, body string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.Admin()+"/v1/replays"+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+p.AdminToken(t))
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	var out map[string]any
	require.NoError(t, json.Unmarshal(text, &out), "%s", text)
	return resp.StatusCode, out
}

func jobIs(t *testing.T, p *process.Process, id, phase string) error {
	t.Helper()
	_, job := replays(t, p, http.MethodGet, "/"+id, "")
	status, _ := job["status"].(map[string]any)
	if status["phase"] != phase {
		return fmt.Errorf("job %s: %v", id, job)
	}
	return nil
}
