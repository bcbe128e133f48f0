package command_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
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
		assert.Equal(t, "Bearer x", r.Header.Get("Authorization"), "the collector's own store needs a key where the collector does")
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
		assert.Empty(t, r.Header.Get("Authorization"), "another server")
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
	assert.NotContains(t, out, "Bearer", "keys are not printed")
	assert.Contains(t, out, `fill it (add --header's value with -H): curl -X POST `+admin+`/v1/replays -H 'Content-Type: application/json' -d '{"signal":"metrics","by":"event","from":"2026-11-30T05:00:00Z","to":"2026-11-30T06:00:00Z"}'`)

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

// Points with names and attributes that histograms, summaries and the guard use, too, are counted, each once.
func TestVerifyCountsWhatClientsSent(t *testing.T) {
	const names = `"latency_bucket","latency_count","latency_sum","load","orders_count","orders_sum","wait","wait_count","wait_sum"`
	const kinds = `"latency":[{"type":"histogram"}],"load":[{"type":"gauge"}],"orders_count":[{"type":"gauge"}],"orders_sum":[{"type":"gauge"}],"wait":[{"type":"summary"}]`
	for what, c := range map[string]struct {
		kinds string
		asked []string
	}{
		"a store that knows the types": {kinds, []string{`latency_count`, `load`, `orders_count`, `orders_sum`, `wait without quantiles`, `wait_count`}},
		"a store that knows none":      {"", []string{`latency_count`, `load`, `orders_count`, `wait without quantiles`, `wait_count`}},
	} {
		t.Run(what, func(t *testing.T) {
			var asked []string
			tsdb := server(t, func(r *http.Request) string {
				switch {
				case strings.HasSuffix(r.URL.Path, "/label/__name__/values"):
					if r.URL.Query().Get("start") != "" {
						return `{"data":["load"]}` // it knows no times of samples out of order
					}
					return `{"data":[` + names + `]}`
				case strings.HasSuffix(r.URL.Path, "/metadata"):
					return `{"data":{` + c.kinds + `}}`
				}
				query := r.URL.Query().Get("query")
				assert.NotContains(t, query, "otel_metric_overflow", "clients send overflow points, too")
				assert.Contains(t, query, `penstock_partition=""`, "those of the guard")
				name := strings.Split(query, `"`)[1]
				if strings.Contains(query, `quantile=""`) {
					name += " without quantiles"
				}
				asked = append(asked, name)
				return vector("1")
			})
			out, err := call(t, "verify", "--hour", "2026-11-30T05:00:00Z", "--admin", server(t, func(*http.Request) string { return ledgerOf }), "--prometheus", tsdb)
			require.Error(t, err, "other sinks can't be checked")
			assert.Contains(t, out, "tsdb: the ledger has stored 20")
			assert.Equal(t, c.asked, asked)
		})
	}
}

// The printed job goes to the sink that lacks something: in the profiles the jobs of a signal go to one sink, and the others need a receiver.
func TestVerifySaysWhereJobsGo(t *testing.T) {
	empty := server(t, func(r *http.Request) string {
		if strings.HasSuffix(r.URL.Path, "/values") {
			return `{"data":[]}`
		}
		return `{"data":{"result":[]}}`
	})
	for _, c := range []struct{ signal, sink, others, want, never string }{
		{"metrics", "tsdb", "remote_write lake", "/v1/replays -H", "these need"},
		{"metrics", "remote_write", "lake", "/v1/replays -H", "these need"},
		{"metrics", "remote_write", "tsdb", "jobs of metrics go to tsdb: these need the receiver kafka_replay/remote_write_jobs in the pipeline metrics/remote_write", " /v1/replays"},
		{"metrics", "lake", "tsdb", "jobs of metrics go to tsdb: these need the receiver kafka_replay/lake_jobs with jobs::recorded: [metrics] in the pipeline metrics/lake", " /v1/replays"},
		{"logs", "lake", "logs", "/v1/replays -H", "these need"},
		{"logs", "lake", "logs loki", "go to loki: these need the receiver kafka_replay/lake_jobs", " /v1/replays"},
		{"logs", "loki", "lake logs", "/v1/replays -H", "these need"},
		{"logs", "logs", "lake", "go to lake: these need the receiver kafka_replay/log_jobs in the pipeline logs/logs", " /v1/replays"},
		{"traces", "lake", "logs", "/v1/replays -H", "these need"},
		{"traces", "lake", "logs otlp", "go to otlp: these need the receiver kafka_replay/lake_jobs", " /v1/replays"},
		{"logs", "mine", "", "/v1/replays -H", "these need"},
	} {
		t.Run(c.signal+" "+c.sink+" beside "+c.others, func(t *testing.T) {
			var partitions []string
			for _, sink := range strings.Fields(c.sink + " " + c.others) {
				partitions = append(partitions, `{"signal":"`+c.signal+`","sink":"`+sink+`","partition":0,"start":0,"next":9,"end":9}`)
			}
			admin := server(t, func(r *http.Request) string {
				if r.URL.Path == "/v1/replays" {
					return `{"replays":[]}`
				}
				return `{"rows":[{"signal":"` + c.signal + `","tenant":"a","hour":"2026-11-30T05:00:00Z","sinks":{"` + c.sink + `":{"stored":3}}}],"missing":[],"partitions":[` + strings.Join(partitions, ",") + `]}`
			})
			out, err := call(t, "verify", "--hour", "2026-11-30T05:00:00Z", "--admin", admin, "--prometheus", empty, "--prometheus", "remote_write="+empty, "--loki", empty, "--loki", "mine="+empty,
				"--logsql", empty, "--lake", t.TempDir())
			require.ErrorContains(t, err, "1 gaps", out)
			assert.Contains(t, out, c.want)
			assert.NotContains(t, strings.ReplaceAll(out, admin+"/v1", " /v1"), c.never)
		})
	}
}

