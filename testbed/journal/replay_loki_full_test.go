//go:build full

package journal

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
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

// traffic is the requests of one test: each has some records of one service, of one tenant.
type traffic struct {
	t       *testing.T
	kafka   *kafka.Cluster
	sent    map[string]map[string]int // tenant, service: records
	number  int                       // of the next record
	records int                       // requests, so records of the journal
}

func newTraffic(t *testing.T, k *kafka.Cluster) *traffic {
	return &traffic{t: t, kafka: k, sent: map[string]map[string]int{}}
}

// gateway starts the built binary with Kafka and server as its only sink.
func (l *traffic) gateway(server *loki.Server) *process.Process {
	l.t.Helper()
	return process.Start(l.t, process.Settings{Configs: []string{"profile:gateway"}, Env: map[string]string{
		"PENSTOCK_KAFKA_BROKERS": strings.Join(l.kafka.Addresses(), ","), "PENSTOCK_KAFKA_TOPIC_PREFIX": strings.ToLower(l.t.Name()),
		"PENSTOCK_LAKE_URL": "off", "PENSTOCK_LOKI_URL": server.URL(),
	}})
}

// request is n new lines of service that happened age ago; every third is an error.
func (l *traffic) request(service string, n int, age time.Duration, filler string) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", service)
	rl.Resource().Attributes().PutStr("host.name", fmt.Sprint("host-", l.records%8)) // over all partitions
	records := rl.ScopeLogs().AppendEmpty().LogRecords()
	for range n {
		r := records.AppendEmpty()
		r.SetTimestamp(pcommon.NewTimestampFromTime(time.Now().Add(-age)))
		r.Body().SetStr(fmt.Sprintf("%06d%s", l.number, filler))
		r.SetSeverityNumber(plog.SeverityNumberInfo)
		if l.number%3 == 0 {
			r.SetSeverityNumber(plog.SeverityNumberError)
		}
		l.number++
	}
	l.records++
	return ld
}

// send posts ld until it is acknowledged.
func (l *traffic) send(p *process.Process, tenant string, ld plog.Logs) {
	l.t.Helper()
	body, err := plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
	require.NoError(l.t, err)
	ask.Eventually(l.t, func() error {
		answer, err := send.Post(p.HTTP(), "/v1/logs", body, "Content-Type", "application/x-protobuf", "X-Scope-OrgID", tenant)
		if err == nil && answer.Status != http.StatusOK {
			err = fmt.Errorf("status %d: %s", answer.Status, answer.Body)
		}
		return err
	})
	service, _ := ld.ResourceLogs().At(0).Resource().Attributes().Get("service.name")
	if l.sent[tenant] == nil {
		l.sent[tenant] = map[string]int{}
	}
	l.sent[tenant][service.Str()] += ld.LogRecordCount()
}

// holds waits until LogQL counts want lines of each service in server, and fails at one more; each line is there once.
func holds(t *testing.T, server *loki.Server, tenant string, want map[string]int, stages string) {
	t.Helper()
	for service, n := range want {
		selector := `{service_name="` + service + `"}` + stages
		eventually(t, tenant+" "+selector, func() (float64, error) {
			return server.Count(t.Context(), tenant, `sum(count_over_time(`+selector+` [160h]))`, time.Now().Add(time.Minute))
		}, float64(n))
		entries, err := server.Query(t.Context(), tenant, selector, time.Now().Add(-160*time.Hour), time.Now().Add(time.Minute))
		require.NoError(t, err)
		distinct := map[string]bool{}
		for _, e := range entries {
			distinct[e.Line] = true
		}
		require.Len(t, entries, n, selector)
		require.Len(t, distinct, n, selector)
	}
}

// finished waits until a job is done, and returns its counts.
func finished(t *testing.T, p *process.Process, id string) map[string]float64 {
	t.Helper()
	counts := map[string]float64{}
	ask.Eventually(t, func() error {
		_, answer := askReplays(t, p, http.MethodGet, "/"+id, "")
		status, _ := answer["status"].(map[string]any)
		if status["phase"] != "done" {
			return fmt.Errorf("%v", answer)
		}
		for what, n := range status["counts"].(map[string]any) {
			counts[what], _ = n.(float64)
		}
		return nil
	})
	return counts
}

