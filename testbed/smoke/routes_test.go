package smoke

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// A route is of one of these kinds for a key of a tenant that may do all that a tenant's keys can.
const (
	open     = "open"     // answers with what belongs to nobody
	own      = "own"      // answers with what is the tenant's
	operator = "operator" // is refused
)

// routeKinds has a row for each route of each listener of the profile standalone, by listener, method and path.
var routeKinds = map[string]string{
	"admin GET /{$}":       open,
	"admin GET /v1/health": open,
	"admin GET /v1/routes": operator,

	"admin GET /console/":                                         open,
	"admin GET /console/v1/about":                                 own,
	"admin GET /console/v1/state":                                 operator,
	"admin GET /console/v1/series":                                operator,
	"admin GET /console/v1/tap":                                   open,
	"admin GET /console/v1/tap/records":                           own,
	"admin GET /console/logs/select/logsql/query":                 own,
	"admin GET /console/logs/select/logsql/hits":                  own,
	"admin GET /console/logs/select/logsql/field_names":           own,
	"admin GET /console/logs/select/logsql/field_values":          own,
	"admin GET /console/logs/select/logsql/streams":               own,
	"admin GET /console/logs/select/logsql/stats_query":           own,
	"admin GET /console/logs/select/logsql/stats_query_range":     own,
	"admin GET /console/logs/select/logsql/facets":                own,
	"admin GET /console/logs/select/logsql/tail":                  own,
	"admin GET /console/traces/api/services":                      own,
	"admin GET /console/traces/api/services/{service}/operations": own,
	"admin GET /console/traces/api/operations":                    own,
	"admin GET /console/traces/api/traces":                        own,
	"admin GET /console/traces/api/traces/{id}":                   own,
	"admin GET /console/traces/api/dependencies":                  own,
	"admin GET /console/metrics/api/v1/query":                     own,
	"admin GET /console/metrics/api/v1/query_range":               own,
	"admin GET /console/metrics/api/v1/query_exemplars":           own,
	"admin GET /console/metrics/api/v1/labels":                    own,
	"admin GET /console/metrics/api/v1/label/{name}/values":       own,
	"admin GET /console/metrics/api/v1/series":                    own,
	"admin GET /console/metrics/api/v1/metadata":                  own,

	"admin GET /cardinality_guard/tsdb/{$}":          own,
	"admin GET /cardinality_guard/tsdb/report.json":  own,
	"admin GET /cardinality_guard/tsdb/overrides":    operator,
	"admin PUT /cardinality_guard/tsdb/overrides":    operator,
	"admin DELETE /cardinality_guard/tsdb/overrides": operator,
	"admin  /ledger/":      own,
	"admin  /v1/ledger/":   own,
	"admin  /v1/lake/":     operator,
	"admin  /v1/receipts/": own,
	"admin  /v1/usage/":    own,

	"admin GET /iceberg/v1/config":                                 operator,
	"admin GET /iceberg/v1/namespaces":                             operator,
	"admin GET /iceberg/v1/namespaces/{namespace}":                 operator,
	"admin HEAD /iceberg/v1/namespaces/{namespace}":                operator,
	"admin GET /iceberg/v1/namespaces/{namespace}/tables":          operator,
	"admin GET /iceberg/v1/namespaces/{namespace}/tables/{table}":  operator,
	"admin HEAD /iceberg/v1/namespaces/{namespace}/tables/{table}": operator,
	"admin  /iceberg/": operator,

	"admin GET /window_rollup/tsdb/{$}":         operator,
	"admin GET /window_rollup/tsdb/report.json": operator,

	"admin GET /kafka_replay/tsdb/{$}":                      operator,
	"admin GET /kafka_replay/tsdb/v1/members":               operator,
	"admin POST /kafka_replay/tsdb/v1/leave":                operator,
	"admin DELETE /kafka_replay/tsdb/v1/members/{instance}": operator,
	"admin GET /kafka_replay/lake/{$}":                      operator,
	"admin GET /kafka_replay/lake/v1/members":               operator,
	"admin POST /kafka_replay/lake/v1/leave":                operator,
	"admin DELETE /kafka_replay/lake/v1/members/{instance}": operator,

	"admin GET /kafka_replay/logs/{$}":                      operator,
	"admin GET /kafka_replay/logs/v1/members":               operator,
	"admin POST /kafka_replay/logs/v1/leave":                operator,
	"admin DELETE /kafka_replay/logs/v1/members/{instance}": operator,

	"admin GET /kafka_replay/jobs/{$}":                     own,
	"admin GET /kafka_replay/jobs/v1/{$}":                  own,
	"admin GET /kafka_replay/jobs/new":                     open,
	"admin GET /kafka_replay/jobs/v1/new":                  open,
	"admin GET /kafka_replay/jobs/v1/replays":              own,
	"admin POST /kafka_replay/jobs/v1/replays":             own,
	"admin GET /kafka_replay/jobs/v1/replays/{id}":         own,
	"admin DELETE /kafka_replay/jobs/v1/replays/{id}":      own,
	"admin POST /kafka_replay/jobs/v1/replays/{id}/pause":  own,
	"admin POST /kafka_replay/jobs/v1/replays/{id}/resume": own,
	"admin POST /kafka_replay/jobs/v1/replays/{id}/cancel": own,
	"admin GET /v1/{$}":                                    own,
	"admin GET /v1/new":                                    open,
	"admin GET /v1/replays":                                own,
	"admin POST /v1/replays":                               own,
	"admin GET /v1/replays/{id}":                           own,
	"admin DELETE /v1/replays/{id}":                        own,
	"admin POST /v1/replays/{id}/pause":                    own,
	"admin POST /v1/replays/{id}/resume":                   own,
	"admin POST /v1/replays/{id}/cancel":                   own,

	"admin GET /pii_scrubber/{$}":      open,
	"admin GET /pii_scrubber/preview":  open,
	"admin POST /pii_scrubber/preview": open,
	"admin POST /pii_scrubber/capture": operator,
	"admin POST /pii_scrubber/decrypt": own,

	"embedded_tsdb  /-/healthy":                          open,
	"embedded_tsdb  /-/ready":                            open,
	"embedded_tsdb  /metrics":                            operator,
	"embedded_tsdb  /api/v1/query":                       own,
	"embedded_tsdb  /api/v1/query_range":                 own,
	"embedded_tsdb  /api/v1/query_exemplars":             own,
	"embedded_tsdb  /api/v1/format_query":                open,
	"embedded_tsdb  /api/v1/parse_query":                 open,
	"embedded_tsdb  /api/v1/labels":                      own,
	"embedded_tsdb  /api/v1/label/{name}/values":         own,
	"embedded_tsdb  /api/v1/series":                      own,
	"embedded_tsdb  /api/v1/metadata":                    own,
	"embedded_tsdb  /api/v1/read":                        own,
	"embedded_tsdb  /api/v1/search/metric_names":         own,
	"embedded_tsdb  /api/v1/search/label_names":          own,
	"embedded_tsdb  /api/v1/search/label_values":         own,
	"embedded_tsdb  /api/v1/status/buildinfo":            open,
	"embedded_tsdb  /api/v1/features":                    open,
	"embedded_tsdb  /api/v1/openapi.yaml":                open,
	"embedded_tsdb  /api/v1/write":                       own,
	"embedded_tsdb  /api/v1/otlp/v1/metrics":             own,
	"embedded_tsdb  /api/v1/admin/tsdb/delete_series":    own,
	"embedded_tsdb  /api/v1/admin/tsdb/clean_tombstones": operator,
	"embedded_tsdb  /api/v1/admin/tsdb/snapshot":         operator,
	"embedded_tsdb  /api/v1/scrape_pools":                operator,
	"embedded_tsdb  /api/v1/targets":                     operator,
	"embedded_tsdb  /api/v1/targets/metadata":            operator,
	"embedded_tsdb  /api/v1/targets/relabel_steps":       operator,
	"embedded_tsdb  /api/v1/alertmanagers":               operator,
	"embedded_tsdb  /api/v1/status/config":               operator,
	"embedded_tsdb  /api/v1/status/runtimeinfo":          operator,
	"embedded_tsdb  /api/v1/status/flags":                operator,
	"embedded_tsdb  /api/v1/status/tsdb":                 operator,
	"embedded_tsdb  /api/v1/status/tsdb/blocks":          operator,
	"embedded_tsdb  /api/v1/status/self_metrics":         operator,
	"embedded_tsdb  /api/v1/status/walreplay":            operator,
	"embedded_tsdb  /api/v1/notifications":               operator,
	"embedded_tsdb  /api/v1/notifications/live":          operator,
	"embedded_tsdb  /api/v1/alerts":                      operator,
	"embedded_tsdb  /api/v1/rules":                       operator,

	"embedded_logs GET /api/v1/rules":                          operator,
	"embedded_logs  /select/logsql/query":                      own,
	"embedded_logs  /select/logsql/query_time_range":           open,
	"embedded_logs  /select/logsql/hits":                       own,
	"embedded_logs  /select/logsql/facets":                     own,
	"embedded_logs  /select/logsql/stats_query":                own,
	"embedded_logs  /select/logsql/stats_query_range":          own,
	"embedded_logs  /select/logsql/tail":                       own,
	"embedded_logs  /select/logsql/field_names":                own,
	"embedded_logs  /select/logsql/field_values":               own,
	"embedded_logs  /select/logsql/streams":                    own,
	"embedded_logs  /select/logsql/stream_ids":                 own,
	"embedded_logs  /select/logsql/stream_field_names":         own,
	"embedded_logs  /select/logsql/stream_field_values":        own,
	"embedded_logs  /select/buildinfo":                         open,
	"embedded_logs  /loki/api/v1/query":                        own,
	"embedded_logs  /loki/api/v1/query_range":                  own,
	"embedded_logs  /loki/api/v1/labels":                       own,
	"embedded_logs  /loki/api/v1/label":                        own,
	"embedded_logs  /loki/api/v1/label/{name}/values":          own,
	"embedded_logs  /loki/api/v1/series":                       own,
	"embedded_logs  /loki/api/v1/index/stats":                  own,
	"embedded_logs  /loki/api/v1/index/volume":                 own,
	"embedded_logs  /loki/api/v1/index/volume_range":           own,
	"embedded_logs  /loki/api/v1/detected_labels":              own,
	"embedded_logs  /loki/api/v1/detected_fields":              own,
	"embedded_logs  /loki/api/v1/detected_field/{name}/values": own,
	"embedded_logs  /loki/api/v1/tail":                         own,
	"embedded_logs  /loki/api/v1/format_query":                 open,
	"embedded_logs  /loki/api/v1/status/buildinfo":             open,
	"embedded_logs  /loki/api/v1/patterns":                     open,
	"embedded_logs  /loki/api/v1/rules":                        open,
	"embedded_logs GET /api/services":                          own,
	"embedded_logs GET /api/services/{service}/operations":     own,
	"embedded_logs GET /api/operations":                        own,
	"embedded_logs GET /api/traces":                            own,
	"embedded_logs GET /api/traces/{id}":                       own,
	"embedded_logs GET /api/dependencies":                      own,
	"embedded_logs POST /api/v1/logs/search":                   own,
	"embedded_logs GET /api/v1/metrics/query":                  own,
	"embedded_logs POST /api/v1/query/correlate":               own,
	"embedded_logs GET /ready":                                 open,
	"embedded_logs GET /health":                                open,
	"embedded_logs POST /delete/run_task":                      own,

	"ingest  /api/v1/logs/ingest":    own,
	"ingest  /api/v1/events/ingest":  own,
	"ingest  /api/v1/metrics/ingest": own,
	"ingest  /api/v1/openapi.yaml":   open,
	"ingest  /loki/":                 own,
	"ingest  /services/collector":    own,
	"ingest  /services/collector/":   own,
	"ingest  /_bulk":                 own,

	// The receiver is the collector's, and its routes are those of the OTLP specification.
	"otlp POST /v1/logs":    own,
	"otlp POST /v1/metrics": own,
	"otlp POST /v1/traces":  own,
}

