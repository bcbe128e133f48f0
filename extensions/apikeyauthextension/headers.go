package apikeyauthextension

import (
	"context"
	"encoding/base64"
	"net"
	"net/http"
	"strings"

	"go.opentelemetry.io/collector/client"
	"google.golang.org/grpc"
)

// key is the key that a client sent: as X-API-Key, as a bearer token, or in the way of other products: the token of Splunk, the ApiKey of
// Elasticsearch, the password of Basic (Loki, remote write). Empty: none.
func key(sources map[string][]string) string {
	if given := first(sources, "x-api-key"); given != "" {
		return given
	}
	scheme, given, _ := strings.Cut(first(sources, "authorization"), " ")
	given = strings.TrimSpace(given)
	switch strings.ToLower(scheme) {
	case "bearer", "splunk":
		return given
	case "apikey", "basic":
		decoded, err := base64.StdEncoding.DecodeString(given)
		if err != nil {
			return given
		}
		user, password, ok := strings.Cut(string(decoded), ":")
		if !ok || password == "" {
			return user
		}
		return password
	}
	return ""
}

// first is the first value of a header. HTTP and gRPC spell names differently.
func first(sources map[string][]string, name string) string {
	for _, spelled := range [...]string{http.CanonicalHeaderKey(name), name} {
		if values := sources[spelled]; len(values) > 0 {
			return strings.TrimSpace(values[0])
		}
	}
	return ""
}

func isGRPC(ctx context.Context) bool {
	_, ok := grpc.Method(ctx)
	return ok
}

// address is the client's address, without the port.
func address(ctx context.Context) string {
	a := client.FromContext(ctx).Addr
	if a == nil {
		return ""
	}
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return host
}
