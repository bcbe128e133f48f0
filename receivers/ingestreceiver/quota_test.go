package ingestreceiver_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/quota"
	"github.com/penstockhq/penstock/internal/quota/door"
)

// keeper is an extension that refuses requests with too many bytes, and notes how much of the others was stored.
type keeper struct {
	component.StartFunc
	component.ShutdownFunc
	most int64

	mu     sync.Mutex
	stored []bool // guarded by mu
}

func (k *keeper) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{component.MustNewID("quota"): k}
}

var past = &door.Error{Refusal: &quota.Refusal{Scope: quota.Tenant, Reason: quota.Bytes, Limit: 1000, Wait: 7 * time.Second}}

func (k *keeper) Request(r *http.Request, _ string) (*http.Request, func(bool), error) {
	if r.ContentLength > k.most {
		return nil, nil, past
	}
	if r.ContentLength < 0 {
		r.Body = broken{r.Body}
	}
	return r.WithContext(context.WithValue(r.Context(), admitted{}, true)), func(stored bool) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.stored = append(k.stored, stored)
	}, nil
}

func (k *keeper) AddDebt(context.Context, string, int) {}

func (k *keeper) Parts(context.Context, []door.Part, func() int) (func(), error) {
	return func() {}, nil
}

// admitted is in the context of requests that were admitted.
type admitted struct{}

// broken is a body that exceeds a quota after its first bytes.
type broken struct{ io.ReadCloser }

func (b broken) Read(p []byte) (int, error) {
	_, _ = b.ReadCloser.Read(p)
	return 0, past
}

// Each protocol reports in its own form that a quota is used up, by Content-Length or while a body is read, and when to retry.
func TestPastAQuota(t *testing.T) {
	k := &keeper{most: 1000}
	var fail error
	next, err := consumer.NewLogs(func(ctx context.Context, _ plog.Logs) error {
		assert.Equal(t, true, ctx.Value(admitted{}), "the pipeline sees who was admitted")
		return fail
	})
	require.NoError(t, err)
	s := startWith(t, k, next, nil)
	long := strings.Repeat("x", 2000)
	for path, c := range map[string]struct{ kind, small, want string }{
		"/api/v1/logs/ingest":       {js, `{"message":"m"}`, `"error":"the quota of this tenant is used up (bytes_per_second: 1000): send it again in 7s"`},
		"/loki/api/v1/push":         {js, `{"streams":[{"stream":{"a":"b"},"values":[["1700000000000000000","m"]]}]}`, "the quota of this tenant is used up"},
		"/_bulk":                    {"application/x-ndjson", "{\"create\":{\"_index\":\"i\"}}\n{\"message\":\"m\"}\n", "es_rejected_execution_exception"},
		"/services/collector/event": {js, `{"event":"m"}`, `"code":9`},
	} {
		for name, body := range map[string]io.Reader{"by length": strings.NewReader(long), "as it is read": onlyReader{strings.NewReader(c.small)}} {
			code, header, text := s.raw(path, c.kind, body)
			assert.Equal(t, http.StatusTooManyRequests, code, "%s %s", path, name)
			assert.Equal(t, "7", header.Get("Retry-After"), "%s %s", path, name)
			assert.Contains(t, text, c.want, "%s %s", path, name)
		}
		fail = past // from the processor, which knows the items
		code, header, text := s.raw(path, c.kind, strings.NewReader(c.small))
		assert.Equal(t, http.StatusTooManyRequests, code, path)
		assert.Equal(t, "7", header.Get("Retry-After"), path)
		assert.Contains(t, text, c.want, path)
		fail = nil
		code, _, _ = s.raw(path, c.kind, strings.NewReader(c.small))
		assert.Less(t, code, 300, path)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	assert.Equal(t, []bool{false, false, true, false, false, true, false, false, true, false, false, true}, k.stored)
}

type onlyReader struct{ io.Reader }

func (s *server) raw(path, kind string, body io.Reader) (int, http.Header, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+path, body)
	require.NoError(s.t, err)
	r.Header.Set("Content-Type", kind)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return resp.StatusCode, resp.Header, string(text)
}
