package outagewatchextension

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensionmiddleware"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/internal/calm"
	"github.com/penstockhq/penstock/internal/condition"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/outage"
)

var (
	_ extension.Extension            = (*watch)(nil)
	_ extensionmiddleware.GRPCClient = (*watch)(nil)
)

// watch observes the calls of all exporters that use it. Exporters that send to one server share its state.
type watch struct {
	after  time.Duration
	log    *zap.Logger
	status *condition.Set // without components before Start

	mu      sync.Mutex
	servers map[string]*outage.Watch // guarded by mu; by target, as many as are configured
}

func newWatch(cfg *Config, set extension.Settings) *watch {
	return &watch{after: cfg.After, log: set.Logger, status: new(condition.Set), servers: map[string]*outage.Watch{}}
}

func (w *watch) Start(_ context.Context, host component.Host) error {
	w.status = condition.New(host)
	return nil
}

func (w *watch) Shutdown(context.Context) error { return nil }

// GetGRPCClientOptions returns the interceptor for an exporter's connection.
func (w *watch) GetGRPCClientOptions(context.Context) ([]grpc.DialOption, error) {
	return []grpc.DialOption{grpc.WithChainUnaryInterceptor(w.call)}, nil
}

// call makes one attempt and records its result.
func (w *watch) call(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	err := invoke(ctx, method, req, reply, cc, opts...)
	switch code := status.Code(err); {
	case code == codes.Unavailable, code == codes.DeadlineExceeded:
		w.failed(ctx, cc.Target(), err)
		return watchedError{err}
	case code != codes.Canceled: // The server has answered, whatever the answer is.
		w.worked(ctx, cc.Target())
	}
	return err
}

func (w *watch) server(target string) *outage.Watch {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.servers[target] == nil {
		w.servers[target] = outage.New(w.after, w.after)
	}
	return w.servers[target]
}

func (w *watch) failed(ctx context.Context, target string, err error) {
	now, s := time.Now(), w.server(target)
	s.Failed(now, err)
	if o, bad := s.Now(now, outage.Grace); bad {
		w.status.Bad(target, fmt.Sprintf("%s accepts no data: %s", target, status.Convert(o.Cause).Message()))
	}
	followerReports := delivery.Of(ctx).Attempted(target, err)
	if o, due := s.Due(now); due && !followerReports {
		w.log.Error(fmt.Sprintf("%s has accepted no data for %s: %s. New data waits in the exporter's queue. Check that server, the network and the "+
			"exporter's endpoint", target, journal.Ago(o.Lasted), status.Convert(o.Cause).Message()), zap.String("server", target), zap.Duration("away", o.Lasted.Round(time.Second)))
	}
}

func (w *watch) worked(ctx context.Context, target string) {
	followerReports := delivery.Of(ctx).Attempted(target, nil)
	o, reported := w.server(target).Worked(time.Now())
	if o.Since.IsZero() {
		return
	}
	w.status.Good(target)
	if reported && !followerReports { // At the same level as the first line: a log filtered by level shows both ends.
		w.log.Error(target+" accepts data again", zap.String("server", target), zap.Duration("away", o.Lasted.Round(time.Second)))
	}
}

// watchedError is the error of an attempt that this extension reports. It keeps its status, which exporters use.
type watchedError struct{ error }

var _ calm.Watched = watchedError{}

func (watchedError) Watched() {}

// Unwrap returns gRPC's own error.
func (e watchedError) Unwrap() error { return e.error }

// GRPCStatus returns the status of the call.
func (e watchedError) GRPCStatus() *status.Status { return status.Convert(e.error) }
