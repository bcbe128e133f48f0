package outagewatchextension_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/extensionmiddleware"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/penstockhq/penstock/extensions/outagewatchextension"
	"github.com/penstockhq/penstock/internal/calm"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/readmetest"
)

const target = "passthrough:///gateway:4317"

// host remembers the last status in words.
type host struct {
	component.Host
	mu   sync.Mutex
	said string // guarded by mu
}

func (h *host) Report(e *componentstatus.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said = e.Status().String()
	if e.Err() != nil {
		h.said += ": " + e.Err().Error()
	}
}

func (h *host) status() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.said
}

// begin returns a call through the extension to a server that answers what answer says.
func begin(t *testing.T, after time.Duration, answer func() error) (call func(context.Context) error, h *host, logs *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	factory := outagewatchextension.NewFactory()
	cfg := factory.CreateDefaultConfig().(*outagewatchextension.Config)
	cfg.After = after
	set := extensiontest.NewNopSettings(factory.Type())
	set.Logger = zap.New(core)
	ext, err := factory.Create(t.Context(), set, cfg)
	require.NoError(t, err)
	h = &host{Host: componenttest.NewNopHost()}
	require.NoError(t, ext.Start(t.Context(), h))
	t.Cleanup(func() { require.NoError(t, ext.Shutdown(context.Background())) })
	options, err := ext.(extensionmiddleware.GRPCClient).GetGRPCClientOptions(t.Context())
	require.NoError(t, err)
	// The last interceptor of the chain is the server.
	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithChainUnaryInterceptor(
		func(context.Context, string, any, any, *grpc.ClientConn, grpc.UnaryInvoker, ...grpc.CallOption) error {
			return answer()
		}))
	conn, err := grpc.NewClient(target, options...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return func(ctx context.Context) error { return conn.Invoke(ctx, "/x", &emptypb.Empty{}, &emptypb.Empty{}) }, h, logs
}

func TestAServerThatIsAwayIsAnErrorInEachIntervalAndOneWhenItIsBack(t *testing.T) {
	down := status.Error(codes.Unavailable, "connection refused")
	answer := down
	began := time.Now()
	call, h, logs := begin(t, 100*time.Millisecond, func() error { return answer })
	require.Eventually(t, func() bool {
		err := call(t.Context())
		var watched calm.Watched
		assert.ErrorAs(t, err, &watched, "the log need not say it a second time")
		assert.Equal(t, codes.Unavailable, status.Code(err), "exporters decide by it")
		assert.ErrorIs(t, err, down)
		return logs.Len() >= 2
	}, 30*time.Second, 5*time.Millisecond)
	assert.Regexp(t, "^"+target+` has accepted no data for \d+ s: connection refused\. `, logs.All()[0].Message)
	require.Eventually(t, func() bool {
		_ = call(t.Context())
		return h.status() == "StatusRecoverableError: "+target+" accepts no data: connection refused"
	}, 30*time.Second, 5*time.Millisecond)

	answer = status.Error(codes.InvalidArgument, "what is this?")
	assert.Equal(t, codes.InvalidArgument, status.Code(call(t.Context())))
	assert.Equal(t, "StatusOK", h.status(), "it answers")
	all := logs.All()
	assert.Equal(t, target+" accepts data again", all[len(all)-1].Message)
	for _, e := range all {
		assert.Equal(t, zap.ErrorLevel, e.Level)
	}
	// At most one line in each interval, and one for the end. Two lines may be nearer to each other: a busy machine stops a goroutine
	// between its look at the clock and the line.
	assert.LessOrEqual(t, len(all), 2+int(time.Since(began)/(100*time.Millisecond)))
}

// The follower writes the lines: it knows what room the journal has.
func TestAFollowerIsToldInsteadOfTheLog(t *testing.T) {
	answer := status.Error(codes.DeadlineExceeded, "slow")
	call, _, logs := begin(t, time.Nanosecond, func() error { return answer })
	var heard []error
	ctx := delivery.Delivery{Attempts: func(exporter string, err error) {
		assert.Equal(t, target, exporter)
		heard = append(heard, err)
	}}.In(t.Context())
	_ = call(ctx)
	answer = status.Error(codes.Canceled, "the caller has gone")
	_ = call(ctx)
	answer = nil
	require.NoError(t, call(ctx))
	require.Len(t, heard, 2)
	assert.Equal(t, codes.DeadlineExceeded, status.Code(heard[0]))
	assert.NoError(t, heard[1])
	assert.Zero(t, logs.Len())
}

func TestConfig(t *testing.T) {
	assert.EqualError(t, (&outagewatchextension.Config{}).Validate(), "after: 0s must be positive")
}

func TestReadmeExamplesLoad(t *testing.T) {
	assert.Len(t, readmetest.Load(t, "extensions", outagewatchextension.NewFactory(), nil), 1)
}
