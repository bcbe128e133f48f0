package apikeyauthextension_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configauth"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/extension/extensionauth"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/penstockhq/penstock/extensions/apikeyauthextension"
	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/cputime"
	"github.com/penstockhq/penstock/internal/keyfile"
	"github.com/penstockhq/penstock/internal/tenant"
)

// world is a started extension with its file.
type world struct {
	t         *testing.T
	path      string
	file      keyfile.File
	auth      extensionauth.Server
	telemetry *componenttest.Telemetry
	log       *observer.ObservedLogs
}

func (w *world) add(k keyfile.Key) string {
	w.t.Helper()
	key, err := w.file.Add(&k)
	require.NoError(w.t, err)
	w.write()
	return key
}

func (w *world) write() {
	w.t.Helper()
	content, err := w.file.Bytes()
	require.NoError(w.t, err)
	require.NoError(w.t, os.WriteFile(w.path+".new", content, 0o600))
	require.NoError(w.t, os.Rename(w.path+".new", w.path))
}

func (w *world) start(change func(*apikeyauthextension.Config)) {
	w.t.Helper()
	factory := apikeyauthextension.NewFactory()
	cfg := factory.CreateDefaultConfig().(*apikeyauthextension.Config)
	cfg.File = w.path
	if change != nil {
		change(cfg)
	}
	require.NoError(w.t, confmap.Validate(cfg))
	set := extensiontest.NewNopSettings(factory.Type())
	set.TelemetrySettings = w.telemetry.NewTelemetrySettings()
	core, log := observer.New(zap.InfoLevel)
	set.Logger, w.log = zap.New(core), log
	e, err := factory.Create(w.t.Context(), set, cfg)
	require.NoError(w.t, err)
	require.NoError(w.t, e.Start(w.t.Context(), componenttest.NewNopHost()))
	w.t.Cleanup(func() { assert.NoError(w.t, e.Shutdown(context.Background())) })
	w.auth = e.(extensionauth.Server)
}

func newWorld(t *testing.T) *world {
	telemetry := componenttest.NewTelemetry()
	t.Cleanup(func() { assert.NoError(t, telemetry.Shutdown(context.Background())) })
	return &world{t: t, path: filepath.Join(t.TempDir(), "keys.yaml"), telemetry: telemetry}
}

// as authenticates with one header.
func (w *world) as(name, value string) error {
	_, err := w.auth.Authenticate(w.t.Context(), map[string][]string{name: {value}})
	return err
}

func (w *world) refused(reason string) int64 {
	w.t.Helper()
	m, err := w.telemetry.GetMetric("otelcol_extension_api_key_auth_refused_requests")
	require.NoError(w.t, err)
	return count(m, reason)
}

func TestHowAKeyIsSent(t *testing.T) {
	w := newWorld(t)
	key := w.add(keyfile.Key{Tenant: "acme", Scopes: []string{keyfile.Ingest}})
	w.start(nil)
	code := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, h := range [][2]string{
		{"Authorization", "Bearer " + key}, {"authorization", "bearer  " + key}, {"X-Api-Key", key}, {"x-api-key", " " + key},
		{"Authorization", "Splunk " + key}, {"Authorization", "ApiKey " + key}, {"Authorization", "ApiKey " + code("id:"+key)}, {"Authorization", "Basic " + code("anybody:"+key)}, {"Authorization", "Basic " + code(key+":")},
	} {
		assert.NoError(t, w.as(h[0], h[1]), h)
	}
	for _, h := range [][2]string{{"Authorization", key}, {"Authorization", "Digest " + key}, {"Authorization", ""}, {"Cookie", key}} {
		assert.ErrorContains(t, w.as(h[0], h[1]), "this needs an API key", h)
	}
	assert.ErrorContains(t, w.as("X-Api-Key", key+"x"), "is not valid here")
	assert.EqualValues(t, 4, w.refused("missing"))
	assert.EqualValues(t, 1, w.refused("unknown"))
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	past, coming := time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	reader := w.add(keyfile.Key{Tenant: "acme", Scopes: []string{keyfile.Read}})
	old := w.add(keyfile.Key{Tenant: "acme", Scopes: []string{keyfile.Ingest}, Expires: &past})
	fresh := w.add(keyfile.Key{Tenant: "acme", Scopes: []string{keyfile.Ingest}, Expires: &coming})
	w.start(nil)
	assert.ErrorContains(t, w.as("x-api-key", reader), "none of the scopes ingest, forward")
	assert.ErrorContains(t, w.as("x-api-key", old), "has expired")
	assert.NoError(t, w.as("x-api-key", fresh))
	assert.EqualValues(t, 1, w.refused("scope"))
	assert.EqualValues(t, 1, w.refused("expired"))
	for _, e := range w.log.All() {
		assert.NotContains(t, e.Message, old)
	}
	assert.Len(t, w.log.FilterMessage("A client was refused").All(), 1, "one line a minute for an address")
}

