package smoke

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"
	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// loki answers 204 to every push, and keeps the ids in their lines.
type loki struct {
	mu  sync.Mutex
	ids map[string]int // guarded by mu
}

func (l *loki) start(t *testing.T, address string) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	require.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(l.push)}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
}

func (l *loki) push(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil && r.Header.Get("Content-Encoding") == "gzip" {
		var z *gzip.Reader
		if z, err = gzip.NewReader(strings.NewReader(string(body))); err == nil {
			body, err = io.ReadAll(z)
		}
	} else if err == nil {
		body, err = snappy.Decode(nil, body)
	}
	var req push.PushRequest
	if err == nil {
		err = req.Unmarshal(body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range req.Streams {
		for _, e := range s.Entries {
			id, _, _ := strings.Cut(e.Line, " ")
			l.ids[id]++
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

func (l *loki) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.ids)
}

// incompressible returns a request of half a MiB whose line begins with id.
func incompressible(id int) plog.Logs {
	raw := make([]byte, 256<<10)
	source := rand.NewChaCha8([32]byte{byte(id), byte(id >> 8)})
	_, _ = source.Read(raw)
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "shop")
	l := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	l.Body().SetStr(fmt.Sprintf("line-%d ", id) + hex.EncodeToString(raw))
	now := time.Now()
	l.SetTimestamp(pcommon.NewTimestampFromTime(now))
	l.SetObservedTimestamp(pcommon.NewTimestampFromTime(now))
	return ld
}

type healthAnswer struct {
	Status  string
	Reasons []struct{ Component, Reason, Since string }
}

func health(t *testing.T, p *process.Process) (h healthAnswer) {
	t.Helper()
	status, body, err := process.Fetch(context.Background(), "http://"+p.Admin()+"/v1/health")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	require.NoError(t, json.Unmarshal([]byte(body), &h))
	return h
}

// errorLines counts the log's errors that hold all texts.
func errorLines(p *process.Process, texts ...string) (n int) {
next:
	for line := range strings.SplitSeq(p.Log(), "\n") {
		if !strings.Contains(line, "\terror\t") {
			continue
		}
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue next
			}
		}
		n++
	}
	return n
}

