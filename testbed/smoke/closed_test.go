package smoke

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// request is what somebody sends to a listener.
type request struct {
	method, path, body string
	header             map[string]string // Host too
}

func (r request) send(t *testing.T, address string) send.Answer {
	t.Helper()
	out, err := http.NewRequestWithContext(t.Context(), r.method, "http://"+address+r.path, strings.NewReader(r.body))
	require.NoError(t, err)
	for name, value := range r.header {
		out.Header.Set(name, value)
	}
	out.Host = r.header["Host"]
	answer, err := http.DefaultClient.Do(out)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return send.Answer{Status: answer.StatusCode, Header: answer.Header, Body: string(text)}
}

// What a web page can make the operator's browser send, to every HTTP listener of every profile.
func TestWebPagesAreKeptOutOfEveryListener(t *testing.T) {
	const origin, site = "Origin", "Sec-Fetch-Site"
	attacks := []request{
		{http.MethodGet, "", "", map[string]string{"Host": "evil.example"}},
		{http.MethodGet, "", "", map[string]string{"Host": "evil.example", site: "same-origin"}},
		{http.MethodGet, "", "", map[string]string{"Host": "127.0.0.1.evil.example:80"}},
		{http.MethodPost, "", "", map[string]string{"Host": "evil.example", origin: "http://evil.example", site: "same-origin"}},
		{http.MethodPost, "", "x", map[string]string{origin: "http://evil.example", site: "cross-site", "Content-Type": "text/plain"}},
		{http.MethodPost, "", "a=b", map[string]string{origin: "http://evil.example", "Content-Type": "application/x-www-form-urlencoded"}},
		{http.MethodPost, "", "{}", map[string]string{origin: "null", site: "cross-site", "Content-Type": "application/json"}},
		{http.MethodPost, "", "x", map[string]string{site: "cross-site"}},
		{http.MethodPost, "", "x", map[string]string{origin: "http://127.0.0.1:1", site: "same-site"}},
		{http.MethodPut, "", "", map[string]string{origin: "http://evil.example", site: "cross-site"}},
		{http.MethodDelete, "", "", map[string]string{origin: "http://evil.example", site: "cross-site"}},
	}
	for _, profile := range []string{"standalone", "agent", "gateway"} {
		t.Run(profile, func(t *testing.T) {
			p := process.Start(t, process.Settings{Configs: []string{"profile:" + profile}, Env: map[string]string{
				"PENSTOCK_PII_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", // without it a gateway is warned that others need the same
			}})
			listeners := map[string][]string{
				p.HTTP():      {"/v1/logs", "/v1/metrics", "/v1/traces"},
				p.Health():    {"/"},
				p.Admin():     {"/", "/nobody/", "/v1/replays"},
				p.Telemetry(): {"/metrics"},
			}
			if profile == "standalone" {
				listeners[p.TSDB()] = []string{"/api/v1/query?query=1", "/api/v1/write", "/api/v1/read", "/metrics", "/-/healthy", "/api/v1/status/config",
					"/api/v1/admin/tsdb/delete_series?match[]=up", "/api/v1/admin/tsdb/snapshot", "/api/v1/admin/tsdb/clean_tombstones"}
				listeners[p.Admin()] = append(listeners[p.Admin()], "/kafka_replay/jobs/v1/replays", "/cardinality_guard/tsdb/")
			}
			for address, paths := range listeners {
				for _, path := range paths {
					for _, attack := range attacks {
						attack.path = path
						answer := attack.send(t, address)
						assert.Equal(t, http.StatusForbidden, answer.Status, "%s: %+v: %s", address, attack, answer.Body)
						assert.Empty(t, answer.Header.Get("Access-Control-Allow-Origin"))
					}
				}
				for _, host := range []string{"", "localhost", "127.0.0.1:1", "[::1]:80"} { // who belongs here
					answer := request{http.MethodGet, paths[0], "", map[string]string{"Host": host}}.send(t, address)
					assert.NotEqual(t, http.StatusForbidden, answer.Status, "%s %s", address, host)
				}
			}
			page := request{http.MethodGet, "/", "", nil}.send(t, p.Admin()).Body
			assert.Contains(t, page, "<title>Penstock</title>", "the console")
			p.Terminate(t)
			for line := range strings.Lines(p.Log()) {
				if !strings.Contains(line, `"grpc_log": true`) { // nothing has the name of the agent's gateway here, and where a resolver answers at once gRPC says so
					assert.NotContains(t, line, "\twarn\t", "a normal start warns of nothing")
				}
			}
		})
	}
}

