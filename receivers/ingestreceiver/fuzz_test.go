package ingestreceiver

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/penstockhq/penstock/receivers/ingestreceiver/internal/metadata"
)

// Whatever a body contains, each item is either in the pipeline or rejected, the answer is JSON that says how many, and it is never a 5xx.
func FuzzBody(f *testing.F) {
	for _, body := range []string{`[{"message":"a"}]`, `{"service":"s","logs":[{},1,{"time":"x"}]}`, "{}\n{\n[{},{}]", `{"name":"m","value":1,"timestamp":1e18}`, `{"level":"WARN2","trace_id":"5b8efff798038103d269b633813fc60c"}`,
		"\xef\xbb\xbf[]", `{"a":{"b":[1,null,{"c":"\ud800"}]}}`, `{"time":"2026-11-29 06:14:60,5 +0100"}`, "\x00\xff", `{"value":"1e999","name":"x"}`} {
		for kind := range 4 {
			f.Add([]byte(body), uint8(kind))
		}
	}
	kinds := []string{"application/json", "application/x-ndjson", "application/octet-stream", "application/x-www-form-urlencoded"}
	f.Fuzz(func(t *testing.T, body []byte, kind uint8) {
		r, err := newIngest(createDefaultConfig().(*Config), receivertest.NewNopSettings(metadata.Type))
		require.NoError(t, err)
		defer r.telemetry.Shutdown()
		logs, metrics := &consumertest.LogsSink{}, &consumertest.MetricsSink{}
		r.logs, r.metrics = logs, metrics
		for path, serve := range r.routes() {
			if path == "/api/v1/openapi.yaml" {
				continue
			}
			logs.Reset()
			metrics.Reset()
			request := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
			request.Header.Set("Content-Type", kinds[int(kind)%len(kinds)])
			answer := httptest.NewRecorder()
			serve(answer, request)
			var said result
			require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &said), path)
			assert.Less(t, answer.Code, http.StatusInternalServerError, path)
			taken := logs.LogRecordCount() + metrics.DataPointCount()
			assert.Equal(t, said.Received-said.Rejected, taken, "%s: %s", path, answer.Body)
			assert.Equal(t, answer.Code == http.StatusAccepted, said.Status == "accepted", path)
			if answer.Code != http.StatusAccepted {
				assert.Zero(t, taken, path)
			}
		}
	})
}