// The key names the tenant. A client that may not name one is overruled, and the key is not in the metadata.
func TestTheKeyNamesTheTenant(t *testing.T) {
	w := newWorld(t)
	own := w.add(keyfile.Key{Tenant: "acme", Scopes: []string{keyfile.Ingest}, Services: []string{"shop"}})
	forward := w.add(keyfile.Key{Scopes: []string{keyfile.Forward}})
	w.start(nil)
	for name, c := range map[string]struct {
		key, header, want string
	}{
		"its own":                   {own, "", "acme"},
		"another's":                 {own, "other", "acme"},
		"a forwarder's":             {forward, "other", "other"},
		"none, by a forwarder":      {forward, "", ""},
		"an empty one, by its own":  {own, " ", "acme"},
		"one that is no name there": {own, "a/b", "acme"},
	} {
		for _, spelled := range []string{"X-Scope-Orgid", "x-scope-orgid"} {
			sources := map[string][]string{"Authorization": {"Bearer " + c.key}, "Other": {"kept"}}
			if c.header != "" {
				sources[spelled] = []string{c.header, "second"}
			}
			for _, included := range []map[string][]string{nil, sources} {
				ctx, err := w.auth.Authenticate(client.NewContext(t.Context(), client.Info{Metadata: client.NewMetadata(included)}), sources)
				require.NoError(t, err)
				got, err := tenant.Client(ctx)
				require.NoError(t, err)
				assert.Equal(t, c.want, got, name)
				info := client.FromContext(ctx)
				assert.Empty(t, info.Metadata.Get("authorization"), "the key stays here")
				assert.Equal(t, included != nil, len(info.Metadata.Get("other")) == 1)
				assert.Contains(t, info.Auth.GetAttribute("subject"), "API key ")
			}
		}
	}
}

func TestTheAdminTokenIsAKey(t *testing.T) {
	w := newWorld(t)
	w.add(keyfile.Key{Tenant: "acme", Scopes: []string{keyfile.Read}})
	path := filepath.Join(t.TempDir(), "admin-token")
	w.start(func(c *apikeyauthextension.Config) { c.AdminTokenFile, c.Scopes = path, []string{keyfile.Admin} })
	secret := strings.Repeat("0123456789abcdef", 4)
	assert.Error(t, w.as("Authorization", "Bearer "+secret), "it is not there yet")
	assert.Error(t, w.as("Authorization", "Bearer"))
	require.NoError(t, os.WriteFile(path, []byte(secret+"\n"), 0o600))
	assert.NoError(t, w.as("Authorization", "Bearer "+secret), "as soon as it is there")
}

// A changed file counts soon; one with mistakes, or none, changes nothing.
func TestTheFileIsReadAgain(t *testing.T) {
	w := newWorld(t)
	first := w.add(keyfile.Key{Tenant: "acme", Scopes: []string{keyfile.Ingest}})
	w.start(nil)
	second := w.add(keyfile.Key{Tenant: "beta", Scopes: []string{keyfile.Ingest}})
	assert.Eventually(t, func() bool { return w.as("x-api-key", second) == nil }, time.Minute, 10*time.Millisecond)
	assert.NoError(t, w.as("x-api-key", first))

	w.file.Keys = w.file.Keys[1:]
	w.write()
	assert.Eventually(t, func() bool { return w.as("x-api-key", first) != nil }, time.Minute, 10*time.Millisecond, "revoked")

	const message = "The API keys could not be reloaded: the previous keys stay in use"
	require.NoError(t, os.WriteFile(w.path, []byte("keys: [{id: x}]"), 0o600))
	assert.Eventually(t, func() bool { return w.log.FilterMessage(message).Len() == 1 }, time.Minute, 10*time.Millisecond)
	require.NoError(t, os.Remove(w.path))
	assert.Eventually(t, func() bool { return w.log.FilterMessage(message).Len() == 2 }, time.Minute, 10*time.Millisecond)
	assert.NoError(t, w.as("x-api-key", second))

	// A file that is being written is empty for a moment. A file that never ends, or a pipe without a writer, blocks nothing either.
	require.NoError(t, os.WriteFile(w.path, nil, 0o600))
	assert.Eventually(t, func() bool { return w.log.FilterMessage(message).Len() == 3 }, time.Minute, 10*time.Millisecond)
	assert.NoError(t, w.as("x-api-key", second))
	require.NoError(t, os.Remove(w.path))
	require.NoError(t, os.Symlink("/dev/zero", w.path))
	assert.Eventually(t, func() bool { return w.log.FilterMessage(message).Len() == 4 }, time.Minute, 10*time.Millisecond)
	assert.NoError(t, w.as("x-api-key", second))
	require.NoError(t, os.Remove(w.path))
	w.file.Keys = nil
	w.write()
	assert.Eventually(t, func() bool { return w.as("x-api-key", second) != nil }, time.Minute, 10*time.Millisecond, "an empty list means that there are none")
}

