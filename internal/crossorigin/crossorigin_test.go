package crossorigin_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/internal/crossorigin"
)

func TestCheck(t *testing.T) {
	const none, host, crossSite, origin = crossorigin.None, crossorigin.Host, crossorigin.CrossSite, crossorigin.Origin
	for _, c := range []struct {
		name              string
		method, host      string
		header            map[string]string
		corsAllows        bool
		plain, local, api crossorigin.Reason // the zero value, LocalNames, LocalNames and NoOrigins
	}{
		{"a client on this machine", "POST", "127.0.0.1:4318", nil, false, none, none, none},
		{"localhost", "POST", "LocalHost:4318", nil, false, none, none, none},
		{"IPv6", "GET", "[::1]:4318", nil, false, none, none, none},
		{"IPv6 without a port", "GET", "[::1]", nil, false, none, none, none},
		{"a rebound name", "GET", "evil.example:9090", nil, false, none, host, host},
		{"a rebound name, same origin", "POST", "evil.example:9090",
			map[string]string{"Origin": "http://evil.example:9090", "Sec-Fetch-Site": "same-origin"}, false, none, host, host},
		{"a name that begins like an address", "GET", "127.0.0.1.evil.example", nil, false, none, host, host},
		{"a name below localhost", "GET", "evil.localhost", nil, false, none, host, host},
		{"no Host, as in HTTP/1.0", "GET", "", nil, false, none, none, none},
		{"a form of another site", "POST", "127.0.0.1:9090",
			map[string]string{"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain"}, false, crossSite, crossSite, origin},
		{"an old browser", "POST", "127.0.0.1:9090", map[string]string{"Origin": "http://evil.example"}, false, crossSite, crossSite, origin},
		{"a sandboxed frame", "DELETE", "127.0.0.1:9090", map[string]string{"Origin": "null"}, false, crossSite, crossSite, origin},
		{"another port of this machine", "PUT", "127.0.0.1:9090", map[string]string{"Sec-Fetch-Site": "same-site"}, false, crossSite, crossSite, crossSite},
		{"a link on another site", "GET", "127.0.0.1:9090", map[string]string{"Sec-Fetch-Site": "cross-site"}, false, none, none, none},
		{"a page that reads", "GET", "127.0.0.1:9090", map[string]string{"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}, false, none, none, origin},
		{"our own page", "POST", "127.0.0.1:13134", map[string]string{"Origin": "http://127.0.0.1:13134", "Sec-Fetch-Site": "same-origin"}, false, none, none, origin},
		{"an origin that is listed", "POST", "127.0.0.1:4318",
			map[string]string{"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}, true, none, none, none},
		{"a listed origin at a rebound name", "POST", "evil.example:4318", map[string]string{"Origin": "https://app.example"}, true, none, host, host},
	} {
		r := httptest.NewRequest(c.method, "/", nil)
		r.Host = c.host
		for key, value := range c.header {
			r.Header.Set(key, value)
		}
		answer := http.Header{}
		if c.corsAllows {
			answer.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
		}
		assert.Equal(t, c.plain, crossorigin.Rules{}.Check(answer, r), "%s: zero value", c.name)
		assert.Equal(t, c.local, crossorigin.Rules{LocalNames: true}.Check(answer, r), "%s: LocalNames", c.name)
		assert.Equal(t, c.api, crossorigin.Rules{LocalNames: true, NoOrigins: true}.Check(answer, r), "%s: NoOrigins", c.name)
	}
}

func TestHandlerRefusesWith403AndCounts(t *testing.T) {
	served, refused := 0, map[crossorigin.Reason]int{}
	h := crossorigin.Rules{LocalNames: true}.Handler(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }),
		func(_ *http.Request, r crossorigin.Reason) { refused[r]++ })
	for host, want := range map[string]int{"localhost": http.StatusOK, "secret.example": http.StatusForbidden} {
		r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
		r.Host = host
		h.ServeHTTP(w, r)
		assert.Equal(t, want, w.Code, host)
		assert.NotContains(t, w.Body.String(), "secret", "an answer repeats nothing of the request")
	}
	assert.Equal(t, 1, served)
	assert.Equal(t, map[crossorigin.Reason]int{crossorigin.Host: 1}, refused)
}

func TestReach(t *testing.T) {
	for address, want := range map[net.Addr]bool{
		&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}: true,
		&net.TCPAddr{IP: net.IPv4(127, 9, 9, 9)}: true,
		&net.TCPAddr{IP: net.IPv6loopback}:       true,
		&net.UnixAddr{Name: "/run/x.sock"}:       true,
		&net.TCPAddr{IP: net.IPv4zero}:           false,
		&net.TCPAddr{IP: net.IPv6zero}:           false,
		&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}:  false,
		&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}: false,
	} {
		assert.Equal(t, want, crossorigin.Loopback(address), "%v", address)
	}
	for endpoint, want := range map[string]bool{
		"0.0.0.0:9090": true, ":9090": true, "[::]:9090": true, "10.0.0.1:9090": true,
		"127.0.0.1:9090": false, "[::1]:9090": false, "localhost:9090": false, "some-name:9090": false, "/run/x.sock": false,
	} {
		assert.Equal(t, want, crossorigin.Beyond(endpoint), endpoint)
	}
}

func Example() {
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "deleted") })
	protected := crossorigin.Rules{LocalNames: true}.Handler(page, nil)
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:9090/delete", nil)
	r.Header.Set("Origin", "http://evil.example")
	w := httptest.NewRecorder()
	protected.ServeHTTP(w, r)
	fmt.Println(w.Code)
	// Output: 403
}
