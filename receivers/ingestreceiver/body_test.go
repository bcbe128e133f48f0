package ingestreceiver_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/receivers/ingestreceiver"
)

const logsPath = "/api/v1/logs/ingest"

func compress(t *testing.T, name, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch strings.ToLower(name) {
	case "identity":
		return []byte(text)
	case "snappy":
		return snappy.Encode(nil, []byte(text))
	case "deflate", "zlib":
		w = zlib.NewWriter(&b)
	case "deflate without zlib":
		w, err = flate.NewWriter(&b, 9)
	case "zstd":
		w, err = zstd.NewWriter(&b)
	default:
		w = gzip.NewWriter(&b)
	}
	require.NoError(t, err)
	_, err = io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func TestEncodings(t *testing.T) {
	s := start(t, nil, func(c *ingestreceiver.Config) { c.HTTP.MaxRequestBodySize = 100_000 })
	for _, name := range []string{"gzip", "GZIP", "x-gzip", "zstd", "deflate", "deflate without zlib", "zlib", "snappy", "identity"} {
		header, _, _ := strings.Cut(name, " ")
		got := s.ask(http.MethodPost, logsPath, js, bytes.NewReader(compress(t, name, `[{"message":"a"}]`)), "Content-Encoding", header)
		assert.Equal(t, http.StatusAccepted, got.code, "%s: %s", name, got.Error)

		bomb := compress(t, name, `[{"message":"`+strings.Repeat("a", 2<<20)+`"}]`)
		got = s.ask(http.MethodPost, logsPath, js, bytes.NewReader(bomb), "Content-Encoding", header)
		assert.Equal(t, http.StatusRequestEntityTooLarge, got.code, name)

		if name != "identity" {
			got = s.ask(http.MethodPost, logsPath, js, strings.NewReader(`[{"message":"a"}]`), "Content-Encoding", header)
			assert.Equal(t, http.StatusBadRequest, got.code, name)
			assert.Contains(t, got.Error, "Content-Encoding", name)
		}
	}
	for _, name := range []string{"rot13", "gzip, gzip", "br"} {
		got := s.ask(http.MethodPost, logsPath, js, strings.NewReader("x"), "Content-Encoding", name)
		assert.Equal(t, http.StatusUnsupportedMediaType, got.code)
		assert.Contains(t, got.header.Get("Accept-Encoding"), "gzip, zstd")
		assert.Contains(t, got.Error, "gzip, zstd", "the answer lists what is taken")
	}
	got := s.ask(http.MethodPost, "/api/v1/metrics/ingest", "text/plain", strings.NewReader("x"))
	assert.Equal(t, http.StatusUnsupportedMediaType, got.code)
	assert.Contains(t, got.header.Get("Accept-Post"), js)
	assert.Contains(t, got.Error, js)
}

// A client with an empty queue has made no mistake.
func TestEmptyLists(t *testing.T) {
	s := start(t, nil, nil)
	for kind, body := range map[string]string{js: "[]", js + ";charset=utf-8": `{"service":"s","logs":[]}`, "application/x-ndjson": "[]\n", "application/jsonl": "\n"} {
		got := s.post("logs", kind, body)
		assert.Equal(t, http.StatusAccepted, got.code, body)
		assert.Equal(t, "accepted", got.Status)
		assert.Zero(t, got.Received)
	}
	assert.Empty(t, s.logs.AllLogs())
}

func TestItemsOfARequest(t *testing.T) {
	s := start(t, nil, nil)
	for _, c := range []struct{ kind, open, item, between, end string }{
		{js, "[", "{}", ",", "]"},
		{js, `{"logs":[`, "{}", ",", "]}"},
		{"application/x-ndjson", "", "{}", "\n", ""},
		{"application/x-ndjson", "", "no", "\n", ""},
	} {
		body := func(n int) string {
			return c.open + strings.TrimSuffix(strings.Repeat(c.item+c.between, n), c.between) + c.end
		}
		got := s.post("logs", c.kind, body(1000))
		assert.Equal(t, 1000, got.Received)
		if c.item == "no" {
			assert.Equal(t, http.StatusBadRequest, got.code)
			assert.Len(t, got.Errors, 100, "the others are counted")
		} else {
			assert.Equal(t, http.StatusAccepted, got.code)
		}
		s.logs.Reset()
		assert.Equal(t, http.StatusRequestEntityTooLarge, s.post("logs", c.kind, body(1001)).code)
		assert.Empty(t, s.logs.AllLogs(), "all or nothing of a request that is too large")
	}
}

// Lines keep their numbers, whatever is between them.
func TestBadLinesAreNamed(t *testing.T) {
	s := start(t, nil, nil)
	got := s.post("logs", "application/x-ndjson", "{\"message\":\"a\"}\n{\"message\":\n\n[1,{}]\n{\"message\":\"b\"}\nnull\n{\"message\":\"c\"} {\"message\":\"d\"}\n")
	assert.Equal(t, http.StatusAccepted, got.code)
	var indexes []int
	for _, e := range got.Errors {
		indexes = append(indexes, e.Index)
	}
	assert.Equal(t, []int{1, 2, 5, 6}, indexes)
	assert.Equal(t, 7, got.Received)
	assert.Len(t, records(s.logs.AllLogs()), 3)
}

func TestTextOfItems(t *testing.T) {
	s := start(t, nil, nil)
	for body, want := range map[string]string{
		"\xef\xbb\xbf[{\"message\":\"a\"}]":       "a",                     // a byte order mark
		"[{\"message\":\"a\",\"message\":\"b\"}]": "b",                     // the last of equal names counts
		"[{\"message\":\"J\xfcrgen\"}]":           "J\ufffdrgen",           // not UTF-8
		`[{"message":"\ud800 half of a pair"}]`:   "\ufffd half of a pair", // not a character
		`[{"message":"a\u0000b"}]`:                "a\x00b",
	} {
		s.logs.Reset()
		got := s.post("logs", js, body)
		require.Equal(t, http.StatusAccepted, got.code, "%q: %s", body, got.Error)
		assert.Equal(t, want, records(s.logs.AllLogs())[0].Body().Str(), "%q", body)
	}
}

// A client's tenant reaches the pipeline as from OTLP.
func TestTenant(t *testing.T) {
	tenants := make(chan []string, 1)
	next, err := consumer.NewLogs(func(ctx context.Context, _ plog.Logs) error {
		tenants <- client.FromContext(ctx).Metadata.Get("x-scope-orgid")
		return nil
	})
	require.NoError(t, err)
	s := start(t, next, func(c *ingestreceiver.Config) { c.HTTP.IncludeMetadata = true })
	require.Equal(t, http.StatusAccepted, s.ask(http.MethodPost, logsPath, js, strings.NewReader("{}"), "X-Scope-OrgID", "blue").code)
	assert.Equal(t, []string{"blue"}, <-tenants)
	for _, name := range []string{"a/b", "..", strings.Repeat("x", 151), "\xff"} {
		got := s.ask(http.MethodPost, logsPath, js, strings.NewReader("{}"), "X-Scope-OrgID", name)
		assert.Equal(t, http.StatusBadRequest, got.code, "to send it again is no use: %q", name)
		assert.Contains(t, got.Error, "x-scope-orgid")
		assert.Empty(t, tenants)
	}
}

// A browser may post from the origins that cors lists.
func TestOrigins(t *testing.T) {
	s := start(t, nil, func(c *ingestreceiver.Config) {
		cors := confighttp.NewDefaultCORSConfig()
		cors.AllowedOrigins, cors.AllowedHeaders = []string{"https://app.example"}, []string{"*"}
		c.HTTP.CORS = configoptional.Some(cors)
	})
	for origin, want := range map[string]string{"https://app.example": "https://app.example", "https://evil.example": ""} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, s.url+logsPath, nil)
		require.NoError(t, err)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", http.MethodPost)
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, want, resp.Header.Get("Access-Control-Allow-Origin"))
	}
}

