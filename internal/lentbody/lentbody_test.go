package lentbody_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/lentbody"
)

// A transport that continues to read gets nothing of the buffer's next content.
func TestNothingReadsTheBufferAfterTheEnd(t *testing.T) {
	buffer := []byte("first request")
	req, end, err := lentbody.NewRequest(t.Context(), http.MethodPost, "http://h", buffer)
	require.NoError(t, err)
	again, err := req.GetBody()
	require.NoError(t, err)
	half := make([]byte, 5)
	_, err = io.ReadFull(req.Body, half)
	require.NoError(t, err)
	assert.Equal(t, "first", string(half))
	end()
	end()
	copy(buffer, "other request")
	for _, body := range []io.Reader{req.Body, again} {
		rest, err := io.ReadAll(body)
		assert.Error(t, err)
		assert.Empty(t, rest)
	}
}

// A body that has been read to its end stays read.
func TestTheEndOfABodyIsNoError(t *testing.T) {
	req, end, err := lentbody.NewRequest(t.Context(), http.MethodPost, "http://h", []byte("all"))
	require.NoError(t, err)
	all, err := io.ReadAll(req.Body)
	require.NoError(t, err)
	end()
	n, err := req.Body.Read(make([]byte, 1))
	assert.Equal(t, "all", string(all))
	assert.Zero(t, n)
	assert.Equal(t, io.EOF, err)
}

// A server sees the same request as from any body: its length, and all of it again after a redirection.
func TestTheServerSeesTheBuffer(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789"), 100_000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/", http.StatusTemporaryRedirect)
			return
		}
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.EqualValues(t, len(body), r.ContentLength)
		_, _ = w.Write(body)
	}))
	defer server.Close()
	for _, path := range []string{"/", "/moved"} {
		for _, buffer := range [][]byte{nil, []byte("x"), large} {
			req, end, err := lentbody.NewRequest(t.Context(), http.MethodPost, server.URL+path, buffer)
			require.NoError(t, err)
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			end()
			assert.True(t, bytes.Equal(buffer, body))
		}
	}
}

func TestABadURL(t *testing.T) {
	_, _, err := lentbody.NewRequest(t.Context(), http.MethodPost, "http://%", nil)
	assert.Error(t, err)
}
