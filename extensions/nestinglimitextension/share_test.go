package nestinglimitextension_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"

	"github.com/penstockhq/penstock/internal/tenant"
)

// A client whose requests take their share of the memory in flight is refused more, before its body is read where the length tells; others get
// through.
func TestAClientHoldsItsShare(t *testing.T) {
	cfg := small()
	cfg.MaxInFlight = 60_000
	l := create(t, cfg)
	busy, done := make(chan struct{}), make(chan struct{})
	h := l.handler(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Hold") != "" {
			busy <- struct{}{}
			<-done
		}
	})
	body, err := resources(40).MarshalProto()
	require.NoError(t, err)
	ask := func(name string, hold string, body io.Reader, length int64) int {
		answer := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/v1/logs", body)
		r = r.WithContext(tenant.With(client.NewContext(t.Context(), client.Info{}), name))
		r.Header.Set("Content-Type", pb)
		r.Header.Set("Hold", hold)
		r.ContentLength = length
		h.ServeHTTP(answer, r)
		return answer.Code
	}
	held := 0
	codes := make(chan int, 100)
	for l.metric("in_flight")[""] < 30_000 {
		go func() { codes <- ask("heavy", "yes", bytes.NewReader(body), -1) }()
		<-busy
		held++
	}
	assert.Equal(t, http.StatusServiceUnavailable, ask("heavy", "", unread{t}, 20_000))
	assert.Equal(t, map[string]int64{"share": 1}, l.metric("refused_requests"))
	assert.Equal(t, http.StatusOK, ask("small", "", bytes.NewReader(body), -1))
	close(done)
	for range held {
		assert.Equal(t, http.StatusOK, <-codes)
	}
	assert.Zero(t, l.metric("in_flight")[""])
}

type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}
