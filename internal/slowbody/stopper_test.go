package slowbody_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/slowbody"
)

// A body is stopped while it is read; one that has arrived can't be stopped, and its request is not canceled.
func TestStopper(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := slowbody.NewStopper(w)
		var first [1]byte
		_, err := io.ReadFull(r.Body, first[:])
		assert.NoError(t, err)
		if string(first[:]) == "s" {
			s.Stop()
			_, err = io.ReadAll(r.Body)
			assert.True(t, errors.Is(err, os.ErrDeadlineExceeded), "%v", err)
			w.WriteHeader(http.StatusRequestTimeout)
			return
		}
		_, err = io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.True(t, s.Arrived())
		assert.False(t, s.Arrived())
		s.Stop()
		assert.NoError(t, r.Context().Err())
	}))
	defer server.Close()
	for body, want := range map[string]string{"slow": "HTTP/1.1 408", "all of it": "HTTP/1.1 200"} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n"+body)
		require.NoError(t, err)
		answer := make([]byte, len(want))
		_, err = io.ReadFull(conn, answer)
		require.NoError(t, err)
		assert.Equal(t, want, string(answer))
	}
}
