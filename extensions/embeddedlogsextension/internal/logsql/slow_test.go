package logsql_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap/zaptest"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/gate"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logsql"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// stalled is a client that reads nothing: a write returns at its deadline, or when the client goes.
type stalled struct {
	http.ResponseWriter
	gone chan struct{}

	mu    sync.Mutex
	until time.Time // guarded by mu
}

func (s *stalled) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = t
	return nil
}

func (s *stalled) Write([]byte) (int, error) {
	s.mu.Lock()
	until := s.until
	s.mu.Unlock()
	var over <-chan time.Time
	if !until.IsZero() {
		over = time.After(time.Until(until))
	}
	select {
	case <-over:
		return 0, os.ErrDeadlineExceeded
	case <-s.gone:
		return 0, os.ErrClosed
	}
}

// A client that does not read its answer keeps no place from others for longer than a query may take.
func TestAClientThatDoesNotReadKeepsNoPlace(t *testing.T) {
	s, err := store.Open(store.Settings{Directory: t.TempDir(), Retention: 24 * time.Hour, MaxTenants: 4, Memory: 64 << 20, Log: zaptest.NewLogger(t)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	ld := plog.NewLogs()
	lr := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	lr.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	lr.Body().SetStr(strings.Repeat("x", 64<<10))
	_, err = s.AddLogs(t.Context(), ld, store.Batch{Received: time.Now(), TenantOf: func(pcommon.Map) string { return "acme" }})
	require.NoError(t, err)
	require.NoError(t, s.Flush(t.Context()))

	for _, target := range []string{"/select/logsql/query?query=*", "/select/logsql/field_names?query=*", "/select/logsql/tail?query=*&start_offset=1h"} {
		places, refused := gate.New(1, 0, func(context.Context, time.Duration) {}), make(chan string, 1)
		api := &logsql.API{
			Store: func() (*store.Store, error) { return s, nil }, ViewOf: func(*http.Request) store.View { return store.View{All: true} },
			Limits:  logsql.Limits{Timeout: 300 * time.Millisecond, MaxLength: 1000, Queries: places, Tails: gate.New(1, 0, func(context.Context, time.Duration) {})},
			Refused: func(reason string) { refused <- reason },
		}
		mux := http.NewServeMux()
		api.Routes(func(path string, h http.HandlerFunc) { mux.HandleFunc(path, h) })
		client := &stalled{ResponseWriter: httptest.NewRecorder(), gone: make(chan struct{})}
		served := make(chan struct{})
		go func() {
			defer close(served)
			defer func() { _ = recover() }() // http.ErrAbortHandler
			mux.ServeHTTP(client, httptest.NewRequest(http.MethodGet, target, nil).WithContext(t.Context()))
		}()
		select {
		case <-served:
		case <-time.After(30 * time.Second):
			assert.Fail(t, "the place is kept", target)
			close(client.gone)
			<-served
		}
		leave, err := places.Enter(t.Context())
		if assert.NoError(t, err, target) {
			leave()
		}
		assert.Zero(t, client.until, "%s: the next request of the connection has no deadline", target)
	}
}
