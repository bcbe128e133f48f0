//go:build full

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/penstockhq/penstock/testbed/backends/loki"
	"github.com/penstockhq/penstock/testbed/backends/prometheus"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/objects"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// verified is a standalone process whose items are all of an hour that is over, and `penstock verify` of that hour.
type verified struct {
	t  *testing.T
	p  *process.Process
	at time.Time // of the items
}

func newVerified(t *testing.T, env map[string]string, configs ...string) *verified {
	return &verified{t: t, at: time.Now().Truncate(time.Hour).Add(-30 * time.Minute), p: process.Start(t, process.Settings{Env: env, Configs: append([]string{"profile:standalone"}, configs...),
		Args: []string{"--set=receivers.kafka_replay/lake.follow.range.max_wait=100ms"}})}
}

// logs sends a request of ten records.
func (v *verified) logs(n int) {
	v.t.Helper()
	batch := send.LogBatch("shop", n*10, 10)
	for _, l := range batch.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
		l.SetTimestamp(pcommon.NewTimestampFromTime(v.at))
	}
	answer, err := send.Logs(v.p.HTTP(), batch)
	require.NoError(v.t, err)
	require.Equal(v.t, http.StatusOK, answer.Status, answer.Body)
}

// points sends five points of a gauge.
func (v *verified) points() {
	v.t.Helper()
	md := gauges("level", 5)
	for i, p := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Gauge().DataPoints().All() {
		p.SetTimestamp(pcommon.NewTimestampFromTime(v.at.Add(time.Duration(i) * time.Millisecond)))
	}
	answer, err := send.Metrics(v.p.HTTP(), md)
	require.NoError(v.t, err)
	require.Equal(v.t, http.StatusOK, answer.Status, answer.Body)
}