// makeJob is for specs that must be taken.
func makeJob(t *testing.T, p *process.Process, spec string) {
	t.Helper()
	status, answer := askReplays(t, p, http.MethodPost, "", spec)
	require.Equal(t, http.StatusCreated, status, "%v", answer)
}

// A Loki that was set up late gets earlier data, including late lines of yesterday: a job over all partitions of a Kafka of three brokers, one of
// them killed meanwhile. Another job delivers a part again, in addition.
func TestALokiIsFilledAnew(t *testing.T) {
	k := kafka.Start(t, 3)
	l := newTraffic(t, k)
	before, after := loki.Start(t, loki.Settings{}), loki.Start(t, loki.Settings{})
	p := l.gateway(before)
	tenants := []string{"team-a", "team-b"}
	for i := range 200 {
		var age time.Duration
		if i%4 == 3 {
			age = time.Duration(i) * 30 * time.Minute // up to four days: an application that had no network
		}
		l.send(p, tenants[i%2], l.request(fmt.Sprint("load-", i%5), 100, age, ""))
	}
	for tenant, sent := range l.sent {
		holds(t, before, tenant, sent, "")
	}
	p.Terminate(t)

	p = l.gateway(after)
	for tenant, sent := range l.sent {
		streams, err := after.Streams(t.Context(), tenant, time.Now().Add(-160*time.Hour), time.Now())
		require.NoError(t, err)
		require.Empty(t, streams, "it is new: %v", sent)
	}
	makeJob(t, p, `{"id":"past","from":"-3h","mark":true,"bytes_per_second":2000000}`)
	var killed sync.WaitGroup
	killed.Go(func() { k.Kill(1) })
	counts := finished(t, p, "past")
	killed.Wait()
	for tenant, sent := range l.sent {
		holds(t, after, tenant, sent, "")
		holds(t, after, tenant, sent, ` | penstock_replay_id="past"`)
	}
	assert.Equal(t, float64(l.records), counts["records"], "%v", counts)
	assert.Equal(t, float64(l.number), counts["items"], "%v", counts)
	refused, err := ask.Metric(p.Telemetry(), "otelcol_exporter_loki_refused_entries")
	require.NoError(t, err)
	assert.Zero(t, refused)

	makeJob(t, p, `{"id":"part","from":"-3h","mark":true,"tenants":["team-b"],
		"condition":"resource.attributes[\"service.name\"] == \"load-1\" and log.severity_number >= 17"}`)
	counts = finished(t, p, "part")
	selector := `{service_name=~".+"} | penstock_replay_id="part"`
	for tenant, sent := range l.sent {
		entries, err := after.Query(context.Background(), tenant, selector, time.Now().Add(-160*time.Hour), time.Now().Add(time.Minute))
		require.NoError(t, err)
		if tenant != "team-b" {
			assert.Empty(t, entries)
			continue
		}
		want, err := after.Query(context.Background(), tenant, `{service_name="load-1", level="error"} | penstock_replay_id="past"`, time.Now().Add(-160*time.Hour), time.Now().Add(time.Minute))
		require.NoError(t, err)
		require.NotEmpty(t, want)
		assert.Less(t, len(want), sent["load-1"])
		assert.Equal(t, linesOf(want), linesOf(entries))
		assert.Equal(t, float64(len(want)), counts["items"])
	}
	for _, spec := range []string{`{"from":"-3h","by":"event","replace":{}}`, `{"from":"-3h","replace":{"match":["{service_name=\"load-1\"}"]},"force":true}`} {
		status, answer := askReplays(t, p, http.MethodPost, "", spec)
		assert.Equal(t, http.StatusBadRequest, status)
		assert.Contains(t, answer["error"], "replace: ", "%v", answer)
		assert.Contains(t, answer["error"], "Loki", "%v", answer)
		assert.Contains(t, answer["error"], "mark", "%v", answer)
	}
	p.Terminate(t)
}

