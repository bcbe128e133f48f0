package admin_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component/componenttest"

	"github.com/penstockhq/penstock/internal/admin"
)

type lines []admin.Event

func (l *lines) Audit(e admin.Event) { *l = append(*l, e) }

func TestAudited(t *testing.T) {
	for name, c := range map[string]struct {
		auth   client.AuthData
		serve  http.HandlerFunc
		status int
		result string
		who    string
		tenant string
	}{
		"done": {attributes{"subject": "API key abc", "tenant": "acme", "scopes": []string{"erase"}}, func(w http.ResponseWriter, r *http.Request) {
			admin.Detail(r.Context(), "match", strings.Repeat("x", 2000))
			w.WriteHeader(http.StatusNoContent)
		}, 204, "done", "API key abc", "acme"},
		"refused": {attributes{"subject": "API key abc", "scopes": []string{"admin"}}, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }, 403, "refused", "API key abc", ""},
		"failed":  {nil, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, 502, "failed", "somebody", ""},
		"by the admin token": {nil, func(w http.ResponseWriter, r *http.Request) {
			admin.By(r.Context(), "admin token")
			_, _ = w.Write([]byte("ok"))
		}, 200, "done", "admin token", ""},
		"a panic": {nil, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 500, "failed", "somebody", ""},
	} {
		var got lines
		r := httptest.NewRequest(http.MethodPost, "/delete?secret=1", nil)
		r.Header.Set("Authorization", "Bearer penstock_abc_secret")
		if c.auth != nil {
			r = r.WithContext(client.NewContext(r.Context(), client.Info{Auth: c.auth}))
		}
		func() {
			defer func() { _ = recover() }()
			admin.Audited(&got, "tsdb", "/delete", c.serve, httptest.NewRecorder(), r)
		}()
		if !assert.Len(t, got, 1, name) {
			continue
		}
		e := got[0]
		assert.Equal(t, []any{c.status, c.result, c.who, c.tenant, "POST", "/delete", "tsdb", "192.0.2.1:1234"}, []any{e.Status, e.Result, e.Who, e.Tenant, e.Method, e.Path, e.Listener, e.From}, name)
		for _, d := range e.Details {
			assert.Len(t, d, 1024)
		}
	}
	admin.FindAuditor(componenttest.NewNopHost()).Audit(admin.Event{})
	admin.Detail(t.Context(), "nobody", "listens")
	assert.True(t, admin.Changes(http.MethodDelete))
	assert.False(t, admin.Changes(http.MethodHead))
}
