//go:build full

package journal

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
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/penstockhq/penstock/testbed/backends/kafka"
	"github.com/penstockhq/penstock/testbed/backends/loki"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

const (
	everyLine = `sum by (service_name) (count_over_time({service_name=~".+"}[12h]))`
	errorEach = 10 // lines
)

// A Loki that was set up late gets what passed before, by a job over all partitions of a Kafka of three brokers, a broker
// killed meanwhile: each line once, of each tenant, those that were hours old when they came as well. Another one gets the part
// that a tenant and a condition name.
func TestANewLokiGetsThePast(t *testing.T) {
	k := kafka.Start(t, 3)
	live, late, part := loki.Start(t, loki.Settings{}), loki.Start(t, loki.Settings{}), loki.Start(t, loki.Settings{})

	p := before(t, k, live)
	sent := map[string]float64{}
	for n := range 120 {
		age := time.Duration(0)
		if n%20 == 19 {
			age = 3 * time.Hour
		}
		tenant := []string{"blue", "green", "green"}[n%3]
		lines(t, p, tenant, n, age)
		sent[tenant] += logsPerRequest
	}
	for tenant, n := range sent {
		eventually(t, tenant+"'s lines, live", func() (float64, error) { return live.Count(t.Context(), tenant, everyLine, time.Now()) }, n)
	}
	p.Terminate(t)

	p = before(t, k, late)
	status, answer := askReplays(t, p, http.MethodPost, "", `{"signal":"logs","by":"event","from":"-200h","late":"200h"}`)
	assert.Equal(t, http.StatusConflict, status)
	assert.Contains(t, fmt.Sprint(answer["problems"]), "reject_old_samples_max_age")
	status, answer = askReplays(t, p, http.MethodPost, "", `{"signal":"logs","from":"-1h","replace":{},"force":true}`)
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Contains(t, fmt.Sprint(answer["error"]), "logs can't be replaced")

	status, answer = askReplays(t, p, http.MethodPost, "", `{"id":"past","signal":"logs","from":"-1h","mark":true}`)
	require.Equal(t, http.StatusCreated, status, "%v", answer)
	k.Kill(1)
	for tenant, n := range sent {
		eventually(t, tenant+"'s lines, replayed", func() (float64, error) {
			return late.Count(t.Context(), tenant, `sum(count_over_time({service_name=~".+"} | penstock_replay_id="past" [12h]))`, time.Now())
		}, n)
	}
	assert.Equal(t, sent["blue"]+sent["green"], done(t, p, "past")["items"])
	for tenant, n := range sent {
		got, err := late.Count(t.Context(), tenant, everyLine, time.Now())
		require.NoError(t, err)
		assert.Equal(t, n, got, "no line but the replayed ones")
	}
	k.Restart(t, 1)
	p.Terminate(t)

	p = before(t, k, part)
	status, answer = askReplays(t, p, http.MethodPost, "", `{"id":"part","signal":"logs","from":"-1h","tenants":["blue"],"condition":"log.severity_number >= 17"}`)
	require.Equal(t, http.StatusCreated, status, "%v", answer)
	counts := done(t, p, "part")
	assert.Equal(t, sent["blue"]/errorEach, counts["items"])
	assert.Equal(t, sent["blue"]-sent["blue"]/errorEach, counts["outside"])
	assert.Equal(t, sent["green"]/logsPerRequest, counts["filtered"])
	eventually(t, "blue's errors", func() (float64, error) { return part.Count(t.Context(), "blue", everyLine, time.Now()) }, sent["blue"]/errorEach)
	got, err := part.Count(t.Context(), "green", everyLine, time.Now())
	require.NoError(t, err)
	assert.Zero(t, got)

	// Ten days old: Loki would refuse it, so the exporter doesn't send it, live or by a job that was forced to try. It is in the
	// dead letter, and from there it goes to a Loki that takes it.
	lines(t, p, "blue", 1000, 240*time.Hour)
	eventually(t, "dead letters", func() (float64, error) {
		return ask.Metric(p.Telemetry(), "otelcol_receiver_kafka_replay_dead_letters")
	}, 1)
	status, answer = askReplays(t, p, http.MethodPost, "", `{"id":"ancient","signal":"logs","by":"event","from":"-250h","to":"-230h","late":"250h","force":true}`)
	require.Equal(t, http.StatusCreated, status, "%v", answer)
	counts = done(t, p, "ancient")
	assert.Equal(t, 1., counts["refused"])
	assert.Equal(t, 0., counts["records"])
	p.Terminate(t)

	lenient := loki.Start(t, loki.Settings{Limits: "{reject_old_samples: false}"})
	p = before(t, k, lenient, "exporters: {loki: {limits: {max_age: 0s}}}\n")
	status, answer = askReplays(t, p, http.MethodPost, "", `{"id":"letters","signal":"logs","source":"deadletter","from":"-1h"}`)
	require.Equal(t, http.StatusCreated, status, "%v", answer)
	assert.Equal(t, float64(logsPerRequest), done(t, p, "letters")["items"])
	eventually(t, "lines of ten days ago", func() (float64, error) {
		return lenient.Count(t.Context(), "blue", `sum(count_over_time({service_name=~".+"}[1d]))`, time.Now().Add(-239*time.Hour))
	}, logsPerRequest)
}

// before starts a gateway in front of a Loki. more is configuration.
func before(t *testing.T, k *kafka.Cluster, to *loki.Server, more ...string) *process.Process {
	t.Helper()
	path := filepath.Join(t.TempDir(), "more.yaml")
	text := "processors: {kafka_replay: {topics: {partitions: 4}}}\n" + strings.Join(more, "")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return process.Start(t, process.Settings{Configs: []string{"profile:gateway", path}, Env: map[string]string{
		"PENSTOCK_KAFKA_BROKERS": strings.Join(k.Addresses(), ","), "PENSTOCK_KAFKA_TOPIC_PREFIX": "past",
		"PENSTOCK_LOKI_URL": to.URL(), "PENSTOCK_LAKE_URL": "off",
	}})
}

// lines sends request n of a tenant until it is taken. Its lines are that old.
func lines(t *testing.T, p *process.Process, tenant string, n int, age time.Duration) {
	t.Helper()
	logs := send.LogBatch(fmt.Sprint("service-", n%7), n*logsPerRequest, logsPerRequest)
	for i, r := range logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
		r.SetTimestamp(pcommon.NewTimestampFromTime(time.Now().Add(-age)))
		if i%errorEach == 0 {
			r.SetSeverityNumber(plog.SeverityNumberError)
		}
	}
	body, err := plogotlp.NewExportRequestFromLogs(logs).MarshalProto()
	require.NoError(t, err)
	ask.Eventually(t, func() error {
		answer, err := send.Post(p.HTTP(), "/v1/logs", body, "Content-Type", "application/x-protobuf", "X-Scope-OrgID", tenant)
		if err == nil && answer.Status != http.StatusOK {
			err = fmt.Errorf("status %d: %s", answer.Status, answer.Body)
		}
		return err
	})
}

// done waits for the end of a job, and returns its counts.
func done(t *testing.T, p *process.Process, id string) (counts map[string]any) {
	t.Helper()
	ask.Eventually(t, func() error {
		_, answer := askReplays(t, p, http.MethodGet, "/"+id, "")
		job, _ := answer["status"].(map[string]any)
		if job["phase"] != "done" {
			return fmt.Errorf("%v", answer)
		}
		counts, _ = job["counts"].(map[string]any)
		return nil
	})
	return counts
}
