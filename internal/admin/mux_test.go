package admin_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
)

func say(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(text + " " + r.URL.Path)) }
}

func TestMux(t *testing.T) {
	var m admin.Mux
	read, all := admin.Need{Scopes: []string{access.Read}}, admin.Need{Operator: true}
	m.HandleFunc("GET /{$}", read, say("page"))
	m.HandleFunc("GET /v1/things", read, say("list"))
	m.HandleFunc("DELETE /v1/things/{id}", all, say("delete"))
	m.Within(func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Within", "yes")
			h.ServeHTTP(w, r)
		})
	})
	assert.Equal(t, []admin.Route{{"GET", "/{$}", read}, {"GET", "/v1/things", read}, {"DELETE", "/v1/things/{id}", all}}, m.Routes())
	below := m.Below("/v1", &m)
	assert.Equal(t, []admin.Route{{"GET", "/things", read}, {"DELETE", "/things/{id}", all}}, below.Routes())
	for _, c := range []struct {
		mux          admin.Routed
		method, path string
		need         admin.Need
		ok           bool
		says         string
	}{
		{&m, "GET", "/", read, true, "page /"},
		{&m, "HEAD", "/v1/things", read, true, "list /v1/things"},
		{&m, "DELETE", "/v1/things/7", all, true, "delete /v1/things/7"},
		{&m, "POST", "/v1/things/7", admin.Need{}, false, "Method Not Allowed\n"},
		{&m, "GET", "/other", admin.Need{}, false, "404 page not found\n"},
		{below, "GET", "/things", read, true, "list /v1/things"},
		{below, "DELETE", "/things/7", all, true, "delete /v1/things/7"},
		{below, "GET", "/", admin.Need{}, false, "404 page not found\n"},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		need, ok := c.mux.NeedOf(r)
		assert.Equal(t, c.ok, ok, c)
		assert.Equal(t, c.need, need, c)
		w := httptest.NewRecorder()
		c.mux.ServeHTTP(w, r)
		assert.Equal(t, c.says, w.Body.String(), c)
		assert.Equal(t, "yes", w.Header().Get("Within"), c)
	}
}

func TestWhatANeedAllows(t *testing.T) {
	reader, operator := access.Client{Scopes: []string{access.Read}}, access.Client{Scopes: []string{access.Admin}}
	for name, c := range map[string]struct {
		need             admin.Need
		reader, operator bool
	}{
		"nothing":                 {admin.Need{}, true, true},
		"a scope":                 {admin.Need{Scopes: []string{access.Replay, access.Read}}, true, true},
		"another scope":           {admin.Need{Scopes: []string{access.Replay}}, false, true},
		"an operator":             {admin.Need{Operator: true}, false, true},
		"an operator and a scope": {admin.Need{Operator: true, Scopes: []string{access.Decrypt}}, false, false},
	} {
		assert.Equal(t, c.reader, c.need.Allows(reader), name)
		assert.Equal(t, c.operator, c.need.Allows(operator), name)
		assert.True(t, c.need.Allows(access.Client{Open: true}), name)
	}
	assert.Contains(t, admin.Need{Operator: true}.Refusal(reader), "about all tenants")
	assert.Contains(t, admin.Need{Operator: true, Scopes: []string{access.Decrypt}}.Refusal(operator), "scope decrypt")
}