type listedRoute struct{ Listener, Method, Path string }

func (r listedRoute) String() string { return r.Listener + " " + r.Method + " " + r.Path }

// listRoutes asks the binary for the routes that its code registers.
func listRoutes(t *testing.T, p *process.Process) []listedRoute {
	t.Helper()
	status, text := callAs(t, http.MethodGet, "http://"+p.Admin()+"/v1/routes", p.AdminToken(t), "")
	require.Equal(t, http.StatusOK, status, text)
	var answer struct{ Routes []listedRoute }
	require.NoError(t, json.Unmarshal([]byte(text), &answer))
	for _, path := range []string{"/v1/logs", "/v1/metrics", "/v1/traces"} {
		answer.Routes = append(answer.Routes, listedRoute{"otlp", http.MethodPost, path})
	}
	return answer.Routes
}

// callAs sends a request with a key; empty: without one.
func callAs(t *testing.T, method, url, key, body string) (status int, text string) {
	t.Helper()
	return callWith(t, method, url, body, "X-API-Key", key)
}

// callWith sends a request with a header; an empty value: without it.
func callWith(t *testing.T, method, url, body, header, value string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	if value != "" {
		r.Header.Set(header, value)
	}
	switch {
	case strings.HasPrefix(body, "{"), strings.HasPrefix(body, "["):
		r.Header.Set("Content-Type", "application/json")
	case body != "":
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { require.NoError(t, answer.Body.Close()) }()
	content, err := io.ReadAll(io.LimitReader(answer.Body, 8<<20))
	require.NoError(t, err)
	return answer.StatusCode, string(content)
}

// greedyLogQL is {service_name=~".+"}, of all time.
const greedyLogQL = "query=%7Bservice_name%3D~%22.%2B%22%7D&match%5B%5D=%7Bservice_name%3D~%22.%2B%22%7D&start=0"

const greedyLogs = "query=*&filter=*&field=_msg&step=1h&provenance=1"

const greedyForm = "query=%7B__name__%3D~%22.%2B%22%7D&match%5B%5D=%7B__name__%3D~%22.%2B%22%7D&step=15&start=0&end=4102444800"

// Two tenants, and every route of every listener with the other's key: no row, no name. A route that the code registers and that has no
// row in routeKinds fails the test.
func TestNoRouteShowsAnotherTenant(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys.yaml")
	const tenantScopes = "ingest,read,replay,erase,decrypt"
	acme := newKey(t, keys, "--tenant", "acme", "--scope", tenantScopes)
	beta := newKey(t, keys, "--tenant", "beta", "--scope", tenantScopes)
	p := process.Start(t, process.Settings{Args: []string{soonInTheLake}, Env: map[string]string{"PENSTOCK_KEYS_FILE": keys}})
	admin := p.AdminToken(t)
	address := map[string]string{"admin": p.Admin(), "embedded_tsdb": p.TSDB(), "embedded_logs": p.Query(), "ingest": p.Ingest(), "otlp": p.HTTP()}

	// What acme has: a metric, a log record and a span that bear its name in all texts, and a job that replays them.
	for path, body := range map[string]string{
		"/v1/metrics": metricOf("acme"), "/v1/logs": string(logOf("acme-shop", "acme line")),
		"/v1/traces": fmt.Sprintf(`{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"acme-shop"}}]},"scopeSpans":[{"spans":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","name":"acme span","startTimeUnixNano":"%d","endTimeUnixNano":"%d"}]}]}]}`, time.Now().UnixNano(), time.Now().UnixNano()),
	} {
		status, text := callAs(t, http.MethodPost, "http://"+p.HTTP()+path, acme, body)
		require.Equal(t, http.StatusOK, status, text)
	}
	ask.Eventually(t, func() error {
		_, text := callAs(t, http.MethodGet, "http://"+p.TSDB()+"/api/v1/series?match[]=acme_stock", acme, "")
		if !strings.Contains(text, "acme_stock") {
			return fmt.Errorf("the TSDB has no series yet: %s", text)
		}
		if status, text := callAs(t, http.MethodGet, "http://"+p.Query()+"/select/logsql/query?query=*", acme, ""); status != http.StatusOK {
			return fmt.Errorf("the log store is not open yet: %d %s", status, text)
		}
		return nil
	})
	var status int
	var text string
	ask.Eventually(t, func() error { // jobs are refused until the log of jobs has been read
		status, text = callAs(t, http.MethodPost, "http://"+p.Admin()+"/v1/replays", acme, `{"signal":"logs","from":"-2h","to":"-1h","id":"acme-job","force":true}`) // of a time when there was nothing
		if status == http.StatusServiceUnavailable {
			return fmt.Errorf("%s", text)
		}
		return nil
	})
	require.Equal(t, http.StatusCreated, status, text)
	var job struct{ Spec struct{ ID string } }
	require.NoError(t, json.Unmarshal([]byte(text), &job))

	routes := listRoutes(t, p)
	seen := map[string]bool{}
	for _, route := range routes {
		seen[route.String()] = true
		kind, known := routeKinds[route.String()]
		assert.True(t, known, "%s has no row", route)
		path := strings.NewReplacer("{$}", "", "{id}", job.Spec.ID, "{instance}", "acme", "{name}", "__name__", "{service}", "acme-shop").Replace(route.Path)
		methods := []string{http.MethodGet, http.MethodPost}
		if route.Method != "" {
			methods = []string{route.Method}
		}
		for _, method := range methods {
			url, body := "http://"+address[route.Listener]+path, ""
			switch {
			case (route.Listener == "embedded_tsdb" || strings.HasPrefix(path, "/console/metrics/")) && method == http.MethodGet:
				url += "?" + greedyForm
			case route.Listener == "embedded_tsdb":
				body = greedyForm
			case strings.HasSuffix(path, "/logsql/tail"): // It would not end.
			case strings.HasSuffix(path, "/tap/records"): // Nor would this. What it shows: TestATapShowsATenantItsOwnScrubbedRecords.
				url += "?rate=0"
			case strings.HasPrefix(path, "/loki/api/v1/") && route.Listener == "embedded_logs":
				if url += "?" + greedyLogQL; strings.HasSuffix(path, "/query") {
					url = strings.Replace(url, "query=", "query=count_over_time(", 1) // lines are asked for with a range
					url = strings.Replace(url, "&match", "%5B1h%5D)&match", 1)
				}
			case strings.HasSuffix(route.Path, "/api/traces/{id}"):
				url = strings.Replace(url, job.Spec.ID, "0102030405060708090a0b0c0d0e0f10", 1)
			case route.Listener == "embedded_logs" && strings.HasPrefix(path, "/api/") && !strings.HasPrefix(path, "/api/v1/"), strings.HasPrefix(path, "/console/traces/"):
				url += "?service=acme-shop"
			case path == "/api/v1/metrics/query":
				url += "?start=now-1h&q=%7B__name__%3D~%22.%2B%22%7D"
			case path == "/api/v1/logs/search":
				body = "{}"
			case path == "/api/v1/query/correlate":
				body = `{"by":"service","metric_query":"{__name__=~\".+\"}"}`
			case (route.Listener == "embedded_logs" || strings.HasPrefix(path, "/console/logs/")) && method == http.MethodGet:
				url += "?" + greedyLogs
			case route.Listener == "embedded_logs":
				body = greedyLogs
			case method == http.MethodPost && strings.HasSuffix(path, "/replays"):
				body = `{"signal":"logs","from":"-1h","dry_run":true}`
			case strings.HasSuffix(path, "/decrypt"):
				body = `{"reason":"test","values":["x"]}`
			case method == http.MethodPost:
				body = "{}"
			}
			for _, nobody := range []string{"", acme[:len(acme)-1] + "x"} {
				status, text := callAs(t, method, url, nobody, body)
				if route.Listener == "ingest" {
					assert.Contains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, status, "%s %s without a key", method, url)
				} else {
					assert.Equal(t, http.StatusUnauthorized, status, "%s %s without a key", method, url)
				}
				assert.NotContains(t, strings.ToLower(text), "acme")
			}
			status, text := callAs(t, method, url, beta, body)
			assert.NotContains(t, strings.ToLower(text), "acme", "%s %s", method, url)
			if !strings.Contains(text, "search API disabled") { // Prometheus answers that with 500
				assert.Less(t, status, 500, "%s %s: %s", method, url, text)
			}
			if kind == operator {
				assert.Contains(t, []int{http.StatusForbidden, http.StatusMethodNotAllowed}, status, "%s %s", method, url)
			}
		}
	}
	for _, row := range slices.Sorted(maps.Keys(routeKinds)) {
		assert.True(t, seen[row], "%s is no route any more", row)
	}

	// Nothing of acme's is gone, and nothing of beta's requests is acme's.
	for _, path := range []string{"/api/v1/series?match[]=acme_stock", "/api/v1/query?query=acme_stock"} {
		_, text := callAs(t, http.MethodGet, "http://"+p.TSDB()+path, acme, "")
		assert.Contains(t, text, `"tenant_id":"acme"`, path)
	}
	ask.Eventually(t, func() error {
		_, text := callAs(t, http.MethodGet, "http://"+p.Query()+"/select/logsql/query?query=*", acme, "")
		if !strings.Contains(text, "acme line") {
			return fmt.Errorf("acme's log record is not there: %s", text)
		}
		return nil
	})
	_, text = callAs(t, http.MethodGet, "http://"+p.Query()+"/loki/api/v1/query_range?"+greedyLogQL, acme, "")
	assert.Contains(t, text, "acme line", "what the others were asked for has an answer")
	ask.Eventually(t, func() error {
		status, text := callAs(t, http.MethodPost, "http://"+p.Query()+"/api/v1/query/correlate", acme, fmt.Sprintf(`{"by":"service","metric_query":"acme_stock","time_range":{"start":"now-15m","end":"%d"}}`, time.Now().Add(3*time.Minute).Unix()))
		if status != http.StatusOK || !strings.Contains(text, `"key":"acme-shop"`) || !strings.Contains(text, `"metric":{"min":1,`) {
			return fmt.Errorf("logs and metrics of acme's are not together: %d %s", status, text)
		}
		for _, url := range []string{"http://" + p.Query() + "/api/v1/metrics/query?q=acme_stock", "http://" + p.Query() + "/api/traces?service=acme-shop", "http://" + p.Admin() + "/console/traces/api/traces/0102030405060708090a0b0c0d0e0f10"} {
			if _, text := callAs(t, http.MethodGet, url, acme, ""); !strings.Contains(text, "acme span") && !strings.Contains(text, `"acme_stock"`) {
				return fmt.Errorf("%s has nothing of acme's: %s", url, text)
			}
		}
		return nil
	})
	status, text = callAs(t, http.MethodGet, "http://"+p.Admin()+"/v1/replays/"+job.Spec.ID, acme, "")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, text, `"tenants"`)
	_, text = callAs(t, http.MethodGet, "http://"+p.Admin()+"/v1/replays", beta, "")
	assert.Contains(t, text, `"replays": []`)
	status, text = callAs(t, http.MethodPost, "http://"+p.Admin()+"/v1/replays", beta, `{"signal":"logs","from":"-1h","tenants":["acme"]}`)
	assert.Equal(t, http.StatusForbidden, status, text)
	status, text = callAs(t, http.MethodPost, "http://"+p.Admin()+"/v1/replays", beta, `{"signal":"logs","from":"-2h","to":"-1h","id":"acme-job","force":true}`)
	assert.Equal(t, http.StatusCreated, status, "another tenant's name of a job is not taken: %s", text)
	_, text = callAs(t, http.MethodGet, "http://"+p.Admin()+"/v1/replays", admin, "")
	assert.Equal(t, 2, strings.Count(text, `"spec"`), "an operator sees all jobs")
	_, text = callAs(t, http.MethodGet, "http://"+p.TSDB()+"/api/v1/label/tenant_id/values", admin, "")
	assert.Contains(t, text, "acme")
	_, text = callAs(t, http.MethodGet, "http://"+p.Admin()+"/v1/usage/?format=csv", acme, "")
	assert.Contains(t, text, "acme,acme-shop,logs,intake,,1,", "what a service has sent")
	status, _ = callAs(t, http.MethodGet, "http://"+p.Health()+"/", "", "")
	assert.Equal(t, http.StatusOK, status, "liveness is open")
	ask.Eventually(t, func() error {
		if n := rowsOf(t, p, "acme"); n != 1 {
			return fmt.Errorf("acme has %d rows", n)
		}
		return nil
	})
}

// metricOf is a gauge of now as OTLP in JSON, with word in all its names.
func metricOf(word string) string {
	return fmt.Sprintf(`{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"%[1]s-shop"}}]},"scopeMetrics":[{"metrics":[{"name":"%[1]s_stock","description":"%[1]s help","gauge":{"dataPoints":[
		{"asInt":"1","timeUnixNano":"%[2]d","attributes":[{"key":"%[1]s_attribute","value":{"stringValue":"%[1]s-value"}}]}]}}]}]}]}`, word, time.Now().UnixNano())
}
