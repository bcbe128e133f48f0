package querylimit_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/querylimit"
)

// One runs, none may wait, so the next is refused at once; Close cancels the one that runs.
func TestGate(t *testing.T) {
	refused := map[querylimit.Reason]int{}
	g := querylimit.NewGate(1, 0, time.Hour, text, func(r querylimit.Reason) { refused[r]++ })
	running, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		g.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/api/v1/query", nil), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(running)
			<-r.Context().Done()
		}))
	}()
	<-running
	ask := func(path string) *httptest.ResponseRecorder {
		answer := httptest.NewRecorder()
		g.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		return answer
	}
	second := ask("/api/v1/series")
	assert.Equal(t, http.StatusServiceUnavailable, second.Code)
	assert.Equal(t, "1", second.Header().Get("Retry-After"))
	assert.Contains(t, second.Body.String(), "query::max_waiting")
	assert.Equal(t, http.StatusOK, ask("/api/v1/write").Code, "writes have bounds of their own")
	assert.Equal(t, map[querylimit.Reason]int{querylimit.Busy: 1}, refused)
	g.Close()
	<-ended
	require.NoError(t, g.Wait(t.Context()))
}