// Clients that send slowly keep their slots while no other client needs one, and then for at most two seconds.
func TestSlowClientsKeepNobodyOut(t *testing.T) {
	s := start(t, nil, func(c *ingestreceiver.Config) { c.MaxConcurrent, c.HTTP.ReadTimeout = 2, time.Hour })
	for _, path := range []string{logsPath, "/loki/api/v1/push"} {
		go func() {
			for refused := true; refused; { // while this test's own request has the slot
				body, w := io.Pipe()
				go func() { _, _ = io.WriteString(w, "{") }()
				resp, err := http.Post(s.url+path, js, body)
				_ = w.Close()
				if refused = err == nil && resp.StatusCode == http.StatusTooManyRequests; err == nil {
					_ = resp.Body.Close()
				}
			}
		}()
	}
	code := func() int { return s.post("logs", js, `{"message":"a"}`).code }
	require.Eventually(t, func() bool { return code() == http.StatusTooManyRequests }, 30*time.Second, time.Millisecond, "both places are taken")
	assert.Eventually(t, func() bool { return code() == http.StatusAccepted }, 30*time.Second, 50*time.Millisecond)
}

// A client that stops in the middle may send its request again: the body is not wrong.
func TestABodyThatDoesNotArrive(t *testing.T) {
	s := start(t, nil, func(c *ingestreceiver.Config) { c.HTTP.ReadTimeout = 200 * time.Millisecond })
	body, w := io.Pipe()
	defer w.Close()
	go func() { _, _ = io.WriteString(w, `[{"message":`) }()
	assert.Equal(t, http.StatusRequestTimeout, s.ask(http.MethodPost, logsPath, js, body).code)
}
