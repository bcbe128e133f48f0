package retryhintextension_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/extension/extensionmiddleware"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/penstockhq/penstock/extensions/retryhintextension"
	"github.com/penstockhq/penstock/internal/readmetest"
)

func TestGRPC(t *testing.T) {
	withInfo, err := status.New(codes.Unavailable, "own").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Minute)})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		answer   error
		code     codes.Code
		min, max time.Duration // zero: no hint
	}{
		"queue full":       {status.Error(codes.Unavailable, "sending queue is full"), codes.Unavailable, 7 * time.Second, 14 * time.Second},
		"no UTF-8":         {status.Error(codes.Unavailable, "/data/\xff is full"), codes.Unavailable, 7 * time.Second, 14 * time.Second},
		"has its own":      {withInfo.Err(), codes.Unavailable, time.Minute, time.Minute},
		"too large":        {status.Error(codes.ResourceExhausted, "message larger than max"), codes.ResourceExhausted, 0, 0},
		"never acceptable": {status.Error(codes.InvalidArgument, "bad"), codes.InvalidArgument, 0, 0},
		"no status":        {errors.New("plain"), codes.Unknown, 0, 0},
		"accepted":         {nil, codes.OK, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			options, err := create(t).(extensionmiddleware.GRPCServer).GetGRPCServerOptions(t.Context())
			require.NoError(t, err)
			server := grpc.NewServer(options...)
			plogotlp.RegisterGRPCServer(server, &refusing{answer: c.answer})
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			served := make(chan error, 1)
			go func() { served <- server.Serve(listener) }()
			conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
			require.NoError(t, err)

			_, err = plogotlp.NewGRPCClient(conn).Export(t.Context(), plogotlp.NewExportRequest())
			got := status.Convert(err)
			assert.Equal(t, c.code, got.Code())
			var delay time.Duration
			for _, detail := range got.Details() {
				delay += detail.(*errdetails.RetryInfo).GetRetryDelay().AsDuration()
			}
			assert.GreaterOrEqual(t, delay, c.min)
			assert.LessOrEqual(t, delay, c.max)

			require.NoError(t, conn.Close())
			server.Stop()
			require.NoError(t, <-served)
		})
	}
}

func TestHTTP(t *testing.T) {
	for name, c := range map[string]struct {
		status   int
		own      string
		min, max int
	}{
		"unavailable":       {http.StatusServiceUnavailable, "", 7, 14},
		"too many requests": {http.StatusTooManyRequests, "", 7, 14},
		"has its own":       {http.StatusServiceUnavailable, "60", 60, 60},
		"bad request":       {http.StatusBadRequest, "", 0, 0},
		"ok":                {http.StatusOK, "", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			wrap, err := create(t).(extensionmiddleware.HTTPServer).GetHTTPHandler(t.Context())
			require.NoError(t, err)
			handler, err := wrap(t.Context(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if c.own != "" {
					w.Header().Set("Retry-After", c.own)
				}
				w.WriteHeader(c.status)
				assert.NoError(t, http.NewResponseController(w).Flush(), "what is below stays within reach")
			}))
			require.NoError(t, err)
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/v1/logs", nil))
			assert.Equal(t, c.status, answer.Code)
			seconds := 0
			if after := answer.Header().Get("Retry-After"); after != "" {
				seconds, err = strconv.Atoi(after)
				require.NoError(t, err)
			}
			assert.GreaterOrEqual(t, seconds, c.min)
			assert.LessOrEqual(t, seconds, c.max)
		})
	}
}

func TestConfig(t *testing.T) {
	for delay, valid := range map[time.Duration]bool{0: false, time.Millisecond: false, time.Second: true, time.Hour: true, 2 * time.Hour: false} {
		err := confmap.Validate(&retryhintextension.Config{Delay: delay})
		if valid {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, "delay: "+delay.String()+" is not between 1s and 1h0m0s")
		}
	}
	assert.NoError(t, confmap.Validate(retryhintextension.NewFactory().CreateDefaultConfig()))
}

func TestReadmeExamplesLoad(t *testing.T) {
	assert.Len(t, readmetest.Load(t, "extensions", retryhintextension.NewFactory(), nil), 1)
}

func create(t *testing.T) any {
	t.Helper()
	factory := retryhintextension.NewFactory()
	ext, err := factory.Create(t.Context(), extensiontest.NewNopSettings(factory.Type()),
		&retryhintextension.Config{Delay: 7 * time.Second})
	require.NoError(t, err)
	return ext
}

// refusing is an OTLP server with one answer.
type refusing struct {
	plogotlp.UnimplementedGRPCServer
	answer error
}

func (r *refusing) Export(context.Context, plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	return plogotlp.NewExportResponse(), r.answer
}
