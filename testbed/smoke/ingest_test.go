package smoke

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// What a client posts as plain JSON is answered when the journal has it, and comes out of the lake.
func TestPlainJSONReachesTheLake(t *testing.T) {
	p := process.Start(t, process.Settings{Args: []string{soonInTheLake}})
	for _, c := range []struct {
		signal, kind, body string
		code               int
	}{
		{"logs", jsonType, `{"service":"kitchen","logs":[{"level":"WARN","message":"the kettle boils"},{"time":"never"}]}`, http.StatusAccepted},
		{"logs", "application/octet-stream", "\x00\xff opaque", http.StatusAccepted},
		{"events", jsonType, `{"name":"order.placed","data":{"id":7}}`, http.StatusAccepted},
		{"metrics", "application/x-ndjson", `{"name":"kettle","value":99.5,"service":"kitchen"}` + "\n", http.StatusAccepted},
		{"logs", jsonType, `{"message":`, http.StatusBadRequest},
	} {
		answer, err := send.Post(p.Ingest(), "/api/v1/"+c.signal+"/ingest", []byte(c.body), "Content-Type", c.kind)
		require.NoError(t, err)
		assert.Equal(t, c.code, answer.Status, "%s: %s", c.body, answer.Body)
	}
	answer, err := send.Post(p.Ingest(), "/api/v1/logs/ingest", []byte(`[]`), "Content-Type", jsonType, "Origin", "https://evil.example")
	require.NoError(t, err)
	assert.Equal(t, http.StatusForbidden, answer.Status, "web pages are kept away")

	ask.Eventually(t, func() error { return wantValue(p, `kettle{job="kitchen"}`, 99.5) })
	ask.AwaitLakeRows(t, p.Lake(), map[string]int64{"logs": 3})
	p.Terminate(t)
	assert.EqualValues(t, 3, ask.LakeRows(t, p.Lake(), "logs"), "one of two records, the payload and the event")
}