// Where several receivers have jobs, none answers at /v1/replays.
func TestVerifyNamesTheReceiverAmongSeveral(t *testing.T) {
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/replays" {
			w.WriteHeader(http.StatusMultipleChoices)
			return
		}
		_, _ = w.Write([]byte(`{"rows":[{"signal":"logs","tenant":"a","hour":"2026-11-30T05:00:00Z","sinks":{"loki":{"stored":3},"logs":{"stored":3}}}],"missing":[],
 "partitions":[{"signal":"logs","sink":"loki"},{"signal":"logs","sink":"logs"}]}`))
	}))
	defer admin.Close()
	empty := server(t, func(*http.Request) string { return `{"data":{"result":[]}}` })
	out, err := call(t, "verify", "--hour", "2026-11-30T05:00:00Z", "--admin", admin.URL, "--loki", empty, "--logsql", empty)
	require.ErrorContains(t, err, "2 gaps", out)
	assert.Contains(t, out, admin.URL+"/kafka_replay/jobs/v1/replays")
	assert.Contains(t, out, admin.URL+"/kafka_replay/log_jobs/v1/replays")
}

func TestVerifySaysThatAnHourIsNotOver(t *testing.T) {
	admin := server(t, func(*http.Request) string { return ledgerOf })
	empty := server(t, func(r *http.Request) string {
		if strings.HasSuffix(r.URL.Path, "/values") {
			return `{"data":[]}`
		}
		return `{"data":{"result":[]}}`
	})
	for hour, want := range map[string]bool{"2020-11-30T05:00:00Z": false, "2999-11-30T05:00:00Z": true} {
		out, err := call(t, "verify", "--hour", hour, "--admin", admin, "--prometheus", empty)
		require.Error(t, err)
		assert.Equal(t, want, strings.Contains(out, "this hour is not over: a job into a pipeline with rollups can fill its gaps after 2999-11-30T06:00:00Z"), out)
	}
}

// The ledger counts further tenants of an hour together, in each partition others: then only the sum can be compared.
func TestVerifyOfManyTenants(t *testing.T) {
	rows := func(sink string) string {
		return `{"signal":"logs","tenant":"a","hour":"2026-11-30T05:00:00Z","sinks":{"` + sink + `":{"stored":5}}},
 {"signal":"logs","tenant":"(other/tenants)","hour":"2026-11-30T05:00:00Z","sinks":{"` + sink + `":{"stored":5}}}`
	}
	admin := server(t, func(*http.Request) string {
		return `{"rows":[` + rows("logs") + `,` + rows("loki") + `],"missing":[],"partitions":[]}`
	})
	b := "4" // one of them is a's, too: in one partition a is among the others
	logs := server(t, func(*http.Request) string {
		return `{"data":{"result":[{"metric":{"penstock_tenant":"a"},"value":[1,"6"]},{"metric":{"penstock_tenant":"b"},"value":[1,"` + b + `"]}]}}`
	})
	loki := server(t, func(r *http.Request) string {
		if strings.Contains(r.Header.Get("X-Scope-OrgID"), "/") {
			return "" // no tenant
		}
		return `{"data":{"result":[]}}`
	})
	verify := func() (string, error) {
		return call(t, "verify", "--hour", "2026-11-30T05:00:00Z", "--admin", admin, "--logsql", logs, "--loki", loki)
	}
	out, err := verify()
	require.ErrorContains(t, err, "1 things could not be checked", out)
	assert.Contains(t, out, "logs logs of all tenants: 10, as the ledger says")
	assert.Contains(t, out, "logs loki: the ledger counts the tenants past 64 in an hour together, and Loki answers for single ones only")
	b = "3"
	out, err = verify()
	require.ErrorContains(t, err, "1 gaps", out)
	assert.Contains(t, out, "the ledger has stored 10, the log store holds 9: 1 are missing")
	assert.NotContains(t, out, "curl", "a job would be for the wrong tenants")
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
		`--signal: "log" is not metrics, logs or traces`:     {"--signal", "log"},
		`--admin: "ftp://x" is not the URL`:                  {"--admin", "ftp://x"},
		"no collector answers at http://127.0.0.1:1: dial":   {"--admin", "127.0.0.1:1"},
		"has no colon":                                       {"--header", "nonsense"},
		"query the ledger":                                   {"--admin", server(t, func(*http.Request) string { return "" })},
	} {
		_, err := call(t, append([]string{"verify"}, args...)...)
		assert.ErrorContains(t, err, text)
	}
}

