package adminclient_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/command/internal/adminclient"
)

func TestWhatIsWrongIsSaidInWords(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
			_, _ = io.WriteString(w, `{"key": "`+r.Header.Get("X-API-Key")+`", "asked": "`+r.URL.RawQuery+`"}`)
		case "/page":
			_, _ = io.WriteString(w, "<html>")
		case "/key":
			http.Error(w, "this needs a \x1b[31mkey", http.StatusForbidden)
		case "/busy":
			http.Error(w, "too many", http.StatusTooManyRequests)
		case "/lines":
			_, _ = io.WriteString(w, "a\nb\nc\n")
		default:
			http.NotFound(w, r)
		}
	}))
	defer s.Close()
	c, err := adminclient.New(s.URL, []string{"X-API-Key: mine"})
	require.NoError(t, err)
	var got map[string]string
	require.NoError(t, c.Get(t.Context(), "/ok", map[string][]string{"name": {"a b"}}, &got))
	assert.Equal(t, map[string]string{"key": "mine", "asked": "name=a+b"}, got)
	for path, want := range map[string]string{"/page": "does not answer with JSON", "/key": "refuses: this needs a  [31mkey. Send a key with --header", "/busy": "429 Too Many Requests: too many", "/none": "has no console"} {
		assert.ErrorContains(t, c.Get(t.Context(), path, nil, &got), want, path)
	}
	var lines []string
	require.NoError(t, c.Lines(t.Context(), "/lines", nil, func(line []byte) (bool, error) {
		lines = append(lines, string(line))
		return len(lines) < 2, nil
	}))
	assert.Equal(t, []string{"a", "b"}, lines)

	s.Close()
	assert.ErrorContains(t, c.Get(t.Context(), "/ok", nil, &got), "no collector answers at http://127.0.0.1:")
	for _, address := range []string{"", "http://", "ftp://x", "http://a b"} {
		_, err = adminclient.New(address, nil)
		assert.ErrorContains(t, err, "--admin: ", address)
	}
	_, err = adminclient.New("localhost:1", []string{"none"})
	assert.ErrorContains(t, err, "--header: ")
}
