package restcatalog_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/restcatalog"
)

type tables struct{ err error }

func (t tables) Names(context.Context) ([]string, error) {
	return []string{"logs", "metrics", "traces"}, t.err
}

func (t tables) Load(_ context.Context, name string) (restcatalog.Table, error) {
	if t.err != nil {
		return restcatalog.Table{}, t.err
	}
	if name != "logs" {
		return restcatalog.Table{}, fmt.Errorf("%s: %w", name, restcatalog.ErrNoTable)
	}
	return restcatalog.Table{Location: "s3://b/v3.metadata.json", Metadata: []byte(`{"format-version":2}`), Config: map[string]string{"s3.endpoint": "http://x"}}, nil
}

func serve(c *restcatalog.Catalog) http.Handler {
	mux := &http.ServeMux{}
	for _, r := range c.Routes() {
		mux.HandleFunc(r.Pattern, r.Handler)
	}
	return mux
}

func ask(h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func anybody(*http.Request) string { return "" }

func TestTheReadingHalf(t *testing.T) {
	h := serve(&restcatalog.Catalog{Namespace: "lake", Tables: tables{}, Refuse: anybody})
	for _, c := range []struct {
		request string
		status  int
		body    string
	}{
		{"GET /v1/namespaces", 200, `{"namespaces":[["lake"]]}`},
		{"GET /v1/namespaces?parent=lake", 200, `{"namespaces":[]}`},
		{"GET /v1/namespaces?parent=", 200, `{"namespaces":[["lake"]]}`},
		{"GET /v1/namespaces?parent=other", 404, `{"error":{"message":"there is no namespace \"other\": this catalog has lake","type":"NoSuchNamespaceException","code":404}}`},
		{"GET /v1/namespaces/lake", 200, `{"namespace":["lake"],"properties":{}}`},
		{"HEAD /v1/namespaces/lake", 204, ``},
		{"GET /v1/namespaces/other", 404, `{"error":{"message":"there is no namespace \"other\": this catalog has lake","type":"NoSuchNamespaceException","code":404}}`},
		{"GET /v1/namespaces/lake/tables", 200, `{"identifiers":[{"namespace":["lake"],"name":"logs"},{"namespace":["lake"],"name":"metrics"},{"namespace":["lake"],"name":"traces"}]}`},
		{"GET /v1/namespaces/lake/tables?pageSize=2&pageToken=", 200, `{"identifiers":[{"namespace":["lake"],"name":"logs"},{"namespace":["lake"],"name":"metrics"}],"next-page-token":"=metrics"}`},
		{"GET /v1/namespaces/lake/tables?pageSize=2&pageToken=%3Dmetrics", 200, `{"identifiers":[{"namespace":["lake"],"name":"traces"}],"next-page-token":null}`},
		{"GET /v1/namespaces/lake/tables?pageToken=%3Dn", 200, `{"identifiers":[{"namespace":["lake"],"name":"traces"}],"next-page-token":null}`},
		{"GET /v1/namespaces/lake/tables?pageSize=0", 400, `{"error":{"message":"pageSize: must be a positive number","type":"BadRequestException","code":400}}`},
		{"GET /v1/namespaces/lake/tables?pageToken=x", 400, `{"error":{"message":"pageToken: is none of this catalog","type":"BadRequestException","code":400}}`},
		{"GET /v1/namespaces/lake/tables/logs", 200, `{"metadata-location":"s3://b/v3.metadata.json","metadata":{"format-version":2},"config":{"s3.endpoint":"http://x"}}`},
		{"HEAD /v1/namespaces/lake/tables/logs", 204, ``},
		{"GET /v1/namespaces/lake/tables/x", 404, `{"error":{"message":"there is no table \"x\" in lake: one comes with the first file","type":"NoSuchTableException","code":404}}`},
		{"GET /v1/namespaces/lake/views", 404, `{"error":{"message":"there is no such route: this catalog has tables, and nothing else","type":"NotFoundException","code":404}}`},
	} {
		method, target, _ := cut(c.request)
		w := ask(h, method, target)
		assert.Equal(t, c.status, w.Code, c.request)
		if c.body == "" {
			assert.Empty(t, w.Body.String(), c.request)
		} else {
			assert.JSONEq(t, c.body, w.Body.String(), c.request)
			assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
		}
	}
	assert.Equal(t, http.StatusNotFound, ask(h, "HEAD", "/v1/namespaces/lake/tables/x").Code)
	assert.Equal(t, http.StatusNotFound, ask(h, "HEAD", "/v1/namespaces/x").Code)
}

func cut(request string) (method, target string, ok bool) {
	for i := range request {
		if request[i] == ' ' {
			return request[:i], request[i+1:], true
		}
	}
	return request, "", false
}

func TestNothingCanBeWritten(t *testing.T) {
	h := serve(&restcatalog.Catalog{Namespace: "lake", Tables: tables{}, Refuse: anybody})
	for _, request := range []string{
		"POST /v1/namespaces", "DELETE /v1/namespaces/lake", "POST /v1/namespaces/lake/properties", "POST /v1/namespaces/lake/tables",
		"POST /v1/namespaces/lake/tables/logs", "DELETE /v1/namespaces/lake/tables/logs", "POST /v1/namespaces/lake/register", "POST /v1/tables/rename",
		"POST /v1/transactions/commit", "POST /v1/namespaces/lake/views", "POST /v1/namespaces/lake/tables/logs/metrics", "POST /v1/oauth/tokens", "PUT /v1/config",
	} {
		method, target, _ := cut(request)
		w := ask(h, method, target)
		assert.Equal(t, http.StatusNotAcceptable, w.Code, request)
		assert.Contains(t, w.Body.String(), `"type":"UnsupportedOperationException"`, request)
		assert.Contains(t, w.Body.String(), "read only", request)
	}
	var config struct{ Endpoints []string }
	require.NoError(t, json.Unmarshal(ask(h, "GET", "/v1/config?warehouse=x").Body.Bytes(), &config))
	for _, e := range config.Endpoints {
		method, _, _ := cut(e)
		assert.Contains(t, []string{"GET", "HEAD"}, method)
	}
}

func TestAReaderThatHasTheNewestState(t *testing.T) {
	h := serve(&restcatalog.Catalog{Namespace: "lake", Tables: tables{}, Refuse: anybody})
	tag := ask(h, "GET", "/v1/namespaces/lake/tables/logs").Header().Get("ETag")
	require.NotEmpty(t, tag)
	for _, header := range []string{tag, "W/" + tag, `"other", ` + tag} {
		w := ask(h, "GET", "/v1/namespaces/lake/tables/logs", "If-None-Match", header)
		assert.Equal(t, http.StatusNotModified, w.Code)
		assert.Empty(t, w.Body.String())
	}
	assert.Equal(t, http.StatusOK, ask(h, "GET", "/v1/namespaces/lake/tables/logs", "If-None-Match", `"other"`).Code)
}

func TestWhoMayNotSeeAnything(t *testing.T) {
	h := serve(&restcatalog.Catalog{Namespace: "lake", Tables: tables{}, Refuse: func(*http.Request) string { return "no" }})
	for _, target := range []string{"/v1/config", "/v1/namespaces", "/v1/namespaces/lake", "/v1/namespaces/lake/tables", "/v1/namespaces/lake/tables/logs", "/"} {
		w := ask(h, "GET", target)
		assert.Equal(t, http.StatusForbidden, w.Code, target)
		assert.JSONEq(t, `{"error":{"message":"no","type":"ForbiddenException","code":403}}`, w.Body.String())
	}
}

func TestALakeThatIsAway(t *testing.T) {
	h := serve(&restcatalog.Catalog{Namespace: "lake", Tables: tables{errors.New("timeout")}, Refuse: anybody})
	for _, target := range []string{"/v1/namespaces/lake/tables", "/v1/namespaces/lake/tables/logs"} {
		w := ask(h, "GET", target)
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.Contains(t, w.Body.String(), "timeout")
	}
}
