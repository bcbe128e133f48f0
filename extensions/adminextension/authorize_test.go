package adminextension_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collectorclient "go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/extension/extensiontest"

	"github.com/penstockhq/penstock/extensions/adminextension"
	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/internal/freeport"
)

// guarded answers with who was authorized.
func guarded(authorizer admin.Authorizer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := authorizer.Authorize(r, access.Erase)
		if err != nil {
			admin.Challenge(w.Header())
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		_, _ = fmt.Fprint(w, who)
	})
}

func TestTheTokenAuthorizes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "data", "admin-token")
	ext, _ := start(t, map[string]any{"token_file": file}, nil)
	mount(t, ext, "erase", "Erase", guarded(ext.mounter.(admin.Authorizer)))
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	secret := strings.TrimSpace(string(content))
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	web := requester(t, ext)
	for name, c := range map[string]struct {
		header, value, says string
		want                int
	}{
		"the token":                       {"Authorization", "Bearer " + secret, "admin token", http.StatusOK},
		"any case of the scheme":          {"Authorization", "bearer " + secret, "admin token", http.StatusOK},
		"beside another authenticator":    {"Penstock-Admin-Token", secret, "admin token", http.StatusOK},
		"nothing":                         {"Accept", "*/*", "needs the admin token", http.StatusUnauthorized},
		"another token":                   {"Authorization", "Bearer guess", "is not the admin token", http.StatusUnauthorized},
		"half of it":                      {"Authorization", "Bearer " + secret[:32], "is not the admin token", http.StatusUnauthorized},
		"another scheme":                  {"Authorization", "Basic " + secret, "needs the admin token", http.StatusUnauthorized},
		"an empty other header":           {"Penstock-Admin-Token", "", "needs the admin token", http.StatusUnauthorized},
		"a name that is only claimed":     {"Authorization", "Basic cm9vdDpyb290", "needs the admin token", http.StatusUnauthorized},
		"a wrong token in the other head": {"Penstock-Admin-Token", "guess", "is not the admin token", http.StatusUnauthorized},
	} {
		r, err := http.NewRequest(http.MethodPost, "http://localhost/erase/", nil)
		require.NoError(t, err)
		r.Header.Set(c.header, c.value)
		status, body, answer := web(r)
		assert.Equal(t, c.want, status, name)
		assert.Contains(t, body, c.says, name)
		assert.NotContains(t, body, "guess", name)
		if status == http.StatusUnauthorized {
			assert.Contains(t, answer.Get("WWW-Authenticate"), "Bearer", name)
		}
	}
	status, _, _ := web(must(http.NewRequest(http.MethodPost, "http://localhost/erase/?token="+secret, nil)))
	assert.Equal(t, http.StatusUnauthorized, status, "never in a URL")

	// Another listener also checks: the TSDB's.
	r := httptest.NewRequest(http.MethodPost, "/delete", nil)
	_, err = ext.mounter.(admin.Authorizer).Authorize(r, access.Erase)
	assert.ErrorContains(t, err, "needs the admin token")
	r.Header.Set("Authorization", "Bearer "+secret)
	who, err := ext.mounter.(admin.Authorizer).Authorize(r, access.Erase)
	require.NoError(t, err)
	assert.Equal(t, "admin token", who)
}

func TestTheTokenStaysOverARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "admin-token")
	for range 2 {
		ext := create(t, map[string]any{"endpoint": "127.0.0.1:0", "token_file": file})
		require.NoError(t, ext.Start(t.Context(), componenttest.NewNopHost()))
		require.NoError(t, ext.Shutdown(t.Context()))
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(content)))
		_, err = ext.(admin.Authorizer).Authorize(r, access.Erase)
		require.NoError(t, err)
	}
}

