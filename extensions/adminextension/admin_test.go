package adminextension_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collectorclient "go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensiontest"

	"github.com/penstockhq/penstock/extensions/adminextension"
	"github.com/penstockhq/penstock/internal/freeport"
)

// mounter is how a component finds the extension: by this method alone.
type mounter interface {
	Mount(id, title string, h http.Handler) (unmount func(), err error)
}

func TestMountServesUnderItsIDWithThePrefixStripped(t *testing.T) {
	admin, get := start(t, nil, nil)
	mount(t, admin, "cardinality_guard", "Guard", echo("guard"))
	mount(t, admin, "cardinality_guard/edge", "Guard at the edge", echo("edge"))

	for path, want := range map[string]string{
		"/cardinality_guard/":               "guard /",
		"/cardinality_guard/top?n=3":        "guard /top?n=3",
		"/cardinality_guard/a%2Fb":          "guard /a%2Fb",
		"/cardinality_guard/edge/":          "edge /",
		"/cardinality_guard/edge/top":       "edge /top",
		"/cardinality_guard/edges":          "guard /edges",
		"/cardinality_guard":                "guard /",
		"/cardinality_guard/edge?keep=this": "edge /?keep=this",
	} {
		status, body := get(path)
		assert.Equal(t, http.StatusOK, status, path)
		assert.Equal(t, want, body, path)
	}
	for _, path := range []string{"/nobody/", "/cardinality_guardian", "//", "/.."} {
		status, _ := get(path)
		assert.Equal(t, http.StatusNotFound, status, path)
	}
}

// Programs follow no redirects: an API answers without the slash, a page sends browsers to it.
func TestAnAPIAnswersWithoutARedirect(t *testing.T) {
	admin, _ := start(t, nil, nil)
	mount(t, admin, "v1/ledger", "Ledger", echo("api"))
	mount(t, admin, "ledger", "Ledger", echo("page"))
	web := client(t, admin)
	web.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for path, want := range map[string]int{"/v1/ledger?by=event": http.StatusOK, "/v1/ledger/": http.StatusOK, "/ledger": http.StatusPermanentRedirect} {
		response, err := web.Get("http://localhost" + path)
		require.NoError(t, err)
		assert.Equal(t, want, response.StatusCode, path)
		require.NoError(t, response.Body.Close())
	}
}

func TestMountRefusesWhatItCannotServe(t *testing.T) {
	admin, _ := start(t, nil, nil)
	mount(t, admin, "taken", "Taken", echo(""))
	for id, message := range map[string]string{
		"taken": `mount "taken": the id is already used`,
		"":      "the id must not be empty",
		"a//b":  "non-empty path segments",
		"/a":    "non-empty path segments",
		"a/..":  "non-empty path segments",
	} {
		_, err := admin.Mount(id, "Title", echo(""))
		assert.ErrorContains(t, err, message)
	}
	_, err := admin.Mount("nil", "Title", nil)
	assert.ErrorContains(t, err, "handler must not be nil")
}

func TestUnmountFreesTheIDAndEndsItsRequests(t *testing.T) {
	admin, get := start(t, nil, nil)
	arrived, ended := make(chan struct{}), make(chan struct{})
	unmount := mount(t, admin, "tail", "Live tail", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		close(ended)
	}))
	go get("/tail/")
	<-arrived
	unmount()
	<-ended
	status, _ := get("/tail/")
	assert.Equal(t, http.StatusNotFound, status)

	mount(t, admin, "tail", "The next one", echo("second"))
	unmount() // the old one again: the new owner stays
	_, body := get("/tail/")
	assert.Equal(t, "second /", body)
}

func TestTheConsoleIsTheFirstPage(t *testing.T) {
	admin, get := start(t, nil, nil)
	status, body := get("/console/")
	assert.Equal(t, http.StatusNotFound, status)
	assert.Contains(t, body, "add console to extensions")
	unmount := mount(t, admin, "console", "Console", echo("console"))
	web := client(t, admin)
	web.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := web.Get("http://localhost/")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, http.StatusFound, response.StatusCode)
	assert.Equal(t, "console/", response.Header.Get("Location"), "relative: a proxy may have put this below a prefix")
	unmount()
	_, body = get("/")
	assert.Contains(t, body, "No component has registered a page.")
}