// A page of a listed origin sends telemetry, its browser's preflight included; others don't.
func TestListedOriginsMaySendTelemetry(t *testing.T) {
	p := process.Start(t, process.Settings{Configs: []string{"profile:gateway"},
		Env: map[string]string{"PENSTOCK_CORS_ORIGINS": "https://app.example, http://localhost:3000"}})
	const body = `{"resourceLogs":[]}`
	for origin, listed := range map[string]bool{"https://app.example": true, "http://localhost:3000": true, "http://evil.example": false, "https://app.example.evil.example": false} {
		preflight := request{http.MethodOptions, "/v1/logs", "", map[string]string{
			"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-scope-orgid"}}.send(t, p.HTTP())
		post := request{http.MethodPost, "/v1/logs", body, map[string]string{
			"Origin": origin, "Sec-Fetch-Site": "cross-site", "Content-Type": "application/json"}}.send(t, p.HTTP())
		if !listed {
			assert.Empty(t, preflight.Header.Get("Access-Control-Allow-Origin"), origin)
			assert.Equal(t, http.StatusForbidden, post.Status, origin)
			assert.Contains(t, post.Body, "PENSTOCK_CORS_ORIGINS")
			continue
		}
		assert.Equal(t, http.StatusNoContent, preflight.Status, origin)
		assert.Equal(t, origin, preflight.Header.Get("Access-Control-Allow-Origin"))
		assert.Contains(t, preflight.Header.Get("Access-Control-Allow-Headers"), "x-scope-orgid")
		assert.Equal(t, http.StatusOK, post.Status, post.Body)
		assert.Equal(t, origin, post.Header.Get("Access-Control-Allow-Origin"))

		post = request{http.MethodPost, "/api/v1/logs/ingest", `[]`, map[string]string{
			"Origin": origin, "Sec-Fetch-Site": "cross-site", "Content-Type": "application/json"}}.send(t, p.Ingest())
		assert.Equal(t, http.StatusAccepted, post.Status, post.Body)
		assert.Equal(t, origin, post.Header.Get("Access-Control-Allow-Origin"))
	}
}

// gauge sends one point, which is in the TSDB when it returns.
func gauge(t *testing.T, p *process.Process, name string, at time.Time) {
	t.Helper()
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "shop")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName(name)
	dp := m.SetEmptyGauge().DataPoints().AppendEmpty()
	dp.SetTimestamp(pcommon.NewTimestampFromTime(at))
	dp.SetIntValue(7)
	answer, err := send.Metrics(p.HTTP(), md)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	ask.Eventually(t, func() error { return wantValue(p, fmt.Sprintf("last_over_time(%s[1d])", name), 7) })
}

