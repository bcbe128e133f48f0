package querylimit_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/querylimit"
)

// One runs, none may wait, so the next is refused at once; Close cancels the one that runs.
func TestGate(t *testing.T) {
	refused := map[querylimit.Reason]int{}
	g := querylimit.NewGate(1, 0, time.Hour, text, func(r querylimit.Reason) { refused[r]++ }, func(context.Context, time.Duration) {})
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

// Clients whose bodies do not arrive hold all slots; a query takes one of them all the same.
func TestSlowBodiesKeepNobodyOut(t *testing.T) {
	g := querylimit.NewGate(2, 10, time.Hour, text, func(querylimit.Reason) {}, func(context.Context, time.Duration) {})
	holding := make(chan struct{}, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 100 {
			r.Body = &notified{r.Body, holding}
		}
		g.ServeHTTP(w, r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				w.WriteHeader(http.StatusBadRequest)
			}
		}))
	}))
	defer server.Close()
	for _, kind := range []string{"application/x-www-form-urlencoded", "application/x-protobuf"} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
		_, err = fmt.Fprintf(conn, "POST /api/v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: 1000\r\n\r\nquery=", kind)
		require.NoError(t, err)
	}
	<-holding
	<-holding
	client := &http.Client{Timeout: 25 * time.Second}
	resp, err := client.PostForm(server.URL+"/api/v1/query", url.Values{"query": {"1"}})
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusOK, resp.StatusCode)
}

// notified says that a body is being read.
type notified struct {
	io.ReadCloser
	reading chan<- struct{}
}

func (n *notified) Read(p []byte) (int, error) {
	read, err := n.ReadCloser.Read(p)
	if read > 0 {
		n.reading <- struct{}{}
	}
	return read, err
}
