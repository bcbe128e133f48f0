package nestinglimitextension_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/penstockhq/penstock/internal/tenant"
)

// A client whose requests take their share of the memory in flight is refused more, before its body is read where the length tells; others get
// through.
func TestAClientHoldsItsShare(t *testing.T) {
	cfg := small()
	cfg.MaxInFlight = 60_000
	l := create(t, cfg)
	busy, done := make(chan struct{}), make(chan struct{})
	h := l.handler(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Hold") != "" {
			busy <- struct{}{}
			<-done
		}
	})
	body, err := resources(40).MarshalProto()
	require.NoError(t, err)
	ask := func(name string, hold string, body io.Reader, length int64) int {
		answer := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/v1/logs", body)
		r = r.WithContext(tenant.With(client.NewContext(t.Context(), client.Info{}), name))
		r.Header.Set("Content-Type", pb)
		r.Header.Set("Hold", hold)
		r.ContentLength = length
		h.ServeHTTP(answer, r)
		return answer.Code
	}
	held := 0
	codes := make(chan int, 100)
	for l.metric("in_flight")[""] < 30_000 {
		go func() { codes <- ask("heavy", "yes", bytes.NewReader(body), -1) }()
		<-busy
		held++
	}
	assert.Equal(t, http.StatusServiceUnavailable, ask("heavy", "", unread{t}, 20_000))
	assert.Equal(t, map[string]int64{"share": 1}, l.metric("refused_requests"))
	assert.Equal(t, http.StatusOK, ask("small", "", bytes.NewReader(body), -1))
	close(done)
	for range held {
		assert.Equal(t, http.StatusOK, <-codes)
	}
	l.releasesAll()
}

// A message over gRPC of a client that holds its share is refused before any of it has arrived.
func TestAClientsShareOverGRPC(t *testing.T) {
	cfg := small()
	cfg.MaxInFlight = 60_000
	l := create(t, cfg)
	conn, received := grpcServer(l)
	received.each, received.done = make(chan struct{}), make(chan struct{})
	answers := make(chan error, 1000)
	held := 0
	// At 40 000 bytes there would be no memory for another one of the client, and the door expects that it needs a 64th of max_in_flight, 937.
	for ; l.metric("in_flight")[""] <= 39_063; held++ {
		go func() {
			_, err := plogotlp.NewGRPCClient(conn).Export(t.Context(), resources(2))
			answers <- err
		}()
		select {
		case <-received.each:
		case err := <-answers:
			require.NoError(t, err)
		}
	}
	assert.Equal(t, codes.Unavailable, unsent(t, conn).Code())
	assert.Equal(t, map[string]int64{"share": 1}, l.metric("refused_requests"))
	close(received.done)
	for range held {
		require.NoError(t, <-answers)
	}
}

// While memory_limiter, which comes after the decoder, refuses data, requests are refused unread: but for one now and then, and if that is accepted,
// all are.
func TestWhatMemoryLimiterRefusesIsNotRead(t *testing.T) {
	refusal := status.New(codes.Unavailable, "data refused due to high memory usage")
	broken := status.New(codes.Unavailable, "the journal is full")
	var answer atomic.Pointer[status.Status]
	var in atomic.Int64
	for name, start := range map[string]func(l *limited) (ask func() codes.Code, askUnsent func() *status.Status){
		"HTTP": func(l *limited) (func() codes.Code, func() *status.Status) {
			h := l.handler(func(w http.ResponseWriter, _ *http.Request) {
				in.Add(1)
				if why := answer.Load(); why != nil {
					text, err := proto.Marshal(why.Proto())
					require.NoError(t, err)
					w.Header().Set("Content-Type", pb)
					w.WriteHeader(http.StatusServiceUnavailable)
					_, _ = w.Write(text)
				}
			})
			send := func(body io.Reader, length int64) *httptest.ResponseRecorder {
				to := httptest.NewRecorder()
				r := httptest.NewRequest(http.MethodPost, "/v1/logs", body)
				r.Header.Set("Content-Type", pb)
				r.ContentLength = length
				h.ServeHTTP(to, r)
				return to
			}
			return func() codes.Code {
					body, err := resources(1).MarshalProto()
					require.NoError(t, err)
					if send(bytes.NewReader(body), int64(len(body))).Code == http.StatusOK {
						return codes.OK
					}
					return codes.Unavailable
				}, func() *status.Status {
					body := &counted{}
					answer := send(body, 100)
					assert.Equal(t, http.StatusServiceUnavailable, answer.Code)
					if body.reads > 0 {
						return nil
					}
					assert.NotEmpty(t, answer.Header().Get("Retry-After"))
					var s spb.Status
					require.NoError(t, proto.Unmarshal(answer.Body.Bytes(), &s))
					return status.FromProto(&s)
				}
		},
		"gRPC": func(l *limited) (func() codes.Code, func() *status.Status) {
			conn, received := grpcServer(l)
			received.answer = func() error {
				in.Add(1)
				return answer.Load().Err()
			}
			return func() codes.Code {
				_, err := plogotlp.NewGRPCClient(conn).Export(t.Context(), resources(1))
				return status.Code(err)
			}, func() *status.Status { return unsent(t, conn) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := small()
			cfg.ReadTimeout = 100 * time.Millisecond
			l := create(t, cfg)
			ask, askUnsent := start(l)
			answer.Store(refusal)
			in.Store(0)
			var got *status.Status
			until(t, func() bool { // on a slow machine the moment for which a refusal stands can pass
				require.Equal(t, codes.Unavailable, ask())
				got = askUnsent()
				return got != nil && got.Code() == codes.Unavailable
			})
			assert.Equal(t, refusal.Message(), got.Message())
			require.Len(t, got.Details(), 1)
			assert.Positive(t, got.Details()[0].(*errdetails.RetryInfo).GetRetryDelay().AsDuration())
			assert.Positive(t, l.metric("refused_requests")["memory"])
			before := in.Load()
			until(t, func() bool {
				require.Equal(t, codes.Unavailable, ask())
				return in.Load() > before // one finds out
			})
			// Memory is free again, and something else refuses all: that is what clients are told.
			answer.Store(broken)
			before = in.Load()
			until(t, func() bool { ask(); return in.Load() > before })
			before = in.Load()
			for range 10 {
				require.Equal(t, codes.Unavailable, ask())
			}
			assert.EqualValues(t, 10, in.Load()-before)
			answer.Store(refusal)
			require.Equal(t, codes.Unavailable, ask())
			answer.Store(nil)
			until(t, func() bool { return ask() == codes.OK })
			for range 10 {
				require.Equal(t, codes.OK, ask())
			}
		})
	}
}

// counted is a body of which nothing arrives.
type counted struct{ reads int }

func (c *counted) Read([]byte) (int, error) {
	c.reads++
	return 0, context.DeadlineExceeded
}

// until repeats try until it is true.
func until(t *testing.T, try func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !try(); {
		require.True(t, time.Now().Before(deadline))
	}
}

// unsent opens a call, sends nothing and returns its end.
func unsent(t *testing.T, conn *grpc.ClientConn) *status.Status {
	t.Helper()
	stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, export, grpc.ForceCodec(raw{}))
	require.NoError(t, err)
	var answer []byte
	return status.Convert(stream.RecvMsg(&answer))
}

type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}