// What can't be undone needs the token, on loopback too; with it, it works as before.
func TestTheAdminTokenIsNeeded(t *testing.T) {
	p := process.Start(t, process.Settings{Env: map[string]string{"PENSTOCK_PII_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}})
	gauge(t, p, "kept", time.Now())
	token := p.AdminToken(t)
	require.Regexp(t, "^[0-9a-f]{64}$", token)

	const replace = `{"id":"again","from":"-6h","to":"-4h","replace":{"match":["nothing"]}}`
	decrypt := `{"reason":"test","values":["[EMAIL:x]"]}`
	what := []struct {
		address string
		request
		want int
	}{
		{p.TSDB(), request{http.MethodPost, "/api/v1/admin/tsdb/snapshot", "", nil}, http.StatusOK},
		{p.TSDB(), request{http.MethodPut, "/api/v1/admin/tsdb/clean_tombstones", "", nil}, http.StatusNoContent},
		{p.TSDB(), request{http.MethodPost, "/api/v1/admin/tsdb/delete_series?match[]=kept", "", nil}, http.StatusNoContent},
		{p.Admin(), request{http.MethodPost, "/v1/replays", replace, nil}, http.StatusCreated},
		{p.Admin(), request{http.MethodPost, "/kafka_replay/jobs/v1/replays", strings.Replace(replace, "again", "twice", 1), nil}, http.StatusCreated},
		{p.Admin(), request{http.MethodPost, "/pii_scrubber/decrypt", decrypt, nil}, http.StatusOK},
	}
	for _, authorization := range []string{"", "Bearer " + strings.Repeat("0", 64), "Basic cm9vdDpyb290", token} {
		for _, w := range what {
			w.header = map[string]string{"Authorization": authorization, "Content-Type": "application/json"}
			answer := w.send(t, w.address)
			assert.Equal(t, http.StatusUnauthorized, answer.Status, "%s: %s", w.path, answer.Body)
			assert.Contains(t, answer.Header.Get("WWW-Authenticate"), "Bearer")
		}
	}
	require.NoError(t, wantValue(p, "last_over_time(kept[1d])", 7))
	for _, get := range []string{"/api/v1/admin/tsdb/snapshot", "/api/v1/admin/tsdb/delete_series?match[]=kept", "/api/v1/admin/tsdb/clean_tombstones"} {
		answer := request{http.MethodGet, get, "", map[string]string{"Authorization": "Bearer " + token}}.send(t, p.TSDB())
		assert.Equal(t, http.StatusMethodNotAllowed, answer.Status, "a GET changes nothing: %s", get)
	}
	for _, w := range what {
		w.header = map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json"}
		var answer send.Answer
		ask.Eventually(t, func() error { // jobs are refused until the log of jobs has been read
			if answer = w.send(t, w.address); answer.Status == http.StatusServiceUnavailable {
				return fmt.Errorf("%s: %s", w.path, answer.Body)
			}
			return nil
		})
		assert.Equal(t, w.want, answer.Status, "%s: %s", w.path, answer.Body)
	}
	left, err := ask.PromQL(p.TSDB(), "last_over_time(kept[1d])", time.Now())
	require.NoError(t, err)
	assert.Empty(t, left)
	ask.Eventually(t, func() error { // the job's own deletions go through
		answer := request{http.MethodGet, "/v1/replays/again", "", nil}.send(t, p.Admin())
		var job struct {
			Status struct {
				Phase    string
				Replaced []string
			}
		}
		if err := json.Unmarshal([]byte(answer.Body), &job); err != nil {
			return err
		}
		if job.Status.Phase != "done" || len(job.Status.Replaced) == 0 {
			return fmt.Errorf("%s", answer.Body)
		}
		return nil
	})
	assert.Contains(t, p.Log(), `"by": "admin token`)

	p.Terminate(t)
	p.Restart(t)
	assert.Equal(t, token, p.AdminToken(t), "it stays")
}

// A listener that other machines reach needs authentication.
func TestOpenListenersRefuseToStart(t *testing.T) {
	for variable, extension := range map[string]string{"PENSTOCK_TSDB_ENDPOINT": "embedded_tsdb", "PENSTOCK_QUERY_ENDPOINT": "embedded_logs", "PENSTOCK_ADMIN_ENDPOINT": "admin"} {
		open := strings.Replace(freeport.One(t), "127.0.0.1", "0.0.0.0", 1)
		p := process.New(t, process.Settings{Env: map[string]string{variable: open}})
		p.Begin(t)
		assert.NotZero(t, p.Wait(t))
		assert.Contains(t, p.Log(), "allow_anonymous: ")
		assert.Contains(t, p.Log(), extension)

		p = process.Start(t, process.Settings{Env: map[string]string{variable: open}, Args: []string{"--set=extensions::" + extension + "::allow_anonymous=true"}})
		answer := request{http.MethodGet, "/", "", map[string]string{"Host": "gateway.example"}}.send(t, strings.Replace(open, "0.0.0.0", "127.0.0.1", 1))
		assert.NotEqual(t, http.StatusForbidden, answer.Status, "names are free there")
		p.Terminate(t)
	}
}

// Whatever the umask, other users read nothing: journal, TSDB, lake, queues, read positions, token.
func TestFilesBelongToTheirOwner(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0)) // the child has it too
	logs := filepath.Join(t.TempDir(), "app.log")
	for profile, env := range map[string]map[string]string{
		"standalone": nil,
		"agent":      {"PENSTOCK_LOG_FILES": logs},
		"gateway":    {"PENSTOCK_REMOTE_WRITE_URL": "http://127.0.0.1:1/"},
	} {
		t.Run(profile, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "not", "there", "yet")
			all := map[string]string{"PENSTOCK_DATA_DIR": dir}
			for k, v := range env {
				all[k] = v
			}
			p := process.Start(t, process.Settings{Configs: []string{"profile:" + profile}, Env: all})
			answer, err := send.Logs(p.HTTP(), send.LogBatch("load", 0, 100))
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, answer.Status, answer.Body)
			p.Terminate(t) // writes what it has
			files := 0
			require.NoError(t, filepath.WalkDir(filepath.Dir(filepath.Dir(dir)), func(path string, d fs.DirEntry, err error) error {
				require.NoError(t, err)
				info, err := d.Info()
				require.NoError(t, err)
				want := fs.FileMode(0o600)
				if d.IsDir() {
					want = 0o700
				} else {
					files++
				}
				assert.Equal(t, want, info.Mode().Perm(), path)
				return nil
			}))
			assert.Greater(t, files, 2)
		})
	}
}