// linesOf counts lines.
func linesOf(entries []loki.Entry) map[string]int {
	out := map[string]int{}
	for _, e := range entries {
		out[e.Line]++
	}
	return out
}

// Refusals that Loki will make are predicted; a client that forces the job finds them counted. Lines that Loki refused on arrival are in the dead
// letters, and a replay sends them to a Loki that accepts them.
func TestWhatLokiRefuses(t *testing.T) {
	const good, long, old, perRequest = 30, 40, 20, 50
	k := kafka.Start(t, 3)
	l := newTraffic(t, k)
	strict := loki.Start(t, loki.Settings{Limits: "{reject_old_samples_max_age: 2h, max_line_size: 200B}"})
	p := l.gateway(strict)
	for range good {
		l.send(p, "team-a", l.request("good", perRequest, 0, ""))
	}
	holds(t, strict, "team-a", map[string]int{"good": good * perRequest}, "")
	for range long {
		l.send(p, "team-a", l.request("long", perRequest, 0, strings.Repeat("x", 300)))
	}
	for range old {
		l.send(p, "team-a", l.request("old", perRequest, 3*time.Hour, ""))
	}
	eventually(t, "refused entries", func() (float64, error) {
		return ask.Metric(p.Telemetry(), "otelcol_exporter_loki_refused_entries")
	}, (long+old)*perRequest)
	letters, err := ask.Metric(p.Telemetry(), "otelcol_receiver_kafka_replay_dead_letters")
	require.NoError(t, err)
	require.Positive(t, letters)

	status, answer := askReplays(t, p, http.MethodPost, "", `{"from":"-3h"}`)
	require.Equal(t, http.StatusConflict, status, "%v", answer)
	assert.Contains(t, fmt.Sprint(answer["problems"]), "reject_old_samples_max_age is 2h")
	count := func(reason string) float64 {
		n, err := ask.Metric(p.Telemetry(), "otelcol_exporter_loki_refused_entries", `reason="`+reason+`"`)
		require.NoError(t, err)
		return n
	}
	longBefore, oldBefore := count("line_too_long"), count("too_old")
	makeJob(t, p, `{"id":"forced","from":"-3h","force":true,"mark":true}`)
	counts := finished(t, p, "forced")
	assert.Equal(t, map[string]float64{"records": good + long + old},
		nonZero(counts, "records", "refused", "filtered", "duplicates", "undecodable", "lost"))
	assert.Equal(t, float64(good*perRequest), counts["items"])
	assert.Equal(t, float64((long+old)*perRequest), counts["refused_items"])
	holds(t, strict, "team-a", map[string]int{"good": good * perRequest}, ` | penstock_replay_id="forced"`)
	holds(t, strict, "team-a", map[string]int{"long": 0, "old": 0}, "")
	assert.GreaterOrEqual(t, count("line_too_long")-longBefore, float64(long*perRequest))
	assert.GreaterOrEqual(t, count("too_old")-oldBefore, float64(old*perRequest))
	p.Terminate(t)

	wide := loki.Start(t, loki.Settings{})
	p = l.gateway(wide)
	makeJob(t, p, `{"id":"letters","from":"-1h","source":"deadletter"}`)
	counts = finished(t, p, "letters")
	assert.Equal(t, map[string]float64{"records": letters}, nonZero(counts, "records", "refused", "filtered", "duplicates", "undecodable", "lost"))
	holds(t, wide, "team-a", map[string]int{"good": 0, "long": long * perRequest, "old": old * perRequest}, "")
	p.Terminate(t)
}

// nonZero returns the counts named that are not zero.
func nonZero(counts map[string]float64, names ...string) map[string]float64 {
	out := map[string]float64{}
	for _, name := range names {
		if counts[name] != 0 {
			out[name] = counts[name]
		}
	}
	return out
}
