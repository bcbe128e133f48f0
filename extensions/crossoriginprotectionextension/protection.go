package crossoriginprotectionextension

import (
	"context"
	"mime"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"

	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensionmiddleware"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/penstockhq/penstock/extensions/crossoriginprotectionextension/internal/metadata"
	"github.com/penstockhq/penstock/internal/crossorigin"
)

// Content types of OTLP/HTTP.
const (
	protobufType = "application/x-protobuf"
	jsonType     = "application/json"
)

// protection refuses requests that a web page may have sent. All methods are safe for concurrent use.
type protection struct {
	component.StartFunc
	id        component.ID
	telemetry *metadata.TelemetryBuilder
	trusting  atomic.Pointer[map[string]bool] // by port, see listeners; nil until the collector reports its configuration
}

var (
	_ extension.Extension            = (*protection)(nil)
	_ extensionmiddleware.HTTPServer = (*protection)(nil)
)

// Shutdown ends the telemetry. It may be repeated.
func (p *protection) Shutdown(context.Context) error {
	p.telemetry.Shutdown()
	return nil
}

// NotifyConfig reads the configuration of the listeners that use this middleware. The collector calls it before pipelines start.
func (p *protection) NotifyConfig(_ context.Context, conf *confmap.Conf) error {
	found := map[string]bool{}
	listeners(conf.ToStringMap(), p.id.String(), found)
	p.trusting.Store(&found)
	return nil
}

// GetHTTPHandler returns the wrapper of a server's handler.
func (p *protection) GetHTTPHandler(context.Context) (extensionmiddleware.WrapHTTPHandlerFunc, error) {
	return func(_ context.Context, next http.Handler) (http.Handler, error) {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rules := crossorigin.Rules{LocalNames: p.trusts(r), NoOrigins: true}
			if reason := rules.Check(w.Header(), r); reason != crossorigin.None {
				p.telemetry.ExtensionCrossOriginProtectionRefusedRequests.Add(context.WithoutCancel(r.Context()), 1,
					metric.WithAttributes(attribute.String("reason", string(reason))))
				refuse(w, mediaType(r), reason)
				return
			}
			if mediaType(r) != jsonType {
				next.ServeHTTP(w, r)
				return
			}
			quiet := &quietWriter{ResponseWriter: w}
			next.ServeHTTP(quiet, r)
			quiet.finish()
		}), nil
	}, nil
}

// trusts says whether r arrived at a listener on loopback without authentication, which trusts every client. If the configuration does not name the
// listener's port, the address of the connection decides.
func (p *protection) trusts(r *http.Request) bool {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !crossorigin.Loopback(local) || client.FromContext(r.Context()).Auth != nil {
		return false
	}
	tcp, ok := local.(*net.TCPAddr)
	all := p.trusting.Load()
	if !ok || all == nil {
		return true
	}
	trusting, known := (*all)[strconv.Itoa(tcp.Port)]
	return trusting || !known
}

// listeners finds the sections of a configuration that describe a server with the middleware id, and says for each port whether the server trusts
// every client: it has no authentication and is not reachable from other machines.
func listeners(part any, id string, found map[string]bool) {
	switch part := part.(type) {
	case map[string]any:
		if endpoint, _ := part["endpoint"].(string); endpoint != "" && names(part["middlewares"], id) {
			if _, port, err := net.SplitHostPort(endpoint); err == nil {
				found[port] = !crossorigin.Beyond(endpoint) && !authenticated(part)
			}
		}
		for _, p := range part {
			listeners(p, id, found)
		}
	case []any:
		for _, p := range part {
			listeners(p, id, found)
		}
	}
}

func names(middlewares any, id string) bool {
	list, _ := middlewares.([]any)
	for _, m := range list {
		if entry, _ := m.(map[string]any); entry["id"] == id {
			return true
		}
	}
	return false
}

// authenticated says whether a server checks every request: by an extension, or by the client's certificate.
func authenticated(server map[string]any) bool {
	tls, _ := server["tls"].(map[string]any)
	ca, _ := tls["client_ca_file"].(string)
	return server["auth"] != nil || ca != ""
}

func mediaType(r *http.Request) string {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return kind
}

// refuse answers 403, which OTLP clients do not retry, with a Status in the encoding of the request.
func refuse(w http.ResponseWriter, kind string, reason crossorigin.Reason) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	marshal := map[string]func(proto.Message) ([]byte, error){protobufType: proto.Marshal, jsonType: protojson.Marshal}[kind]
	if marshal != nil {
		if answer, err := marshal(status.New(codes.PermissionDenied, reason.Message()).Proto()); err == nil {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write(answer) // the client is gone
			return
		}
	}
	http.Error(w, reason.Message(), http.StatusForbidden)
}