func TestIndexListsEscapedAndInOrder(t *testing.T) {
	admin, get := start(t, nil, nil)
	_, page := get("/")
	assert.Contains(t, page, "No component has registered a page.")

	mount(t, admin, "window_rollup", "Rollups", echo(""))
	mount(t, admin, "kafka_replay/50%41", "<script>alert(1)</script>", echo("jobs"))
	status, page := get("/")
	assert.Equal(t, http.StatusOK, status)
	assert.NotContains(t, page, "<script>")
	assert.Contains(t, page, "&lt;script&gt;")
	assert.Contains(t, page, `href="./window_rollup/"`)
	assert.Less(t, strings.Index(page, "kafka_replay"), strings.Index(page, "window_rollup"))

	_, rest, ok := strings.Cut(page, `href="./kafka`)
	require.True(t, ok)
	link, _, _ := strings.Cut("/kafka"+rest, `"`)
	_, body := get(link)
	assert.Equal(t, "jobs /", body, "the link of the page leads to the mount")
}

func TestOtherSitesAreRefused(t *testing.T) {
	admin, _ := start(t, nil, nil)
	mount(t, admin, "jobs", "Jobs", echo("jobs"))
	serve := client(t, admin)
	for name, c := range map[string]struct {
		method, host, site string
		want               int
	}{
		"local name":           {http.MethodPost, "localhost:13134", "", http.StatusOK},
		"address":              {http.MethodGet, "127.0.0.1:13134", "", http.StatusOK},
		"IPv6 address":         {http.MethodGet, "[::1]", "", http.StatusOK},
		"rebound name":         {http.MethodGet, "evil.example:13134", "same-origin", http.StatusForbidden},
		"form of another site": {http.MethodPost, "127.0.0.1:13134", "cross-site", http.StatusForbidden},
		"link of another site": {http.MethodGet, "127.0.0.1:13134", "cross-site", http.StatusOK},
	} {
		request, err := http.NewRequest(c.method, "http://admin/jobs/", nil)
		require.NoError(t, err)
		request.Host = c.host
		if c.site != "" {
			request.Header.Set("Sec-Fetch-Site", c.site)
		}
		response, err := serve.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.Equal(t, c.want, response.StatusCode, name)
	}
	response, err := serve.Post("http://localhost/", "text/plain", nil)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, http.StatusMethodNotAllowed, response.StatusCode)
}

func TestAuthGuardsIndexAndMounts(t *testing.T) {
	door := component.MustNewID("door")
	admin, get := start(t, map[string]any{"auth": map[string]any{"authenticator": "door"}},
		map[component.ID]component.Component{door: doorkeeper{}})
	mount(t, admin, "jobs", "Jobs", echo("jobs"))
	for _, path := range []string{"/", "/jobs/", "/nobody"} {
		status, _ := get(path)
		assert.Equal(t, http.StatusUnauthorized, status, path)
	}
	request, err := http.NewRequest(http.MethodGet, "http://admin.example/jobs/", nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "open sesame")
	response, err := client(t, admin).Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, http.StatusOK, response.StatusCode, "with auth any host name will do")
}

func TestStartNamesWhatIsWrong(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	for name, c := range map[string]struct {
		settings map[string]any
		want     string
	}{
		"taken port":   {map[string]any{"endpoint": taken.Addr().String()}, "address already in use"},
		"missing auth": {map[string]any{"endpoint": "127.0.0.1:0", "auth": map[string]any{"authenticator": "door"}}, "door"},
		"missing certificate": {map[string]any{"endpoint": "127.0.0.1:0", "tls": map[string]any{
			"cert_file": "missing.pem", "key_file": "missing.pem"}}, "missing.pem"},
	} {
		ext := create(t, c.settings)
		assert.ErrorContains(t, ext.Start(t.Context(), componenttest.NewNopHost()), c.want, name)
		assert.NoError(t, ext.Shutdown(t.Context()), name)
	}
}

