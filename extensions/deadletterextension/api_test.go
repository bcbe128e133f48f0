package deadletterextension_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/extensions/deadletterextension"
	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
)

// adminHost has an admin extension that serves mounted handlers, and knows a token.
type adminHost struct {
	component.Component
	mounted admin.Routed
}

func (h *adminHost) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{component.MustNewID("admin"): h}
}

func (h *adminHost) Mount(_, _ string, served http.Handler) (func(), error) {
	h.mounted = served.(admin.Routed)
	return func() { h.mounted = nil }, nil
}

func (h *adminHost) Authorize(r *http.Request, scope string) (string, error) {
	if r.Header.Get("Authorization") == "Bearer right" && scope == access.Erase {
		return "admin token", nil
	}
	return "", errors.New("this needs the admin token")
}

func (h *adminHost) call(method, path, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Authorization", token)
	w := httptest.NewRecorder()
	h.mounted.ServeHTTP(w, r)
	return w
}

type listing struct {
	Letters []struct {
		Name, Signal, Reason string
		Time                 time.Time
		Items                int
		Bytes                int64
	}
	Count    int
	Bytes    int64
	MaxBytes int64 `json:"max_bytes"`
}

func (h *adminHost) list(t *testing.T) (l listing) {
	t.Helper()
	w := h.call(http.MethodGet, "/v1/letters", "")
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &l))
	return l
}

// Dead letters are listed, read, sent again when the server takes them, and deleted by who may.
func TestTheAPIOfDeadLetters(t *testing.T) {
	h, dir := &adminHost{}, t.TempDir()
	refuses := true // guarded by the server's lock
	s := &server{decide: func([]string) error {
		if refuses {
			return status.Error(codes.InvalidArgument, "no")
		}
		return nil
	}}
	factory := deadletterextension.NewFactory()
	cfg := factory.CreateDefaultConfig().(*deadletterextension.Config)
	cfg.Directory = dir
	ext, err := factory.Create(t.Context(), extensiontest.NewNopSettings(factory.Type()), cfg)
	require.NoError(t, err)
	require.NoError(t, ext.Start(t.Context(), h))
	assert.Equal(t, listing{Letters: h.list(t).Letters, MaxBytes: cfg.MaxSize}, h.list(t))
	export := dial(t, ext, s)
	began := time.Now()
	for _, text := range []string{"first", "second"} {
		_, err = export(t.Context(), logs(text))
		require.NoError(t, err, "the exporter has done its part")
	}
	all := h.list(t)
	require.Len(t, all.Letters, 2)
	assert.Equal(t, 2, all.Count)
	second, first := all.Letters[0], all.Letters[1]
	assert.Equal(t, []any{"logs", "refused", 1}, []any{second.Signal, second.Reason, second.Items})
	assert.WithinRange(t, second.Time, began.Add(-time.Second), time.Now()) // times may be cut to seconds
	assert.True(t, first.Time.Before(second.Time), "newest first")

	w := h.call(http.MethodGet, "/v1/letters/"+first.Name, "")
	require.Equal(t, http.StatusOK, w.Code)
	back := plogotlp.NewExportRequest()
	require.NoError(t, back.UnmarshalProto(w.Body.Bytes()))
	assert.Equal(t, []string{"first"}, bodiesOf(back))
	require.NoError(t, os.WriteFile(dir+"/other.pb", nil, 0o600))
	for _, name := range []string{"other.pb", "..%2fother.pb", first.Name + "x", "20260101T000000.000000000Z-logs-1-x%2F..%2F..%2Fetc%2Fpasswd.pb"} {
		assert.Equal(t, http.StatusNotFound, h.call(http.MethodGet, "/v1/letters/"+name, "").Code, name)
	}

	w = h.call(http.MethodPost, "/v1/letters/"+first.Name+"/send", "")
	assert.Equal(t, http.StatusBadGateway, w.Code)
	assert.Contains(t, w.Body.String(), "the server does not accept it")
	assert.Equal(t, 2, h.list(t).Count, "what is refused stays")
	s.mu.Lock()
	refuses = false
	s.mu.Unlock()
	assert.Equal(t, http.StatusNoContent, h.call(http.MethodPost, "/v1/letters/"+first.Name+"/send", "").Code)
	s.mu.Lock()
	assert.Equal(t, []string{"first"}, s.taken)
	s.mu.Unlock()

	assert.Equal(t, http.StatusUnauthorized, h.call(http.MethodDelete, "/v1/letters/"+second.Name, "Bearer wrong").Code)
	assert.Equal(t, http.StatusNoContent, h.call(http.MethodDelete, "/v1/letters/"+second.Name, "Bearer right").Code)
	assert.Equal(t, http.StatusNotFound, h.call(http.MethodDelete, "/v1/letters/"+second.Name, "Bearer right").Code)
	assert.Zero(t, h.list(t).Count)
	for _, route := range h.mounted.Routes() {
		assert.True(t, route.Operator, "%s: a dead letter can hold the items of several tenants", route.Path)
	}
	require.NoError(t, ext.Shutdown(context.Background()))
	assert.Nil(t, h.mounted)
}

// After a restart no exporter has sent anything yet, so the server of a dead letter is not known.
func TestALetterIsNotSentToAnUnknownServer(t *testing.T) {
	h, dir := &adminHost{}, t.TempDir()
	const name = "20260101T000000.000000000Z-logs-1-refused.pb"
	require.NoError(t, os.WriteFile(dir+"/"+name, nil, 0o600))
	factory := deadletterextension.NewFactory()
	cfg := factory.CreateDefaultConfig().(*deadletterextension.Config)
	cfg.Directory = dir
	set := extensiontest.NewNopSettings(factory.Type())
	set.TelemetrySettings = componenttest.NewNopTelemetrySettings()
	ext, err := factory.Create(t.Context(), set, cfg)
	require.NoError(t, err)
	require.NoError(t, ext.Start(t.Context(), h))
	w := h.call(http.MethodPost, "/v1/letters/"+name+"/send", "")
	assert.Equal(t, http.StatusConflict, w.Code)
	assert.Contains(t, w.Body.String(), "no exporter has sent logs since the start")
	require.NoError(t, ext.Shutdown(context.Background()))
}
