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
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/adminextension/internal/auditlog"
	"github.com/penstockhq/penstock/extensions/adminextension/internal/metadata"
	"github.com/penstockhq/penstock/extensions/adminextension/internal/token"
	adminapi "github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/internal/crossorigin"
	"github.com/penstockhq/penstock/internal/slowbody"
)

// admin serves the handlers that components mount. Components find it among the host's extensions by its method Mount, so they depend on their own
// interface and not on this package. All methods are safe for concurrent use.
type admin struct {
	cfg       *Config
	set       component.TelemetrySettings
	telemetry *metadata.TelemetryBuilder
	instance  instance
	token     token.Token   // set by Start
	audit     *auditlog.Log // set by Start; nil: no audit log

	mounts   mounts
	declared declared
	health   health
	conf     atomic.Pointer[confmap.Conf] // nil until the collector reports it

	server *http.Server
	served sync.WaitGroup
}

var _ extension.Extension = (*admin)(nil)

func newAdmin(cfg *Config, set extension.Settings) (*admin, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return &admin{
		cfg:       cfg,
		set:       set.TelemetrySettings,
		telemetry: telemetry,
		instance: instance{
			Name:    title(set.BuildInfo.Command),
			About:   set.BuildInfo.Description,
			Version: set.BuildInfo.Version,
			Host:    host,
			Since:   time.Now().UTC().Truncate(time.Second),
		},
	}, nil
}

// Mount serves h under /<id>/ with that prefix stripped, and lists id and title on the index page. id is normally the text of a component ID
// (`cardinality_guard`, `cardinality_guard/edge`). An id that is already used is an error; if one id extends another, requests go to the longer
// one. Mount also works before Start and after Shutdown: the order in which extensions start does not matter.
//
// unmount removes the handler and cancels the contexts of requests in flight, but does not wait for them: h may still be running. It may be called
// repeatedly.
//
// h must use relative links (it does not see the prefix), bound its input and output, and escape everything that it shows. A request that changes
// something must not be a GET: other methods are refused when a browser sends them for another site.
func (a *admin) Mount(id, title string, h http.Handler) (unmount func(), err error) {
	return a.mounts.add(id, title, h)
}

// NotifyConfig receives the collector's configuration, before pipelines start.
func (a *admin) NotifyConfig(_ context.Context, conf *confmap.Conf) error {
	a.conf.Store(conf)
	return nil
}

// EffectiveConfig returns the collector's configuration without defaults, nil if it is unknown. It is for components that must know what they are
// connected to; it is never shown.
func (a *admin) EffectiveConfig() *confmap.Conf { return a.conf.Load() }

// Start opens the token and the listener, so a bad token, a used port or a bad certificate stops the collector here.
func (a *admin) Start(ctx context.Context, host component.Host) error {
	if err := a.openToken(); err != nil {
		return err
	}
	if err := a.openAudit(); err != nil {
		return err
	}
	listener, err := a.cfg.ServerConfig.ToListener(ctx)
	if err != nil {
		return err
	}
	if err := a.cfg.access().CheckAddress(listener.Addr()); err != nil {
		return errors.Join(err, listener.Close())
	}
	a.server, err = a.cfg.ServerConfig.ToServer(ctx, host.GetExtensions(), a.set, a.handler(listener.Addr()))
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if !a.cfg.access().Authenticated && !crossorigin.Loopback(listener.Addr()) {
		a.set.Logger.Warn("allow_anonymous: everybody who reaches this address can use the admin pages",
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

// Shutdown closes the listener, waits for requests in flight until ctx ends, then closes their connections.
func (a *admin) Shutdown(ctx context.Context) error {
	a.telemetry.Shutdown()
	if a.server == nil {
		return a.closeAudit()
	}
	err := a.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, a.server.Close())
	}
	a.served.Wait()
	return errors.Join(err, a.closeAudit())
}

// bodyPatience is how long the body of a request may take to arrive; an endless answer, such as a page that follows something, has no such limit.
const bodyPatience = 30 * time.Second

// handler routes between the index page and the mounts.
func (a *admin) handler(address net.Addr) http.Handler {
	route := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		switch r.URL.Path {
		case "/":
			a.serveHome(w, r)
			return
		case healthPath:
			a.health.ServeHTTP(w, r)
			return
		case routesPath:
			if a.allowed(w, r, adminapi.Need{Operator: true}) {
				a.serveRoutes(w, r)
			}
			return
		}
		if found, ok := a.mounts.find(r.URL.Path); ok {
			found.serve(w, a.markOwn(r), a.door)
			return
		}
		http.Error(w, notFound(r.URL.Path), http.StatusNotFound)
	})
	return a.cfg.access().Rules(address).Handler(slowbody.Handler(route, bodyPatience), func(r *http.Request, reason crossorigin.Reason) { a.refused(r, string(reason)) })
}

// refused counts refused requests.
func (a *admin) refused(r *http.Request, reason string) {
	a.telemetry.ExtensionAdminRefusedRequests.Add(context.WithoutCancel(r.Context()), 1,
		metric.WithAttributes(attribute.String("reason", reason)))
}