func TestMountIsSafeForConcurrentUse(t *testing.T) {
	admin, get := start(t, nil, nil)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 50 {
				unmount := mount(t, admin, fmt.Sprintf("c%d", i), "C", echo("c"))
				status, _ := get(fmt.Sprintf("/c%d/", i))
				assert.Equal(t, http.StatusOK, status)
				get("/")
				unmount()
			}
		})
	}
	all.Wait()
}

func TestConfig(t *testing.T) {
	valid, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	require.NoError(t, err)
	for _, name := range []string{"admin", "admin/team"} {
		cfg := adminextension.NewFactory().CreateDefaultConfig()
		sub, err := valid.Sub(name)
		require.NoError(t, err)
		require.NoError(t, sub.Unmarshal(cfg))
		assert.NoError(t, confmap.Validate(cfg), name)
	}
	for endpoint, want := range map[string]string{
		"":          "endpoint: must be set",
		"localhost": `endpoint: "localhost" is not host:port`,
	} {
		cfg := adminextension.NewFactory().CreateDefaultConfig().(*adminextension.Config)
		cfg.ServerConfig.NetAddr.Endpoint = endpoint
		assert.ErrorContains(t, cfg.Validate(), want)
	}
	assert.Equal(t, "127.0.0.1:13134",
		adminextension.NewFactory().CreateDefaultConfig().(*adminextension.Config).ServerConfig.NetAddr.Endpoint)
}

// doorkeeper is an authentication extension with one password.
type doorkeeper struct {
	component.StartFunc
	component.ShutdownFunc
	subject string // empty: it knows no names
}

func (d doorkeeper) Authenticate(ctx context.Context, headers map[string][]string) (context.Context, error) {
	if got := headers["Authorization"]; len(got) == 1 && got[0] == "open sesame" {
		info := collectorclient.FromContext(ctx)
		if d.subject != "" {
			info.Auth = authenticated{d.subject}
		}
		return collectorclient.NewContext(ctx, info), nil
	}
	return ctx, errors.New("closed")
}

type hostWith struct {
	component.Host
	extensions map[component.ID]component.Component
}

func (h hostWith) GetExtensions() map[component.ID]component.Component { return h.extensions }

// started is an extension that listens on a unix socket.
type started struct {
	mounter
	socket string
}

func create(t *testing.T, settings map[string]any) extension.Extension {
	t.Helper()
	factory := adminextension.NewFactory()
	cfg := factory.CreateDefaultConfig()
	require.NoError(t, confmap.NewFromStringMap(settings).Unmarshal(cfg))
	require.NoError(t, confmap.Validate(cfg))
	ext, err := factory.Create(t.Context(), extensiontest.NewNopSettings(factory.Type()), cfg)
	require.NoError(t, err)
	return ext
}

// start runs the extension on a unix socket, so no port is needed, until the test ends.
func start(t *testing.T, settings map[string]any, extensions map[component.ID]component.Component) (
	admin started, get func(path string) (int, string)) {
	t.Helper()
	socket := freeport.Socket(t)
	all := map[string]any{"endpoint": socket, "transport": "unix"}
	for key, value := range settings {
		all[key] = value
	}
	ext := create(t, all)
	require.NoError(t, ext.Start(t.Context(), hostWith{componenttest.NewNopHost(), extensions}))
	t.Cleanup(func() {
		require.NoError(t, ext.Shutdown(context.Background()))
		require.NoError(t, ext.Shutdown(context.Background()), "a second time")
	})
	admin = started{ext.(mounter), socket}
	web := client(t, admin)
	return admin, func(path string) (int, string) {
		response, err := web.Get("http://localhost" + path)
		if !assert.NoError(t, err) {
			return 0, ""
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		assert.NoError(t, err)
		return response.StatusCode, string(body)
	}
}

func client(t *testing.T, admin started) *http.Client {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", admin.socket)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func mount(t *testing.T, admin mounter, id, title string, h http.Handler) func() {
	t.Helper()
	unmount, err := admin.Mount(id, title, h)
	require.NoError(t, err)
	return unmount
}

// echo answers with its name and the URL that it sees.
func echo(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %s", name, r.URL.RequestURI())
	})
}