// An answer that follows something, such as a live tail, checks whether its client's key is still valid: access.WhileValid.
func TestAnIdentityKnowsWhenItsKeyIsRevoked(t *testing.T) {
	w := newWorld(t)
	acme := w.add(keyfile.Key{Tenant: "acme", Scopes: []string{keyfile.Ingest, keyfile.Read}})
	beta := w.add(keyfile.Key{Tenant: "beta", Scopes: []string{keyfile.Ingest, keyfile.Read}})
	w.start(nil)
	valid := func(given string) func() bool {
		ctx, err := w.auth.Authenticate(t.Context(), map[string][]string{"x-api-key": {given}})
		require.NoError(t, err)
		return client.FromContext(ctx).Auth.GetAttribute(access.ValidAttribute).(func() bool)
	}
	ofAcme, ofBeta := valid(acme), valid(beta)
	assert.True(t, ofAcme() && ofBeta())
	w.file.Keys[0].Scopes = []string{keyfile.Ingest}
	w.write()
	assert.Eventually(t, func() bool { return !ofAcme() }, time.Minute, 10*time.Millisecond, "its scopes have changed")
	assert.True(t, ofBeta())
	w.file.Keys = w.file.Keys[:1]
	w.write()
	assert.Eventually(t, func() bool { return !ofBeta() }, time.Minute, 10*time.Millisecond, "revoked")
}

// Clients whose keys stay notice nothing of a file that changes.
func TestOthersGoOnWhileTheFileChanges(t *testing.T) {
	w := newWorld(t)
	kept := w.add(keyfile.Key{Tenant: "acme", Scopes: []string{keyfile.Ingest}})
	w.start(nil)
	var refused, admitted atomic.Int64
	var wg sync.WaitGroup
	ended := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
				}
				if w.as("x-api-key", kept) != nil {
					refused.Add(1)
				}
				admitted.Add(1)
			}
		})
	}
	for range 3 {
		added := w.add(keyfile.Key{Tenant: "beta", Scopes: []string{keyfile.Ingest}})
		assert.Eventually(t, func() bool { return w.as("x-api-key", added) == nil }, time.Minute, 10*time.Millisecond)
	}
	close(ended)
	wg.Wait()
	assert.Zero(t, refused.Load())
	assert.NotZero(t, admitted.Load())
}

func BenchmarkAuthenticate(b *testing.B) {
	var file keyfile.File
	var key string
	for range 1000 {
		var err error
		key, err = file.Add(&keyfile.Key{Tenant: "acme", Scopes: []string{keyfile.Ingest}})
		require.NoError(b, err)
	}
	content, err := file.Bytes()
	require.NoError(b, err)
	path := filepath.Join(b.TempDir(), "keys.yaml")
	require.NoError(b, os.WriteFile(path, content, 0o600))
	factory := apikeyauthextension.NewFactory()
	cfg := factory.CreateDefaultConfig().(*apikeyauthextension.Config)
	cfg.File = path
	e, err := factory.Create(b.Context(), extensiontest.NewNopSettings(factory.Type()), cfg)
	require.NoError(b, err)
	require.NoError(b, e.Start(b.Context(), componenttest.NewNopHost()))
	defer func() { assert.NoError(b, e.Shutdown(context.Background())) }()
	sources := map[string][]string{"Authorization": {"Bearer " + key}}
	b.ReportAllocs()
	defer cputime.Each(b)()
	for b.Loop() {
		if _, err := e.(extensionauth.Server).Authenticate(b.Context(), sources); err != nil {
			b.Fatal(err)
		}
	}
}

// Through a listener of the collector: 401 without a key, and the handler sees the tenant.
func TestBehindAListener(t *testing.T) {
	w := newWorld(t)
	key := w.add(keyfile.Key{Tenant: "acme", Scopes: []string{keyfile.Ingest}})
	w.start(nil)
	id := component.MustNewID("api_key_auth")
	server := confighttp.NewDefaultServerConfig()
	server.Auth = configoptional.Some(confighttp.AuthConfig{Config: configauth.Config{AuthenticatorID: id}})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _ := tenant.Client(r.Context())
		_, _ = w.Write([]byte(name))
	})
	s, err := server.ToServer(t.Context(), map[component.ID]component.Component{id: w.auth.(component.Component)}, w.telemetry.NewTelemetrySettings(), handler)
	require.NoError(t, err)
	answer := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	s.Handler.ServeHTTP(answer, r)
	assert.Equal(t, http.StatusUnauthorized, answer.Code)
	answer = httptest.NewRecorder()
	r.Header.Set("X-API-Key", key)
	r.Header.Set("X-Scope-OrgID", "other")
	s.Handler.ServeHTTP(answer, r)
	assert.Equal(t, "acme", answer.Body.String())
}

