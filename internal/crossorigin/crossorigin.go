// Package crossorigin refuses the HTTP requests that a web page can make its visitor's browser send to a listener of this machine.
//
// It protects against two attacks. Cross-site requests: a page sends a form or a fetch to 127.0.0.1; it can't read the answer, but the request is
// executed. DNS rebinding: a page lets its own name resolve to 127.0.0.1 and becomes the same site, so it can read the answers too; only the Host
// header reveals it.
package crossorigin

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Reason is why a request is refused; None if it is not.
type Reason string

// The reasons.
const (
	None      Reason = ""
	Host      Reason = "host"
	CrossSite Reason = "cross_site"
	Origin    Reason = "origin"
)

// Message says what the client must change. It repeats nothing of the request.
func (r Reason) Message() string {
	switch r {
	case Host:
		return "on a loopback address without authentication the Host header must be localhost or an IP address"
	case CrossSite:
		return "a browser sent this request for another site, which may not change anything here"
	case Origin:
		return "a request with an Origin header is refused unless cors::allowed_origins of this listener allows the origin" +
			" (PENSTOCK_CORS_ORIGINS in the profiles)"
	default:
		return ""
	}
}

// Rules of a listener. The zero value refuses requests with unsafe methods (all but GET, HEAD and OPTIONS) that a browser sends for another site.
// If CORS before these rules has allowed the origin, that rule and NoOrigins are satisfied.
type Rules struct {
	// LocalNames refuses a Host other than localhost or an IP address. It is for listeners on loopback without authentication, which trust every
	// client. A request without a Host passes: no browser sends one, but health checks of load balancers speak HTTP/1.0.
	LocalNames bool
	// NoOrigins refuses every request with an Origin header. It is for APIs whose clients are not web pages.
	NoOrigins bool
}

// Check returns why r is refused. answer is the header of the response, in which CORS records what it has allowed.
func (g Rules) Check(answer http.Header, r *http.Request) Reason {
	if g.LocalNames && r.Host != "" && !LocalHost(r.Host) {
		return Host
	}
	if answer.Get("Access-Control-Allow-Origin") != "" {
		return None
	}
	if g.NoOrigins && r.Header.Get("Origin") != "" {
		return Origin
	}
	if crossOrigin.Check(r) != nil {
		return CrossSite
	}
	return None
}

// crossOrigin has no exceptions and is never changed.
var crossOrigin = http.NewCrossOriginProtection()

// Handler serves allowed requests with next, and answers all others with 403. It calls refused, which may be nil, for each refusal.
func (g Rules) Handler(next http.Handler, refused func(*http.Request, Reason)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reason := g.Check(w.Header(), r)
		if reason == None {
			next.ServeHTTP(w, r)
			return
		}
		if refused != nil {
			refused(r, reason)
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		http.Error(w, reason.Message(), http.StatusForbidden)
	})
}

// LocalHost says whether a Host header is localhost or an IP address, with or without a port.
func LocalHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		host = host[1 : len(host)-1]
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}

// Loopback says whether only this machine can reach a listener at address: a loopback address, or a unix socket.
func Loopback(address net.Addr) bool {
	switch a := address.(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	default:
		return false
	}
}

// Beyond says whether a configured host:port is certainly reachable from other machines. Names other than localhost are left to Loopback, which
// sees the resolved address.
func Beyond(endpoint string) bool {
	host, _, err := net.SplitHostPort(endpoint)
	if err != nil {
		return false
	}
	if host == "" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && !ip.IsLoopback()
}