// Foreign stores have keys of their own, and tenants by a header. Neither is sent to another store, or printed.
func TestVerifyGivesEachStoreItsHeaders(t *testing.T) {
	admin := server(t, func(r *http.Request) string {
		assert.Empty(t, r.Header.Get("Authorization"))
		return `{"rows": [
 {"signal": "metrics", "tenant": "a", "hour": "2026-11-30T05:00:00Z", "sinks": {"remote_write": {"stored": 10}}},
 {"signal": "metrics", "tenant": "b", "hour": "2026-11-30T05:00:00Z", "sinks": {"remote_write": {"stored": 3}}},
 {"signal": "logs", "tenant": "a", "hour": "2026-11-30T05:00:00Z", "sinks": {"loki": {"stored": 5}}}], "partitions": [], "missing": []}`
	})
	var refused atomic.Bool
	mimir := server(t, func(r *http.Request) string {
		user, password, _ := r.BasicAuth()
		if user != "reader" || password != "secret" || r.Header.Get("X-Scope-OrgID") == "" {
			refused.Store(true)
			return ""
		}
		switch {
		case strings.HasSuffix(r.URL.Path, "/label/__name__/values"):
			return `{"data":["load"]}`
		case r.Header.Get("X-Scope-OrgID") == "a":
			return vector("10")
		}
		return vector("2")
	})
	loki := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer l" || r.Header.Get("X-Scope-OrgID") != "a" {
			http.Error(w, "no", http.StatusForbidden) // an unknown tenant, too
			return
		}
		_, _ = w.Write([]byte(vector("5")))
	}))
	t.Cleanup(loki.Close)
	at := strings.Replace(mimir, "http://", "http://reader:secret@", 1)
	verify := func(further ...string) (string, error) {
		return call(t, append([]string{"verify", "--hour", "2026-11-30T05:00:00Z", "--admin", admin, "--loki", loki.URL, "--prometheus", "remote_write=" + at}, further...)...)
	}
	out, err := verify("--store-header", "loki=Authorization: Bearer l", "--tenant-header", "remote_write=X-Scope-OrgID")
	require.ErrorContains(t, err, "1 gaps", out)
	assert.Contains(t, out, "metrics remote_write of tenant a: 10, as the ledger says")
	assert.Contains(t, out, "metrics remote_write of tenant b: the ledger has stored 3, the store at http://reader:xxxxx@")
	assert.Contains(t, out, "logs loki of tenant a: 5, as the ledger says")
	assert.NotContains(t, out, "secret")
	assert.False(t, refused.Load())

	// A tenant that a header names is the only one.
	out, err = verify("--store-header", "loki=Authorization: Bearer l", "--store-header", "loki=X-Scope-OrgID: a", "--tenant-header", "remote_write=X-Scope-OrgID")
	require.ErrorContains(t, err, "1 gaps", out)
	assert.Contains(t, out, "logs loki: 5, as the ledger says")

	for _, wrong := range [][]string{
		{"--store-header", "loki"}, {"--store-header", "nobody=A: b"}, {"--store-header", "lake=A: b"},
		{"--tenant-header", "loki=X-Scope-OrgID"}, {"--tenant-header", "remote_write"},
	} {
		_, err := verify(wrong...)
		require.ErrorContains(t, err, wrong[0])
	}
}