// What a client sends does not come back in an error.
func TestErrorsRepeatNothing(t *testing.T) {
	p := process.Start(t, process.Settings{})
	const secret = "S3cret4111"
	token := "Bearer " + p.AdminToken(t)
	for _, body := range []string{
		secret, `{"resourceLogs":[{"` + secret, `{"resourceLogs":"` + secret + `"}`,
		`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":"` + secret + `"}]}]}]}`,
		`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"` + secret + `"}]}]}]}`,
		`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"bytesValue":"` + secret + `*"}}]}]}]}`,
		`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{"asDouble":"` + secret + `"}]}}]}]}]}`,
		`{"from":"` + secret + `"}`, `{"` + secret + `":1}`, `{"from":"-1h","condition":"` + secret + `("}`, `{"from":"-1h","keys":["` + secret + `["]}`,
		`{"id":"` + secret + `","from":"-1h"}`, `{"reason":"x","values":"` + secret + `"}`,
		"query=up+" + secret, "query=up&time=" + secret, "match[]=" + secret + "{", secret + strings.Repeat(" ", 1<<16),
	} {
		for address, paths := range map[string][]string{
			p.HTTP():  {"/v1/logs", "/v1/metrics", "/v1/traces"},
			p.Admin(): {"/v1/replays", "/", "/nobody"},
			p.TSDB():  {"/api/v1/query", "/api/v1/query_range", "/api/v1/series", "/api/v1/write", "/api/v1/read", "/api/v1/admin/tsdb/delete_series"},
		} {
			for _, path := range paths {
				for _, kind := range []string{"application/json", "application/x-protobuf", "application/x-www-form-urlencoded", "text/plain"} {
					answer := request{http.MethodPost, path, body, map[string]string{"Content-Type": kind, "Authorization": token}}.send(t, address)
					if answer.Status >= 400 {
						assert.False(t, bytes.Contains([]byte(answer.Body), []byte(secret)), "%s %s %s: %s", path, kind, body[:min(40, len(body))], answer.Body)
					}
				}
			}
		}
	}
}
