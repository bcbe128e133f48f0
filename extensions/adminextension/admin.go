package adminextension

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/extension"
	"go.uber.org/zap"
)

// admin serves what components mount. They find it among the host's extensions by the method Mount alone, so they
// depend on an interface of their own and not on this package. All methods are safe for concurrent use.
type admin struct {
	cfg      *Config
	set      component.TelemetrySettings
	instance instance

	mounts mounts
	conf   atomic.Pointer[confmap.Conf] // nil until the collector tells

	server *http.Server
	served sync.WaitGroup
}

var _ extension.Extension = (*admin)(nil)

func newAdmin(cfg *Config, set extension.Settings) *admin {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return &admin{
		cfg: cfg,
		set: set.TelemetrySettings,
		instance: instance{
			Name:    set.BuildInfo.Description,
			Version: set.BuildInfo.Version,
			Host:    host,
			Since:   time.Now().UTC().Truncate(time.Second),
		},
	}
}

// Mount serves h under /<id>/ with that prefix stripped, and lists id and title on the index page. id is normally the text of
// a component ID (`cardinality_guard`, `cardinality_guard/edge`); a taken id is an error; where one id continues another the
// longer one is served. It works before Start and after Shutdown too: the order in which extensions start does not matter.
//
// unmount takes it down and cancels the contexts of requests in flight, but does not wait for them: h may still be running. It may
// be called repeatedly.
//
// h must link relatively (it does not see the prefix), bound what it reads and answers, and escape what it shows. What changes
// something must not be a GET: other methods are refused when a browser sends them for another site.
func (a *admin) Mount(id, title string, h http.Handler) (unmount func(), err error) {
	return a.mounts.add(id, title, h)
}

// NotifyConfig is how the collector tells an extension its configuration, before pipelines start.
func (a *admin) NotifyConfig(_ context.Context, conf *confmap.Conf) error {
	a.conf.Store(conf)
	return nil
}

// EffectiveConfig returns the collector's configuration without defaults, nil if nobody told it. It is for components that have to
// know what they are connected to; it is never shown.
func (a *admin) EffectiveConfig() *confmap.Conf { return a.conf.Load() }

// Start opens the listener, so a taken port or a bad certificate stops the collector here.
func (a *admin) Start(ctx context.Context, host component.Host) error {
	listener, err := a.cfg.ServerConfig.ToListener(ctx)
	if err != nil {
		return err
	}
	a.server, err = a.cfg.ServerConfig.ToServer(ctx, host.GetExtensions(), a.set, a.handler(listener.Addr()))
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if !a.cfg.ServerConfig.Auth.HasValue() && !isLoopback(listener.Addr()) {
		a.set.Logger.Warn("anybody who reaches this address can use the admin pages: set auth, or a loopback endpoint",
			zap.Stringer("address", listener.Addr()))
	}
	a.set.Logger.Info("admin pages", zap.Stringer("address", listener.Addr()))
	a.served.Go(func() {
		if err := a.server.Serve(listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
			componentstatus.ReportStatus(host, componentstatus.NewFatalErrorEvent(err))
		}
	})
	return nil
}

// Shutdown closes the listener, waits for requests in flight until ctx ends, then cuts them.
func (a *admin) Shutdown(ctx context.Context) error {
	if a.server == nil {
		return nil
	}
	err := a.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, a.server.Close())
	}
	a.served.Wait()
	return err
}

// handler routes between the index page and the mounts.
func (a *admin) handler(address net.Addr) http.Handler {
	route := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.URL.Path == "/" {
			a.serveIndex(w, r)
			return
		}
		if found, ok := a.mounts.find(r.URL.Path); ok {
			found.ServeHTTP(w, r)
			return
		}
		http.Error(w, "no component is registered here; / lists those that are", http.StatusNotFound)
	})
	guarded := http.NewCrossOriginProtection().Handler(route)
	if a.cfg.ServerConfig.Auth.HasValue() || !isLoopback(address) {
		return guarded
	}
	return localOnly(guarded)
}

// localOnly refuses requests whose Host is a name other than localhost. A listener on loopback without authentication trusts
// who reaches it; a web page that lets its own name resolve to 127.0.0.1 (DNS rebinding) would be trusted too.
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.Host
		if host, _, err := net.SplitHostPort(r.Host); err == nil {
			name = host
		}
		if name != "localhost" && net.ParseIP(trimBrackets(name)) == nil {
			http.Error(w, "on a loopback endpoint without auth the Host header must be localhost or an IP address",
				http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func trimBrackets(host string) string {
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		return host[1 : len(host)-1]
	}
	return host
}

func isLoopback(address net.Addr) bool {
	switch a := address.(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	default:
		return false
	}
}
