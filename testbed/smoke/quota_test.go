package smoke

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// Every door refuses a key that is past its quota in the words of its protocol, while others go on; and a limit that is changed in the file
// of keys counts from then on, without a refused request of others.
func TestQuotas(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys.yaml")
	slow := newKey(t, keys, "--tenant", "slow", "--scope", "ingest,read", "--bytes-per-second", "1", "--burst", "1h")
	other := newKey(t, keys, "--tenant", "other", "--scope", "ingest")
	p := process.Start(t, process.Settings{Env: map[string]string{"PENSTOCK_KEYS_FILE": keys}})
	const large = 5000 // more than an hour's quota: it passes once, and is owed
	post := func(endpoint, path, kind, key string, body []byte) send.Answer {
		answer, err := send.Post(endpoint, path, body, "Content-Type", kind, "X-API-Key", key)
		require.NoError(t, err)
		return answer
	}
	require.Equal(t, 200, post(p.HTTP(), "/v1/logs", jsonType, slow, logOf("a", strings.Repeat("x", large))).Status)

	for path, c := range map[string]struct {
		endpoint, kind, body, want string
	}{
		"/v1/logs":               {p.HTTP(), jsonType, `{"resourceLogs":[]}`, `"code":8`},
		"/v1/metrics":            {p.HTTP(), jsonType, `{"resourceMetrics":[]}`, `"code":8`},
		"/v1/traces":             {p.HTTP(), jsonType, `{"resourceSpans":[]}`, `"code":8`},
		"/api/v1/logs/ingest":    {p.Ingest(), jsonType, `{"message":"m"}`, `"error":"the quota of this key is used up`},
		"/api/v1/metrics/ingest": {p.Ingest(), jsonType, `{"name":"m","value":1}`, `"error":"the quota of this key is used up`},
		"/loki/api/v1/push":      {p.Ingest(), jsonType, `{"streams":[]}`, "the quota of this key is used up"},
		"/_bulk":                 {p.Ingest(), "application/x-ndjson", "{\"index\":{}}\n{\"message\":\"m\"}\n", "es_rejected_execution_exception"},
		"/services/collector":    {p.Ingest(), jsonType, `{"event":"m"}`, `"code":9`},
		"/api/v1/write":          {p.TSDB(), "application/x-protobuf", "x", "the quota of this key is used up"},
	} {
		var answer send.Answer
		ask.Eventually(t, func() error { // the stores open beside the rest of the start
			if answer = post(c.endpoint, path, c.kind, slow, []byte(c.body)); answer.Status == http.StatusServiceUnavailable {
				return fmt.Errorf("%s: %s", path, answer.Body)
			}
			return nil
		})
		assert.Equal(t, http.StatusTooManyRequests, answer.Status, path)
		assert.NotEmpty(t, answer.Header.Get("Retry-After"), path)
		assert.Contains(t, strings.ReplaceAll(answer.Body, ": ", ":"), strings.ReplaceAll(c.want, ": ", ":"), path)
	}
	conn, err := grpc.NewClient(p.GRPC(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, conn.Close()) })
	_, err = plogotlp.NewGRPCClient(conn).Export(metadata.AppendToOutgoingContext(t.Context(), "x-api-key", slow), plogotlp.NewExportRequestFromLogs(send.LogBatch("a", 0, 1)))
	refused := status.Convert(err)
	assert.Equal(t, codes.ResourceExhausted, refused.Code())
	require.NotEmpty(t, refused.Details())
	assert.Greater(t, refused.Details()[0].(*errdetails.RetryInfo).GetRetryDelay().AsDuration().Seconds(), 100.0)

	var sent, lost atomic.Int64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			answer, err := send.Post(p.HTTP(), "/v1/logs", logOf("a", "m"), "Content-Type", jsonType, "X-API-Key", other)
			if err != nil || answer.Status != 200 {
				lost.Add(1)
			}
			sent.Add(1)
		}
	}()
	content, err := os.ReadFile(keys)
	require.NoError(t, err)
	changed := bytes.ReplaceAll(content, []byte("bytes_per_second: 1,"), []byte("bytes_per_second: 1000000,"))
	require.NotEqual(t, content, changed, "%s", content)
	require.NoError(t, os.WriteFile(keys, changed, 0o600))
	ask.Eventually(t, func() error {
		if answer := post(p.HTTP(), "/v1/logs", jsonType, slow, logOf("a", "m")); answer.Status != 200 {
			return fmt.Errorf("with the new limit it is answered with %d", answer.Status)
		}
		return nil
	})
	close(stop)
	<-done
	assert.Positive(t, sent.Load())
	assert.Zero(t, lost.Load(), "of %d requests of another key", sent.Load())
	count, err := ask.Metric(p.Telemetry(), "otelcol_extension_quota_refused_requests", `scope="key"`, `reason="bytes_per_second"`)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, count, 10.0)
	status, metrics, err := process.Fetch(t.Context(), "http://"+p.Telemetry()+"/metrics")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	assert.NotContains(t, metrics, `tenant="slow"`, "whoever reads them needs no key")
	p.Terminate(t)
	assert.NotContains(t, p.Log(), "panic")
}
