// Package gateway is an OTLP gRPC server in the test process that replaces an agent's gateway. It stores the data that it
// accepts, and a test can make it refuse or disappear.
package gateway

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/stats"

	"github.com/penstockhq/penstock/internal/freeport"
)

// Gateway is safe for concurrent use.
type Gateway struct {
	// Address is host:port; it stays the same over Stop and Start.
	Address string

	server *grpc.Server
	served chan error

	// MaxMessage is the largest message that it takes, in bytes, from the next Start on; 0: 64 MiB.
	MaxMessage int

	mu      sync.Mutex
	logs    []plog.Logs       // guarded by mu
	metrics []pmetric.Metrics // guarded by mu
	traces  []ptrace.Traces   // guarded by mu
	decide  Decide            // guarded by mu; nil takes all
	asked   int               // guarded by mu

	wire atomic.Int64
}

// Wire is how many bytes of messages have arrived, compressed as they were sent.
func (g *Gateway) Wire() int64 { return g.wire.Load() }

// counting counts the bytes of messages for a gateway.
type counting struct{ g *Gateway }

func (c counting) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (c counting) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (c counting) HandleConn(context.Context, stats.ConnStats)                       {}
func (c counting) HandleRPC(_ context.Context, s stats.RPCStats) {
	if in, ok := s.(*stats.InPayload); ok {
		c.g.wire.Add(int64(in.CompressedLength))
	}
}

// Decide answers a request that holds these bodies of log records, names of metrics or names of spans: nil takes it. It is called
// without a lock, so it may wait.
type Decide func(ctx context.Context, items []string) error

// New returns a gateway that listens until the test ends.
func New(t testing.TB) *Gateway {
	t.Helper()
	g := &Gateway{Address: freeport.One(t)}
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
	most := 64 << 20
	if g.MaxMessage > 0 {
		most = g.MaxMessage
	}
	g.server = grpc.NewServer(grpc.MaxRecvMsgSize(most), grpc.StatsHandler(counting{g}))
	plogotlp.RegisterGRPCServer(g.server, &logsServer{g: g})
	pmetricotlp.RegisterGRPCServer(g.server, &metricsServer{g: g})
	ptraceotlp.RegisterGRPCServer(g.server, &tracesServer{g: g})
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

// Spans counts the spans that have arrived by their name.
func (g *Gateway) Spans() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	counts := make(map[string]int)
	for _, traces := range g.traces {
		for _, name := range spanNames(traces) {
			counts[name]++
		}
	}
	return counts
}

// Metrics counts the metrics that have arrived by their name.
func (g *Gateway) Metrics() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	counts := make(map[string]int)
	for _, metrics := range g.metrics {
		for _, name := range metricNames(metrics) {
			counts[name]++
		}
	}
	return counts
}

// Decide lets decide answer from now on; nil takes all again.
func (g *Gateway) Decide(decide Decide) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.decide, g.asked = decide, 0
}

// Asked is how many requests have come since Decide.
func (g *Gateway) Asked() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked
}

// answer calls decide, and keep if it accepts the request.
func (g *Gateway) answer(ctx context.Context, items []string, keep func()) error {
	g.mu.Lock()
	decide := g.decide
	g.asked++
	g.mu.Unlock()
	if decide != nil {
		if err := decide(ctx, items); err != nil {
			return err
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	keep()
	return nil
}

func bodies(logs plog.Logs) (all []string) {
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				all = append(all, record.Body().AsString())
			}
		}
	}
	return all
}

func metricNames(metrics pmetric.Metrics) (all []string) {
	for _, resource := range metrics.ResourceMetrics().All() {
		for _, scope := range resource.ScopeMetrics().All() {
			for _, metric := range scope.Metrics().All() {
				all = append(all, metric.Name())
			}
		}
	}
	return all
}

func spanNames(traces ptrace.Traces) (all []string) {
	for _, resource := range traces.ResourceSpans().All() {
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				all = append(all, span.Name())
			}
		}
	}
	return all
}

type logsServer struct {
	plogotlp.UnimplementedGRPCServer
	g *Gateway
}

func (s *logsServer) Export(ctx context.Context, r plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	return plogotlp.NewExportResponse(), s.g.answer(ctx, bodies(r.Logs()), func() { s.g.logs = append(s.g.logs, r.Logs()) })
}

type metricsServer struct {
	pmetricotlp.UnimplementedGRPCServer
	g *Gateway
}

func (s *metricsServer) Export(ctx context.Context, r pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	return pmetricotlp.NewExportResponse(), s.g.answer(ctx, metricNames(r.Metrics()), func() { s.g.metrics = append(s.g.metrics, r.Metrics()) })
}

type tracesServer struct {
	ptraceotlp.UnimplementedGRPCServer
	g *Gateway
}

func (s *tracesServer) Export(ctx context.Context, r ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	return ptraceotlp.NewExportResponse(), s.g.answer(ctx, spanNames(r.Traces()), func() { s.g.traces = append(s.g.traces, r.Traces()) })
}
