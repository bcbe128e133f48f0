package slowbody_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/slowbody"
)

func TestABodyHasToArrive(t *testing.T) {
	server := httptest.NewServer(slowbody.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.False(t, slowbody.Late(r))
		if _, err := io.ReadAll(r.Body); errors.Is(err, os.ErrDeadlineExceeded) && slowbody.Late(r) {
			w.WriteHeader(http.StatusRequestTimeout)
		}
	}), 100*time.Millisecond))
	defer server.Close()
	half, w := io.Pipe()
	defer w.Close()
	go func() { _, _ = io.WriteString(w, "half") }()
	resp, err := http.Post(server.URL, "text/plain", half)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusRequestTimeout, resp.StatusCode)
}

// An answer may take as long as it likes, with a body and without: that the client is still there is seen all the time.
func TestAnAnswerMayTakeLong(t *testing.T) {
	answer := make(chan struct{})
	server := httptest.NewServer(slowbody.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		select {
		case <-r.Context().Done():
			assert.Fail(t, "the request was canceled")
		case <-answer:
		}
	}), 50*time.Millisecond))
	defer server.Close()
	time.AfterFunc(300*time.Millisecond, func() { close(answer) })
	for _, body := range []string{"whole", ""} {
		resp, err := http.Post(server.URL, "text/plain", strings.NewReader(body))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusOK, resp.StatusCode)
	}
}