func TestAWrongFileStopsTheStart(t *testing.T) {
	for content, want := range map[string]string{"keys: [{id: x}]": `keys[0] id: "x"`, "-": "`penstock keys new --file"} {
		path := filepath.Join(t.TempDir(), "keys.yaml")
		if content != "-" {
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		}
		factory := apikeyauthextension.NewFactory()
		cfg := factory.CreateDefaultConfig().(*apikeyauthextension.Config)
		cfg.File = path
		e, err := factory.Create(t.Context(), extensiontest.NewNopSettings(factory.Type()), cfg)
		require.NoError(t, err)
		assert.ErrorContains(t, e.Start(t.Context(), componenttest.NewNopHost()), want)
		assert.NoError(t, e.Shutdown(t.Context()))
	}
}

func TestConfig(t *testing.T) {
	for want, change := range map[string]func(*apikeyauthextension.Config){
		"file: must be set":                    func(c *apikeyauthextension.Config) { c.File = "" },
		"scopes: at least one is needed":       func(c *apikeyauthextension.Config) { c.Scopes = nil },
		`scopes: "write" is not one of ingest`: func(c *apikeyauthextension.Config) { c.Scopes = []string{"write"} },
	} {
		cfg := apikeyauthextension.NewFactory().CreateDefaultConfig().(*apikeyauthextension.Config)
		cfg.File = "x"
		change(cfg)
		assert.ErrorContains(t, confmap.Validate(cfg), want)
	}
}

// from authenticates with a key from an address.
func (w *world) from(address, key string) error {
	ctx := client.NewContext(w.t.Context(), client.Info{Addr: &net.TCPAddr{IP: net.ParseIP(address), Port: 1}})
	_, err := w.auth.Authenticate(ctx, map[string][]string{"x-api-key": {key}})
	return err
}

// Addresses that are refused are remembered within a bound: those beyond it are counted as one.
func TestManyAddresses(t *testing.T) {
	w := newWorld(t)
	w.add(keyfile.Key{Tenant: "acme", Scopes: []string{keyfile.Ingest}})
	w.start(nil)
	for i := range 3000 {
		require.Error(t, w.from(net.IPv4(10, 0, byte(i>>8), byte(i)).String(), "wrong"))
	}
	assert.EqualValues(t, 1024+30, w.refused("unknown"))
	assert.EqualValues(t, 3000-1024-30, w.refused("throttled"))
	assert.Len(t, w.log.FilterMessage("A client was refused").All(), 1024+1)
}

// Guessing from one address, or from one IPv6 network, soon gets one answer to everything; right keys are admitted all the same.
func TestGuessingIsThrottled(t *testing.T) {
	w := newWorld(t)
	past := time.Now().Add(-time.Minute)
	right := w.add(keyfile.Key{Tenant: "acme", Scopes: []string{keyfile.Ingest}})
	old := w.add(keyfile.Key{Tenant: "acme", Scopes: []string{keyfile.Ingest}, Expires: &past})
	w.start(nil)
	for i := range 30 {
		assert.ErrorContains(t, w.from("192.0.2.1", "wrong"), "is not valid here")
		assert.ErrorContains(t, w.from(fmt.Sprintf("2001:db8::%x", i), "wrong"), "is not valid here")
	}
	for _, address := range []string{"192.0.2.1", "2001:db8::ffff"} {
		for _, key := range []string{"wrong", old, ""} {
			assert.ErrorContains(t, w.from(address, key), "too many requests")
		}
		assert.NoError(t, w.from(address, right))
	}
	for _, address := range []string{"192.0.2.2", "2001:db8:0:1::1"} {
		assert.ErrorContains(t, w.from(address, old), "has expired", "others are told what is wrong")
	}
	assert.EqualValues(t, 6, w.refused("throttled"))
}

func TestReadmeExampleLoads(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(readme, -1)
	require.Len(t, blocks, 1)
	parsed, err := confmap.NewRetrievedFromYAML(blocks[0][1])
	require.NoError(t, err)
	whole, err := parsed.AsConf()
	require.NoError(t, err)
	for _, id := range []string{"api_key_auth", "api_key_auth/read"} {
		sub, err := whole.Sub("extensions::" + id)
		require.NoError(t, err)
		cfg := apikeyauthextension.NewFactory().CreateDefaultConfig()
		require.NoError(t, sub.Unmarshal(cfg))
		assert.NoError(t, confmap.Validate(cfg))
	}
}
