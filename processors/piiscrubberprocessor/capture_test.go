package piiscrubberprocessor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// captured is a scrubber with an admin page, inside a synctest bubble.
type captured struct {
	t    *testing.T
	h    http.Handler
	p    processor.Logs
	logs *observer.ObservedLogs
}

func startCaptured(t *testing.T, cfg *Config) *captured {
	t.Helper()
	set, _ := settings(t)
	core, logs := observer.New(zap.InfoLevel)
	set.Logger = zap.New(core)
	host := &adminHost{mounted: map[string]http.Handler{}}
	p, err := NewFactory().CreateLogs(context.Background(), set, cfg, consumertest.NewNop())
	require.NoError(t, err)
	require.NoError(t, p.Start(context.Background(), host))
	for _, h := range host.mounted {
		return &captured{t, h, p, logs}
	}
	t.Fatal("no page")
	return nil
}

func (c *captured) post(ctx context.Context, token, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/capture", strings.NewReader(body))
	r.Header.Set("Authorization", token)
	c.h.ServeHTTP(w, r)
	return w
}

// begin requests a capture with the token and returns when it runs.
func (c *captured) begin(ctx context.Context, body string) <-chan *httptest.ResponseRecorder {
	done := make(chan *httptest.ResponseRecorder, 1)
	go func() { done <- c.post(ctx, "Bearer right", body) }()
	synctest.Wait()
	return done
}

// pass sends log records with these bodies and an attribute.
func (c *captured) pass(bodies ...string) {
	ld := plog.NewLogs()
	list := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for _, body := range bodies {
		r := list.AppendEmpty()
		r.Body().SetStr(body)
		r.Attributes().PutStr("user.email", "joe@example.com")
		r.Attributes().PutStr("db.password", "hunter2x")
		r.Attributes().PutStr("log.file.name", "app.log")
	}
	require.NoError(c.t, c.p.ConsumeLogs(context.Background(), ld))
}

func answered(t *testing.T, w *httptest.ResponseRecorder) []capturedLine {
	t.Helper()
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	var a struct{ Lines []capturedLine }
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &a))
	require.NotNil(t, a.Lines)
	return a.Lines
}

// A capture ends with the requested number of lines, and shows each in its original form, scrubbed, and with the evidence. It contains
// nothing that passed before, keeps nothing afterwards, and the audit log has who, why and how many, never the content.
func TestCaptureTakesLinesAsTheyCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := startCaptured(t, createDefaultConfig().(*Config))
		c.pass("before jane@example.com")
		done := c.begin(context.Background(), `{"reason":"case 17","lines":2}`)
		c.pass("one jane@example.com", "two", "three")
		lines := answered(t, <-done)
		require.Len(t, lines, 2)
		assert.Equal(t, "one jane@example.com", lines[0].Text)
		assert.Equal(t, "one [REDACTED:email]", lines[0].Scrubbed)
		require.Len(t, lines[0].Findings, 1)
		assert.Equal(t, "email", lines[0].Findings[0].Detector)
		assert.Equal(t, capturedLine{Signal: "logs", Text: "two", Scrubbed: "two", Findings: lines[1].Findings}, lines[1])
		assert.Empty(t, lines[1].Findings)

		audit := c.logs.FilterField(zap.String("audit", "pii_capture")).All()
		require.Len(t, audit, 2)
		for _, line := range audit {
			assert.Equal(t, "bob", line.ContextMap()["user"])
			assert.Equal(t, "case 17", line.ContextMap()["reason"])
		}
		assert.Equal(t, int64(2), audit[1].ContextMap()["captured"])
		for _, line := range c.logs.All() {
			assert.NotContains(t, fmt.Sprint(line.Message, line.ContextMap()), "jane")
		}
		require.NoError(t, c.p.Shutdown(context.Background()))
	})
}

// With found, values of attributes are included, even whole secrets, and texts without a finding are not.
func TestCaptureOfFindings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := startCaptured(t, createDefaultConfig().(*Config))
		done := c.begin(context.Background(), `{"reason":"x","found":true,"seconds":3}`)
		c.pass("nothing here")
		lines := answered(t, <-done) // three seconds later
		require.Len(t, lines, 2)
		assert.Equal(t, []string{"user.email", "joe@example.com", "[REDACTED:email]"}, []string{lines[0].Key, lines[0].Text, lines[0].Scrubbed})
		assert.Equal(t, []string{"db.password", "hunter2x", "[REDACTED:sensitive_key]"}, []string{lines[1].Key, lines[1].Text, lines[1].Scrubbed})
		require.Len(t, lines[1].Findings, 1)
		assert.Equal(t, "sensitive_key", lines[1].Findings[0].Detector)
		require.NoError(t, c.p.Shutdown(context.Background()))
	})
}

// Without the token no client sees anything, and nothing is kept.
func TestCaptureNeedsTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := startCaptured(t, createDefaultConfig().(*Config))
		for _, token := range []string{"", "Bearer wrong"} {
			w := c.post(context.Background(), token, `{"reason":"x"}`)
			assert.Equal(t, http.StatusUnauthorized, w.Code)
			assert.NotEmpty(t, w.Header().Get("WWW-Authenticate"))
		}
		assert.Len(t, c.logs.FilterMessage("refused to capture lines").All(), 2)
		for body, want := range map[string]string{
			`{`: "body:", `{}`: "reason:", `{"reason":"x","lines":201}`: "lines:", `{"reason":"x","lines":-1}`: "lines:", `{"reason":"x","seconds":21}`: "seconds:",
		} {
			w := c.post(context.Background(), "Bearer right", body)
			assert.Equal(t, http.StatusBadRequest, w.Code, body)
			assert.Contains(t, w.Body.String(), want)
		}
		require.NoError(t, c.p.Shutdown(context.Background()))
	})
}

// One capture at a time; it ends when its time is over, when the client disconnects, and when the collector stops.
func TestCaptureEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := startCaptured(t, createDefaultConfig().(*Config))
		start := time.Now()
		done := c.begin(context.Background(), `{"reason":"x","seconds":5}`)
		assert.Equal(t, http.StatusConflict, c.post(context.Background(), "Bearer right", `{"reason":"y"}`).Code)
		assert.Empty(t, answered(t, <-done))
		assert.Equal(t, 5*time.Second, time.Since(start))

		ctx, cancel := context.WithCancel(context.Background())
		done = c.begin(ctx, `{"reason":"gone"}`)
		c.pass("jane@example.com")
		cancel()
		assert.Empty(t, (<-done).Body.String(), "nobody reads it")

		done = c.begin(context.Background(), `{"reason":"stop","seconds":20}`)
		start = time.Now()
		c.pass("last")
		require.NoError(t, c.p.Shutdown(context.Background()))
		assert.Len(t, answered(t, <-done), 1)
		assert.Zero(t, time.Since(start))
	})
}

// A capture holds at most 200 lines and 256 KiB.
func TestCaptureIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := startCaptured(t, createDefaultConfig().(*Config))
		done := c.begin(context.Background(), `{"reason":"x","lines":200,"seconds":1}`)
		c.pass(strings.Repeat("x", 200<<10), strings.Repeat("y", 100<<10), "small \xff")
		lines := answered(t, <-done)
		require.Len(t, lines, 2)
		assert.Len(t, lines[0].Text, 200<<10)
		assert.Equal(t, "small \uFFFD", lines[1].Text)
		require.NoError(t, c.p.Shutdown(context.Background()))
	})
}
