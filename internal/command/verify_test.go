package command_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ledgerOf is a collector whose ledger has stored 10 points of each of two tenants in a TSDB, and 5 logs of one in Loki.
const ledgerOf = `{"rows": [
 {"signal": "metrics", "tenant": "a", "hour": "2026-11-30T05:00:00Z", "sinks": {"tsdb": {"stored": 10, "buffered": 1, "unaccounted": 0}, "otlp": {"stored": 10}}},
 {"signal": "metrics", "tenant": "b", "hour": "2026-11-30T05:00:00Z", "sinks": {"tsdb": {"stored": 10, "buffered": 0, "unaccounted": 0}}},
 {"signal": "logs", "tenant": "a", "hour": "2026-11-30T05:00:00Z", "sinks": {"loki": {"stored": 5, "buffered": 0, "unaccounted": 0}}}],
 "partitions": [], "missing": []}`

// server answers with what answer says of a request.
func server(t *testing.T, answer func(r *http.Request) string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := answer(r)
		if text == "" {
			http.Error(w, "no", http.StatusTeapot)
			return
		}
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func vector(n string) string { return `{"data":{"result":[{"metric":{},"value":[1,"` + n + `"]}]}}` }

func TestVerifyComparesStoresWithTheLedger(t *testing.T) {
	admin := server(t, func(r *http.Request) string {
		if r.Header.Get("Authorization") != "Bearer x" || r.URL.Query().Get("by") != "event" || r.URL.Query().Get("from") != "2026-11-30T05:00:00Z" || r.URL.Query().Get("to") != "2026-11-30T06:00:00Z" {
			return ""
		}
		return ledgerOf
	})
	samples := "20"
	tsdb := server(t, func(r *http.Request) string {
		if strings.HasSuffix(r.URL.Path, "/label/__name__/values") {
			return `{"data":["latency_bucket","latency_count","latency_sum","target_info"]}`
		}
		if !strings.Contains(r.URL.Query().Get("query"), `"latency_count"`) || !strings.HasPrefix(r.URL.Query().Get("query"), "sum(count_over_time({") || r.URL.Query().Get("time") != "1796018399.999" {
			return ""
		}
		return vector(samples)
	})
	loki := server(t, func(r *http.Request) string {
		if r.URL.Query().Get("time") != "1796018399999999999" {
			return ""
		}
		if r.Header.Get("X-Scope-OrgID") != "a" {
			return `{"data":{"result":[]}}`
		}
		return vector("5")
	})
	verify := func(further ...string) (string, error) {
		return call(t, append([]string{"verify", "--hour", "2026-11-30T05:00:00Z", "--admin", admin, "--header", "Authorization: Bearer x", "--loki", loki}, further...)...)
	}
	out, err := verify("--prometheus", tsdb, "--prometheus", "otlp="+server(t, func(r *http.Request) string {
		if strings.HasSuffix(r.URL.Path, "/values") {
			return `{"data":["x_sum"]}`
		}
		return vector("10")
	}))
	require.NoError(t, err, out)
	assert.Contains(t, out, "metrics tsdb: 20, as the ledger says")
	assert.Contains(t, out, "metrics tsdb: 1 more are on their way")
	assert.Contains(t, out, "logs loki of tenant a: 5, as the ledger says")

	out, err = verify("--prometheus", tsdb)
	require.ErrorContains(t, err, "1 things could not be checked", out)
	assert.Contains(t, out, "metrics otlp: not checked")

	samples = "17"
	out, err = verify("--prometheus", tsdb)
	require.ErrorContains(t, err, "1 gaps")
	assert.Contains(t, out, "holds 17: 3 are missing")
	assert.Contains(t, out, `curl -X POST `+admin+`/v1/replays -H 'Content-Type: application/json' -d '{"signal":"metrics","by":"event","from":"2026-11-30T05:00:00Z","to":"2026-11-30T06:00:00Z"}'`)

	samples = "25"
	out, err = verify("--prometheus", tsdb, "--signal", "metrics")
	require.ErrorContains(t, err, "could not be checked", "otlp")
	assert.Contains(t, out, "more than live delivery has stored")
}

// The log store is asked for each signal, and tells tenants apart. A job that fills it goes to a receiver of its own where jobs go to the lake.
func TestVerifyAsksTheLogStore(t *testing.T) {
	sinks := `"partitions": [{"signal":"logs","sink":"logs"},{"signal":"logs","sink":"lake"},{"signal":"traces","sink":"logs"}]`
	admin := server(t, func(*http.Request) string {
		return `{"rows": [
 {"signal": "logs", "tenant": "a", "hour": "2026-11-30T05:00:00Z", "sinks": {"logs": {"stored": 10}}},
 {"signal": "logs", "tenant": "b", "hour": "2026-11-30T05:00:00Z", "sinks": {"logs": {"stored": 3}}},
 {"signal": "traces", "tenant": "a", "hour": "2026-11-30T05:00:00Z", "sinks": {"logs": {"stored": 7}}}], "missing": [], ` + sinks + `}`
	})
	store := server(t, func(r *http.Request) string {
		q := r.URL.Query()
		if r.URL.Path != "/select/logsql/stats_query" || q.Get("start") != "1796014800000000000" || q.Get("end") != "1796018400000000000" {
			return ""
		}
		if r.Header.Get("ProjectID") == "1" {
			return `{"data":{"result":[{"metric":{"penstock_tenant":"a"},"value":[1,"5"]}]}}`
		}
		return `{"data":{"result":[{"metric":{"penstock_tenant":"a"},"value":[1,"10"]},{"metric":{"penstock_tenant":"b"},"value":[1,"1"]}]}}`
	})
	t.Setenv("PENSTOCK_QUERY_ENDPOINT", strings.TrimPrefix(store, "http://"))
	out, err := call(t, "verify", "--hour", "2026-11-30T05:00:00Z", "--admin", admin)
	require.ErrorContains(t, err, "2 gaps")
	assert.Contains(t, out, "logs logs of tenant a: 10, as the ledger says")
	assert.Contains(t, out, "logs logs of tenant b: the ledger has stored 3, the log store holds 1: 2 are missing")
	assert.Contains(t, out, "in the profiles jobs of logs go to lake")
	assert.Contains(t, out, `curl -X POST `+admin+`/kafka_replay/log_jobs/v1/replays -H 'Content-Type: application/json' -d '{"signal":"logs","by":"event","from":"2026-11-30T05:00:00Z","to":"2026-11-30T06:00:00Z","tenants":["b"]}'`)
	assert.Contains(t, out, "traces logs of tenant a: the ledger has stored 7, the log store holds 5: 2 are missing")
	assert.Contains(t, out, `curl -X POST `+admin+`/v1/replays`)
}

func TestVerifyOfNothing(t *testing.T) {
	admin := server(t, func(*http.Request) string { return `{"rows":[],"partitions":[],"missing":[]}` })
	out, err := call(t, "verify", "--admin", admin)
	require.NoError(t, err)
	assert.Contains(t, out, "the ledger has nothing of that time")
	_, err = call(t, "verify", "--admin", admin, "--hour", "2020-01-01T00:00:00Z")
	assert.ErrorContains(t, err, "keeps the latest 48 hours apart")
}

func TestVerifySaysWhatIsWrongWithItsFlags(t *testing.T) {
	for text, args := range map[string][]string{
		`--hour: "2026-11-30T05:10:00Z" is not a whole hour`: {"--hour", "2026-11-30T05:10:00Z"},
		"--hours: must be at least 1":                        {"--hours", "0"},
		`scheme "ftp" is not supported`:                      {"--lake", "ftp://bucket/lake"},
		"no bucket":                                          {"--lake", "lake=s3:///lake"},
		"has no colon":                                       {"--header", "nonsense"},
		"query the ledger":                                   {"--admin", server(t, func(*http.Request) string { return "" })},
	} {
		_, err := call(t, append([]string{"verify"}, args...)...)
		assert.ErrorContains(t, err, text)
	}
}
