package logsql_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/gate"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logsql"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// A tail shows each of several equal rows, and none of them again at the next look.
func TestATailShowsEqualRows(t *testing.T) {
	s, err := store.Open(store.Settings{Directory: t.TempDir(), Retention: 72 * time.Hour, MaxTenants: 4, Memory: 64 << 20, Log: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	at := time.Now()
	offset := int64(0)
	add := func(text string, at time.Time) {
		ld := plog.NewLogs()
		lr := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		lr.SetTimestamp(pcommon.NewTimestampFromTime(at))
		lr.Body().SetStr(text)
		offset++
		_, err := s.AddLogs(t.Context(), ld, store.Batch{
			At: store.Position{Log: "l", Offset: offset}, Received: time.Now(), TenantOf: func(pcommon.Map) string { return "acme" },
		})
		assert.NoError(t, err)
		assert.NoError(t, s.Flush(t.Context()))
	}
	unused := func(context.Context, time.Duration) {}
	api := &logsql.API{
		Store: func() (*store.Store, error) { return s, nil }, ViewOf: func(*http.Request) store.View { return store.View{All: true} },
		Limits:  logsql.Limits{Timeout: time.Minute, MaxLength: 1000, Queries: gate.New(1, 0, unused), Tails: gate.New(1, 0, unused)},
		Refused: func(string) {},
	}
	mux := http.NewServeMux()
	api.Routes(func(path string, h http.HandlerFunc) { mux.HandleFunc(path, h) })
	server := httptest.NewServer(mux)
	defer server.Close()

	add("same", at)
	add("same", at)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/select/logsql/tail?query=*&start_offset=1h&refresh_interval=200ms", nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	next := func() string {
		require.True(t, lines.Scan())
		var row struct {
			Message string `json:"_msg"`
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &row))
		return row.Message
	}
	assert.Equal(t, "same", next())
	assert.Equal(t, "same", next())
	var adding sync.WaitGroup
	defer adding.Wait()
	defer cancel()
	adding.Go(func() {
		for ctx.Err() == nil { // a tail on a slow machine may come too late for one row
			add("later", time.Now())
		}
	})
	assert.Equal(t, "later", next())
}
