package adminextension_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"

	"github.com/penstockhq/penstock/extensions/adminextension"
	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
)

// Requests that change something or show personal data are in the audit log, refused or not; secrets are not.
func TestTheAuditLog(t *testing.T) {
	dir := t.TempDir()
	file, token := filepath.Join(dir, "audit", "audit.jsonl"), filepath.Join(dir, "token")
	ext, get := start(t, map[string]any{"token_file": token, "audit": map[string]any{"file": file}}, nil)
	var mux admin.Mux
	authorizer := ext.mounter.(admin.Authorizer)
	mux.HandleFunc("GET /page", admin.Need{}, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("page")) })
	mux.HandleFunc("GET /personal", admin.Need{Personal: true}, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("jo@example.com")) })
	mux.HandleFunc("DELETE /thing/{id}", admin.Need{}, func(w http.ResponseWriter, r *http.Request) {
		if _, err := authorizer.Authorize(r, access.Erase); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		admin.Detail(r.Context(), "thing", r.PathValue("id"))
		w.WriteHeader(http.StatusNoContent)
	})
	mount(t, ext, "things", "Things", &mux)
	secret, err := os.ReadFile(token)
	require.NoError(t, err)
	for _, path := range []string{"/things/page", "/things/personal", "/"} {
		status, _ := get(path)
		require.Equal(t, http.StatusOK, status)
	}
	web := requester(t, ext)
	for _, given := range []string{"wrong", strings.TrimSpace(string(secret))} {
		r := must(http.NewRequest(http.MethodDelete, "http://localhost/things/thing/7?x=y", nil))
		r.Header.Set("Authorization", "Bearer "+given)
		web(r)
	}
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	var got []string
	for line := range strings.Lines(string(content)) {
		var e admin.Event
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		assert.NotEmpty(t, e.From)
		assert.False(t, e.Time.IsZero())
		got = append(got, fmt.Sprint(e.Who, " ", e.Method, " ", e.Path, " ", e.Details["thing"], " ", e.Status, " ", e.Result))
	}
	assert.Equal(t, []string{
		"somebody GET /things/personal  200 done", "somebody DELETE /things/thing/7  401 refused", "admin token DELETE /things/thing/7 7 204 done",
	}, got)
	assert.NotContains(t, string(content), strings.TrimSpace(string(secret)))
	assert.NotContains(t, string(content), "jo@example.com")

	cfg := adminextension.NewFactory().CreateDefaultConfig().(*adminextension.Config)
	cfg.Audit.MaxSize, cfg.Audit.MaxFiles = 0, -1
	err = confmap.Validate(cfg)
	assert.ErrorContains(t, err, "max_size_mib: 0 is not positive")
	assert.ErrorContains(t, err, "max_files: -1 is negative")
}