// Loki is away and the journal small. Logs are refused at once with the reason, metrics go on, the log and the health say what is wrong
// and the liveness probe stays good. When Loki comes, everything that was accepted is delivered.
func TestADeadSinkIsLoud(t *testing.T) {
	address := freeport.One(t)
	p := process.Start(t, process.Settings{
		Env: map[string]string{"PENSTOCK_LOKI_URL": "http://" + address},
		Args: []string{
			"--set=extensions::embedded_kafka::max_size=41943040", "--set=extensions::embedded_kafka::segment_size=1048576",
			"--set=receivers::kafka_replay/loki::follow::outage_after=3s", "--set=processors::kafka_replay::outage_after=3s",
			"--set=exporters::loki::retry_on_failure::max_interval=2s", "--set=receivers::kafka_replay/lake::follow::range::max_wait=1s",
			// A line of half a MiB is one entry here, so that they can be counted.
			"--set=exporters::loki::limits::line_bytes=1048576", "--set=exporters::loki::limits::request_bytes=4194304",
		},
	})
	assert.Equal(t, "ok", health(t, p).Status)
	accepted, answer := 0, send.Answer{}
	for answer.Status != http.StatusServiceUnavailable {
		require.Less(t, accepted, 500, "the journal takes more than it may")
		var err error
		began := time.Now()
		answer, err = send.Logs(p.HTTP(), incompressible(accepted))
		require.NoError(t, err)
		if answer.Status == http.StatusOK {
			accepted++
			continue
		}
		require.Equal(t, http.StatusServiceUnavailable, answer.Status, answer.Body)
		if !strings.Contains(answer.Body, "journal full (") {
			answer.Status = http.StatusOK // memory, or too much at once
			continue
		}
		t.Logf("refused after %s: %s", time.Since(began), answer.Body)
	}
	assert.NotEmpty(t, answer.Header.Get("Retry-After"))
	reason := regexp.MustCompile(`journal full \(\d+ of 40 MiB\): loki is \d+ [sm] behind`)
	ask.Eventually(t, func() error { // The lake, which writes once a second, may be behind too at first.
		answer, err := send.Logs(p.HTTP(), incompressible(accepted))
		if err == nil && answer.Status == http.StatusOK {
			accepted++
		}
		if err == nil && !reason.MatchString(answer.Body) {
			err = fmt.Errorf("%d %s", answer.Status, answer.Body)
		}
		return err
	})
	ask.Eventually(t, func() error { // Plain JSON is refused as well; where it still fits, it is one more line.
		line := fmt.Sprintf("line-%d %s", accepted, strings.Repeat("plain ", 40_000))
		answer, err := send.Post(p.Ingest(), "/api/v1/logs/ingest", []byte(`[{"service":"shop","message":"`+line+`"}]`), "Content-Type", "application/json")
		if err == nil && answer.Status == http.StatusAccepted {
			accepted++
		}
		if err == nil && (answer.Status != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" || !reason.MatchString(answer.Body)) {
			err = fmt.Errorf("%d %s", answer.Status, answer.Body)
		}
		return err
	})
	ask.Eventually(t, func() error {
		n, err := ask.Metric(p.Telemetry(), "otelcol_processor_kafka_replay_refused_requests", `reason="full"`, `signal="logs"`)
		if err == nil && n < 1 {
			err = fmt.Errorf("%v are counted", n)
		}
		return err
	})

	// The other signals go on, to the TSDB and the lake.
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "shop")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("stock")
	dp := m.SetEmptyGauge().DataPoints().AppendEmpty()
	dp.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	dp.SetIntValue(7)
	answer, err := send.Metrics(p.HTTP(), md)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	ask.Eventually(t, func() error { return wantValue(p, `stock{job="shop"}`, 7) })

	ask.Eventually(t, func() error {
		if errorLines(p, "loki", "has accepted no logs for", address, "connection refused") < 2 {
			return fmt.Errorf("the log does not say again that loki is away")
		}
		if errorLines(p, "journal full (", "loki is", "logs are refused") < 2 {
			return fmt.Errorf("the log does not say again that the journal is full")
		}
		return nil
	})
	h := health(t, p)
	assert.Equal(t, "degraded", h.Status)
	all := fmt.Sprint(h.Reasons)
	for _, want := range []string{"receiver kafka_replay/loki (logs", "loki does not accept logs: ", "processor kafka_replay (logs", "logs are refused: journal full ("} {
		assert.Contains(t, all, want)
	}
	status, _, err := process.Fetch(context.Background(), "http://"+p.Health())
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, status, "liveness: a probe would kill what should wait")

	l := &loki{ids: map[string]int{}}
	l.start(t, address)
	ask.Eventually(t, func() error {
		if n := l.count(); n < accepted {
			return fmt.Errorf("%d of %d lines", n, accepted)
		}
		if h := health(t, p); h.Status != "ok" {
			return fmt.Errorf("%v", h)
		}
		answer, err := send.Logs(p.HTTP(), incompressible(accepted))
		if err == nil && answer.Status != http.StatusOK {
			err = fmt.Errorf("%d %s", answer.Status, answer.Body)
		}
		return err
	})
	ask.AwaitLakeRows(t, p.Lake(), map[string]int64{"logs": int64(accepted)})
	p.Terminate(t)
	assert.Positive(t, errorLines(p, "loki accepts logs again"))
	assert.Positive(t, errorLines(p, "The journal has room again: logs are accepted"))
	assert.NotContains(t, p.Log(), "Exporting failed. Will retry the request after interval.")
}

// The gateway is away: one line in each interval, none of gRPC's, and a stop drops nothing and does not say so.
func TestAnAgentSaysOnceAMinuteThatItsGatewayIsAway(t *testing.T) {
	address := freeport.One(t)
	p := process.Start(t, process.Settings{
		Configs: []string{"profile:agent"},
		Args:    []string{"--set=extensions::outage_watch::after=3s"},
		Env:     map[string]string{"PENSTOCK_GATEWAY_ENDPOINT": address, "PENSTOCK_STATSD_ENDPOINT": freeport.One(t)},
	})
	ask.Eventually(t, func() error {
		if errorLines(p, address+" has accepted no data for", "connection refused") < 2 {
			return fmt.Errorf("the log does not say again that the gateway is away")
		}
		if h := health(t, p); h.Status != "degraded" || !strings.Contains(fmt.Sprint(h.Reasons), address+" accepts no data") {
			return fmt.Errorf("%v", h)
		}
		return nil
	})
	p.Terminate(t)
	for _, raw := range []string{"Exporting failed. Will retry", "grpc_log", "Dropping data"} {
		assert.NotContains(t, p.Log(), raw)
	}
	assert.Contains(t, p.Log(), "stays in the queue on disk")
}
