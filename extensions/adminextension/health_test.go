package adminextension_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/pipeline"
)

// health is the answer as a client reads it.
type health struct {
	Status  string   `json:"status"`
	Reasons []reason `json:"reasons"`
}

type reason struct {
	Component string    `json:"component"`
	Reason    string    `json:"reason"`
	Since     time.Time `json:"since"`
}

func TestHealthSaysWhatIsWrongInWords(t *testing.T) {
	ext, get := start(t, nil, nil)
	watcher := ext.mounter.(componentstatus.Watcher)
	now := func() (h health) {
		t.Helper()
		status, body := get("/v1/health")
		require.Equal(t, http.StatusOK, status, "also when it is degraded: a probe must not kill what should wait")
		require.NoError(t, json.Unmarshal([]byte(body), &h))
		return h
	}
	_, body := get("/v1/health")
	assert.JSONEq(t, `{"status":"ok","reasons":[]}`, body)

	logs := pipeline.NewIDWithName(pipeline.SignalLogs, "loki")
	loki := componentstatus.NewInstanceID(component.MustNewIDWithName("kafka_replay", "loki"), component.KindReceiver, logs)
	writer := componentstatus.NewInstanceID(component.MustNewID("kafka_replay"), component.KindProcessor, pipeline.NewIDWithName(pipeline.SignalLogs, "journal"))
	tsdb := componentstatus.NewInstanceID(component.MustNewID("embedded_tsdb"), component.KindExtension)
	bad := func(text string) *componentstatus.Event {
		return componentstatus.NewRecoverableErrorEvent(errors.New(text))
	}
	first := bad("loki takes no logs: connection refused")
	watcher.ComponentStatusChanged(loki, first)
	watcher.ComponentStatusChanged(loki, bad("loki takes no logs: 503\nretention passed offsets 1 to 3"))
	second := bad("logs are refused: journal full (338 of 512 MiB): loki is 8 m behind")
	watcher.ComponentStatusChanged(writer, second)
	watcher.ComponentStatusChanged(tsdb, componentstatus.NewEvent(componentstatus.StatusOK))
	assert.Equal(t, health{Status: "degraded", Reasons: []reason{
		{Component: "receiver kafka_replay/loki (logs/loki)", Reason: "loki takes no logs: 503; retention passed offsets 1 to 3", Since: first.Timestamp().UTC()},
		{Component: "processor kafka_replay (logs/journal)", Reason: "logs are refused: journal full (338 of 512 MiB): loki is 8 m behind", Since: second.Timestamp().UTC()},
	}}, now())

	watcher.ComponentStatusChanged(loki, componentstatus.NewEvent(componentstatus.StatusOK))
	failed := componentstatus.NewEvent(componentstatus.StatusPermanentError)
	watcher.ComponentStatusChanged(tsdb, failed)
	h := now()
	require.Len(t, h.Reasons, 2)
	assert.Equal(t, "extension embedded_tsdb", h.Reasons[1].Component)
	assert.Equal(t, "it reported an error without details", h.Reasons[1].Reason)
	assert.Equal(t, failed.Timestamp().UTC(), h.Reasons[1].Since)

	watcher.ComponentStatusChanged(writer, componentstatus.NewEvent(componentstatus.StatusStopping))
	watcher.ComponentStatusChanged(tsdb, componentstatus.NewEvent(componentstatus.StatusStopped))
	assert.Equal(t, health{Status: "ok", Reasons: []reason{}}, now())
}

func TestHealthIsReadOnly(t *testing.T) {
	admin, _ := start(t, nil, nil)
	response, err := client(t, admin).Post("http://localhost/v1/health", "text/plain", nil)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, http.StatusMethodNotAllowed, response.StatusCode)
}