// With auth the listener admits administrators only, and knows their names. Other listeners' clients still need the token.
func TestAuthOfTheListenerAuthorizes(t *testing.T) {
	door := component.MustNewID("door")
	settings := map[string]any{"auth": map[string]any{"authenticator": "door"}, "token_file": filepath.Join(t.TempDir(), "token")}
	for subject, want := range map[string]string{"bob": "bob", "": "authenticated by door"} {
		ext, _ := start(t, settings, map[component.ID]component.Component{door: doorkeeper{subject: subject}})
		mount(t, ext, "erase", "Erase", guarded(ext.mounter.(admin.Authorizer)))
		r, err := http.NewRequest(http.MethodPost, "http://admin.example/erase/", nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", "open sesame")
		status, body, _ := requester(t, ext)(r)
		assert.Equal(t, http.StatusOK, status)
		assert.Equal(t, want, body)
		_, err = ext.mounter.(admin.Authorizer).Authorize(httptest.NewRequest(http.MethodPost, "/delete", nil), access.Erase)
		assert.Error(t, err)
	}
}

func TestWithoutTokenFileAndAuthNobodyIsAuthorized(t *testing.T) {
	ext, _ := start(t, nil, nil)
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("Authorization", "Bearer ")
	_, err := ext.mounter.(admin.Authorizer).Authorize(r, access.Erase)
	assert.ErrorContains(t, err, "set token_file")
	_, err = admin.FindAuthorizer(componenttest.NewNopHost()).Authorize(r, access.Erase)
	assert.ErrorIs(t, err, admin.ErrNobody)
}

func TestBeyondLoopbackNeedsAuth(t *testing.T) {
	for _, endpoint := range []string{"0.0.0.0:0", "[::]:0", ":0", "192.0.2.1:13134"} {
		cfg := adminextension.NewFactory().CreateDefaultConfig().(*adminextension.Config)
		cfg.ServerConfig.NetAddr.Endpoint = endpoint
		assert.ErrorContains(t, confmap.Validate(cfg), "allow_anonymous: ", endpoint)
		cfg.AllowAnonymous = true
		assert.NoError(t, confmap.Validate(cfg), endpoint)
	}
	for _, settings := range []map[string]any{
		{"auth": map[string]any{"authenticator": "door"}},
		{"tls": map[string]any{"client_ca_file": "ca.crt", "cert_file": "tls.crt", "key_file": "tls.key"}},
		{"allow_anonymous": true},
	} {
		settings["endpoint"] = "0.0.0.0:0"
		create(t, settings) // validates
	}
	// Where it listens at last is known when names are resolved.
	cfg := adminextension.NewFactory().CreateDefaultConfig().(*adminextension.Config)
	cfg.ServerConfig.NetAddr.Endpoint = "0.0.0.0:0"
	ext, err := adminextension.NewFactory().Create(t.Context(), extensiontest.NewNopSettings(adminextension.NewFactory().Type()), cfg)
	require.NoError(t, err)
	assert.ErrorContains(t, ext.Start(t.Context(), componenttest.NewNopHost()), "allow_anonymous: ")
	require.NoError(t, ext.Shutdown(t.Context()))
}

func TestBadTokenStopsTheStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte("short"), 0o600))
	ext := create(t, map[string]any{"endpoint": "127.0.0.1:0", "token_file": file})
	assert.ErrorContains(t, ext.Start(t.Context(), componenttest.NewNopHost()), "token_file: ")
	require.NoError(t, ext.Shutdown(t.Context()))
}

func TestTheStartPageSaysWhatThisIs(t *testing.T) {
	factory := adminextension.NewFactory()
	set := extensiontest.NewNopSettings(factory.Type())
	set.BuildInfo = component.BuildInfo{Command: "penstock", Description: "Loses nothing", Version: "1.2.3"}
	cfg := factory.CreateDefaultConfig().(*adminextension.Config)
	cfg.ServerConfig.NetAddr.Endpoint = freeport.Socket(t)
	cfg.ServerConfig.NetAddr.Transport = "unix"
	ext, err := factory.Create(t.Context(), set, cfg)
	require.NoError(t, err)
	require.NoError(t, ext.Start(t.Context(), componenttest.NewNopHost()))
	defer func() { require.NoError(t, ext.Shutdown(t.Context())) }()
	_, page, _ := requester(t, started{ext.(mounter), cfg.ServerConfig.NetAddr.Endpoint})(must(http.NewRequest(http.MethodGet, "http://localhost/", nil)))
	host, err := os.Hostname()
	require.NoError(t, err)
	assert.Contains(t, page, "<h1>Penstock</h1>")
	assert.Contains(t, page, "<title>Penstock on "+host+"</title>")
	assert.Contains(t, page, "Loses nothing")
	assert.Contains(t, page, "1.2.3 on "+host)
}

// requester sends requests to ext and returns status, body and header of the answer.
func requester(t *testing.T, ext started) func(*http.Request) (int, string, http.Header) {
	t.Helper()
	web := client(t, ext)
	return func(r *http.Request) (int, string, http.Header) {
		response, err := web.Do(r)
		require.NoError(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(body), response.Header
	}
}

func must(r *http.Request, err error) *http.Request {
	if err != nil {
		panic(err)
	}
	return r
}

// authenticated is what an authenticator knows of a client.
type authenticated struct{ subject string }

func (a authenticated) GetAttribute(name string) any {
	if name == "subject" {
		return a.subject
	}
	return nil
}

func (authenticated) GetAttributeNames() []string { return []string{"subject"} }

var _ collectorclient.AuthData = authenticated{}
