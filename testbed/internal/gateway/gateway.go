// Package gateway is an OTLP gRPC server in the test process, in the place of the gateway that an agent sends to. It keeps what it
// accepts, and refuses or disappears when a test says so.
package gateway

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip"

	"github.com/penstockhq/penstock/testbed/internal/process"
)

// Gateway is safe for concurrent use.
type Gateway struct {
	// Address is host:port; it stays the same over Stop and Start.
	Address string

	server *grpc.Server
	served chan error

	mu      sync.Mutex
	logs    []plog.Logs       // guarded by mu
	metrics []pmetric.Metrics // guarded by mu
}

// New returns a gateway that listens until the test ends.
func New(t testing.TB) *Gateway {
	t.Helper()
	g := &Gateway{Address: process.FreePorts(t, 1)[0]}
	g.Start(t)
	t.Cleanup(func() { g.Stop(t) })
	return g
}

// Start listens, again if it was stopped.
func (g *Gateway) Start(t testing.TB) {
	t.Helper()
	listener, err := net.Listen("tcp", g.Address)
	require.NoError(t, err)
	g.Address = listener.Addr().String()
	g.server = grpc.NewServer(grpc.MaxRecvMsgSize(64 << 20))
	plogotlp.RegisterGRPCServer(g.server, &logsServer{g: g})
	pmetricotlp.RegisterGRPCServer(g.server, &metricsServer{g: g})
	served := make(chan error, 1)
	g.served = served
	go func(server *grpc.Server) { served <- server.Serve(listener) }(g.server)
}

// Stop cuts all connections.
func (g *Gateway) Stop(t testing.TB) {
	t.Helper()
	if g.server == nil {
		return
	}
	g.server.Stop()
	g.server = nil
	if err := <-g.served; !errors.Is(err, grpc.ErrServerStopped) { // stopped before it began to serve
		require.NoError(t, err)
	}
}

// Records calls visit for each log record that has arrived, with its resource.
func (g *Gateway) Records(visit func(plog.ResourceLogs, plog.LogRecord)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, logs := range g.logs {
		for _, resource := range logs.ResourceLogs().All() {
			for _, scope := range resource.ScopeLogs().All() {
				for _, record := range scope.LogRecords().All() {
					visit(resource, record)
				}
			}
		}
	}
}

// Bodies counts the log records that have arrived by their body.
func (g *Gateway) Bodies() map[string]int {
	counts := make(map[string]int)
	g.Records(func(_ plog.ResourceLogs, r plog.LogRecord) { counts[r.Body().AsString()]++ })
	return counts
}

// Sum adds up all points of the sums named name that have arrived, as for a delta counter.
func (g *Gateway) Sum(name string) (total float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, metrics := range g.metrics {
		for _, resource := range metrics.ResourceMetrics().All() {
			for _, scope := range resource.ScopeMetrics().All() {
				for _, metric := range scope.Metrics().All() {
					if metric.Name() != name || metric.Type() != pmetric.MetricTypeSum {
						continue
					}
					for _, point := range metric.Sum().DataPoints().All() {
						total += float64(point.IntValue()) + point.DoubleValue()
					}
				}
			}
		}
	}
	return total
}

type logsServer struct {
	plogotlp.UnimplementedGRPCServer
	g *Gateway
}

func (s *logsServer) Export(_ context.Context, r plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	s.g.logs = append(s.g.logs, r.Logs())
	return plogotlp.NewExportResponse(), nil
}

type metricsServer struct {
	pmetricotlp.UnimplementedGRPCServer
	g *Gateway
}

func (s *metricsServer) Export(_ context.Context, r pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	s.g.metrics = append(s.g.metrics, r.Metrics())
	return pmetricotlp.NewExportResponse(), nil
}
