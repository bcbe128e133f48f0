package target_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/target"
)

func TestInProcessPassesRequestAndAnswer(t *testing.T) {
	web := &http.Client{Transport: target.InProcess(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.NoError(t, r.ParseForm())
		assert.Equal(t, "/api/v1/query?limit=1", r.RequestURI)
		assert.Equal(t, "tsdb.example:9090", r.Host)
		if r.Method == http.MethodPost {
			w.Header().Set("X-Query", r.PostForm.Get("query"))
			w.WriteHeader(http.StatusTeapot)
		}
		_, err := w.Write([]byte("answer"))
		assert.NoError(t, err)
	}))}
	get, err := web.Get("http://tsdb.example:9090/api/v1/query?limit=1")
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, get.StatusCode)
	post, err := web.Post("http://tsdb.example:9090/api/v1/query?limit=1", "application/x-www-form-urlencoded", strings.NewReader("query=up"))
	require.NoError(t, err)
	assert.Equal(t, "418 I'm a teapot", post.Status)
	assert.Equal(t, "up", post.Header.Get("X-Query"))
	body, err := io.ReadAll(post.Body)
	require.NoError(t, err)
	assert.Equal(t, "answer", string(body))
}

func TestInProcessIsBoundedAndCancelled(t *testing.T) {
	const large = 5 << 20
	web := &http.Client{Transport: target.InProcess(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 5 {
			n, err := w.Write(make([]byte, large/5))
			assert.NoError(t, err)
			assert.Equal(t, large/5, n)
		}
	}))}
	answer, err := web.Get("http://localhost/")
	require.NoError(t, err)
	assert.EqualValues(t, 4<<20, answer.ContentLength)

	ctx, cancel := context.WithCancel(t.Context())
	web.Transport = target.InProcess(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { cancel() }))
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/", nil)
	require.NoError(t, err)
	_, err = web.Do(r)
	assert.ErrorIs(t, err, context.Canceled)
}
