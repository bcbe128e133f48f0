package embeddedtsdbextension

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

	"github.com/penstockhq/penstock/internal/quota"
	"github.com/penstockhq/penstock/internal/quota/door"
)

// keeper is an extension that admits requests with a length while it is open.
type keeper struct {
	component.StartFunc
	component.ShutdownFunc

	mu     sync.Mutex
	closed bool           // guarded by mu
	owed   map[string]int // by tenant; guarded by mu
	stored []bool         // guarded by mu
}

var past = &door.Error{Refusal: &quota.Refusal{Scope: quota.Tenant, Reason: quota.Bytes, Limit: 1000, Wait: 7 * time.Second}}

func (k *keeper) Request(r *http.Request, _ string) (*http.Request, func(bool), error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, nil, past
	}
	if r.ContentLength < 0 {
		r.Body = ended{r.Body}
	}
	return r, func(stored bool) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.stored = append(k.stored, stored)
	}, nil
}

func (k *keeper) Parts(context.Context, []door.Part, func() int) (func(), error) { return nil, nil }

func (k *keeper) AddDebt(_ context.Context, tenant string, items int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.owed[tenant] += items
}

type ended struct{ io.ReadCloser }

func (ended) Read([]byte) (int, error) { return 0, past }

// Remote write from outside is charged by its length, or as it is read, and its samples are owed. Queries are not.
func TestRemoteWritePastAQuota(t *testing.T) {
	k := &keeper{owed: map[string]int{}}
	s := startIn(t, testConfig(t, t.TempDir()), extensions{component.MustNewID("quota"): k})
	body := v1(time.Now(), map[string]float64{"a": 1, "b": 2})
	code, _, text := s.write(body, contentV1)
	require.Equal(t, http.StatusNoContent, code, text)
	refused := func(header http.Header, code int, text string) {
		t.Helper()
		assert.Equal(t, http.StatusTooManyRequests, code)
		assert.Equal(t, "7", header.Get("Retry-After"))
		assert.Contains(t, text, "the quota of this tenant is used up (bytes_per_second: 1000): send it again in 7s")
	}
	code, header, text := s.do(http.MethodPost, "/api/v1/write", chunked{strings.NewReader("x")}, http.Header{"Content-Type": {contentV1}, "Content-Encoding": {"snappy"}})
	refused(header, code, text)
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	code, header, text = s.write(body, contentV1)
	refused(header, code, text)
	code, _, _ = s.do(http.MethodPost, "/api/v1/query?query=a", nil, nil)
	assert.Equal(t, http.StatusOK, code)
	k.mu.Lock()
	defer k.mu.Unlock()
	assert.Equal(t, map[string]int{"default": 2}, k.owed)
	assert.Equal(t, []bool{true, false}, k.stored)
}

type chunked struct{ io.Reader }