// run runs the command, with the process's variables.
func (v *verified) run(args ...string) (printed string, code int) {
	v.t.Helper()
	args = append([]string{"verify", "--hour", v.at.Truncate(time.Hour).UTC().Format(time.RFC3339), "--admin", "http://" + v.p.Admin(), "--prometheus", "http://" + v.p.TSDB(), "--logsql", "http://" + v.p.Query()}, args...)
	cmd := exec.CommandContext(v.t.Context(), process.Binary(v.t), args...)
	cmd.Env = os.Environ()
	for _, name := range []string{"PENSTOCK_LAKE_URL", "PENSTOCK_LOKI_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "PENSTOCK_DATA_DIR"} {
		if value := v.p.Variable(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		require.ErrorAs(v.t, err, new(*exec.ExitError))
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// clean waits until every store agrees with the ledger, and returns the output.
func (v *verified) clean(args ...string) (printed string) {
	v.t.Helper()
	ask.Eventually(v.t, func() error {
		text, code := v.run(args...)
		printed = text
		if code != 0 || strings.Contains(text, "on their way") {
			return fmt.Errorf("verify ends with %d: %s", code, text)
		}
		return nil
	})
	return printed
}

// verify reads a lake in an object store: an object is gone, and the job that verify prints names the offsets that it held.
func TestVerifyOfALakeInAnObjectStore(t *testing.T) {
	store := objects.Start(t, 4)
	v := newVerified(t, store.Env())
	for n := range 4 {
		v.logs(n)
		ask.Eventually(t, func() error {
			if have := store.Rows(t, "logs"); have != int64(10*(n+1)) {
				return fmt.Errorf("%d rows", have)
			}
			return nil
		})
	}
	assert.Contains(t, v.clean(), "logs lake of tenant default: 40, as the ledger says")
	store.Remove(t, "logs/")
	printed, code := v.run()
	require.Equal(t, 1, code, printed)
	assert.Contains(t, printed, "the ledger has stored 40, the lake holds 30: 10 are missing")
	assert.Len(t, regexp.MustCompile(`"offsets":\[\{"partition":\d+,"first":\d+,"next":\d+\}\]`).FindAllString(printed, -1), 1, printed)
}

// verify queries a real Prometheus, written by remote write, and a real Loki. Prometheus forgets a series, and no stream of Loki's is selected.
func TestVerifyOfARealPrometheusAndLoki(t *testing.T) {
	prom := prometheus.Configured(t, prometheus.Three, "storage: {tsdb: {out_of_order_time_window: 3h}}\n", "--web.enable-admin-api")
	logs := loki.Start(t, loki.Settings{})
	v := newVerified(t, map[string]string{"PENSTOCK_REMOTE_WRITE_URL": "http://" + prom.Address + "/api/v1/write", "PENSTOCK_LOKI_URL": logs.URL()})
	remote := []string{"--prometheus", "remote_write=http://" + prom.Address}
	for n := range 3 {
		v.logs(n)
	}
	v.points()
	text := v.clean(remote...)
	for _, want := range []string{"logs lake of tenant default: 30, as the ledger says", "logs loki of tenant default: 30, as the ledger says",
		"metrics tsdb: 5, as the ledger says", "metrics remote_write: 5, as the ledger says"} {
		assert.Contains(t, text, want)
	}

	resp, err := http.PostForm("http://"+prom.Address+"/api/v1/admin/tsdb/delete_series", url.Values{"match[]": {`{__name__="level",series="3"}`}})
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusNoContent, resp.StatusCode)
	printed, code := v.run(append(remote, "--loki-selector", `{service_name="nobody"}`)...)
	require.Equal(t, 1, code, printed)
	assert.Contains(t, printed, "the ledger has stored 5, the store at http://"+prom.Address+" holds 4: 1 are missing")
	assert.Contains(t, printed, "the ledger has stored 30, Loki holds 0: 30 are missing")
	assert.Contains(t, printed, `"signal":"metrics","by":"event"`)
	assert.Contains(t, printed, `"signal":"logs","by":"event"`)
}

// remoteWriteJobs is the receiver that verify names for a remote TSDB beside that of the process.
const remoteWriteJobs = `
receivers:
  kafka_replay/remote_write_jobs: {brokers: ["${env:PENSTOCK_KAFKA_ENDPOINT}"], topic_prefix: "${env:PENSTOCK_KAFKA_TOPIC_PREFIX:-penstock}", jobs: {}}
service:
  pipelines:
    metrics/remote_write: {receivers: [kafka_replay/remote_write, kafka_replay/remote_write_jobs]}
`

// forgetful stands before a store, and answers what is written with success without passing it on while it forgets.
type forgetful struct {
	*httptest.Server
	forgets atomic.Bool
}

func newForgetful(t *testing.T, store string) *forgetful {
	target, err := url.Parse(store)
	require.NoError(t, err)
	f := &forgetful{}
	work := httputil.NewSingleHostReverseProxy(target)
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !f.forgets.Load() || r.Method == http.MethodGet { // verify asks through it
			work.ServeHTTP(w, r)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		for _, kind := range []string{"Samples", "Histograms", "Exemplars"} { // remote write 2 says what was written
			w.Header().Set("X-Prometheus-Remote-Write-"+kind+"-Written", "5")
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(f.Close)
	return f
}

// fill runs verify until it finds the gap, runs the job that it prints, as printed, and returns verify's output after that.
func (v *verified) fill(f *forgetful, gap string, args ...string) (before, after string) {
	v.t.Helper()
	ask.Eventually(v.t, func() error {
		text, code := v.run(args...)
		before = text
		if code != 1 || strings.Contains(text, "on their way") || !strings.Contains(text, gap) {
			return fmt.Errorf("verify ends with %d: %s", code, text)
		}
		return nil
	})
	f.forgets.Store(false)
	jobs := regexp.MustCompile(`curl -X POST (\S+) -H 'Content-Type: application/json' -d '(.*)'`).FindAllStringSubmatch(before, -1)
	require.Len(v.t, jobs, 1, before)
	resp, err := http.Post(jobs[0][1], "application/json", strings.NewReader(jobs[0][2]))
	require.NoError(v.t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(v.t, err)
	require.NoError(v.t, resp.Body.Close())
	require.Less(v.t, resp.StatusCode, 300, "%s: %s", jobs[0][0], body)
	return before, v.clean(args...)
}

// A real Prometheus has accepted what it does not hold. The job that verify prints gives it to it, through the receiver that verify names.
func TestThePrintedJobFillsARealPrometheus(t *testing.T) {
	prom := prometheus.Configured(t, prometheus.Three, "storage: {tsdb: {out_of_order_time_window: 3h}}\n")
	f := newForgetful(t, "http://"+prom.Address)
	config := filepath.Join(t.TempDir(), "jobs.yaml")
	require.NoError(t, os.WriteFile(config, []byte(remoteWriteJobs), 0o600))
	v := newVerified(t, map[string]string{"PENSTOCK_REMOTE_WRITE_URL": f.URL + "/api/v1/write"}, config)
	f.forgets.Store(true)
	v.points()
	before, after := v.fill(f, "holds 0: 5 are missing", "--prometheus", "remote_write=http://"+prom.Address)
	assert.Contains(t, before, "jobs of metrics go to tsdb: these need the receiver kafka_replay/remote_write_jobs in the pipeline metrics/remote_write")
	assert.Contains(t, after, "metrics remote_write: 5, as the ledger says")
}

// So with a real Loki.
func TestThePrintedJobFillsARealLoki(t *testing.T) {
	logs := loki.Start(t, loki.Settings{})
	f := newForgetful(t, logs.URL())
	v := newVerified(t, map[string]string{"PENSTOCK_LOKI_URL": f.URL})
	v.logs(0)
	v.clean()
	f.forgets.Store(true)
	v.logs(1)
	_, after := v.fill(f, "Loki holds 10: 10 are missing")
	assert.Contains(t, after, "logs loki of tenant default: 20, as the ledger says")
}
