package hostile

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // a client's
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/testbed/internal/process"
)

const exportLogs = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"

// raw passes bytes as they are.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error)      { return v.([]byte), nil }
func (raw) Unmarshal(data []byte, v any) error { *v.(*[]byte) = data; return nil }
func (raw) Name() string                       { return "proto" }

var services = map[string]string{"/v1/logs": "logs.v1.LogsService", "/v1/metrics": "metrics.v1.MetricsService", "/v1/traces": "trace.v1.TraceService"}

func partsOverGRPC(t *testing.T, p *process.Process) {
	conn, err := grpc.NewClient(p.GRPC(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{}), grpc.MaxCallSendMsgSize(64<<20)))
	require.NoError(t, err)
	defer conn.Close()
	bombs := parts()
	bombs["zeros"] = bomb{"/v1/logs", "application/x-protobuf", make([]byte, 64<<20)}
	bombs["nested"] = bomb{"/v1/logs", "application/x-protobuf", deep(2_000_000, 19<<20)}
	for name, b := range bombs {
		if b.kind != "application/x-protobuf" {
			continue
		}
		for _, options := range [][]grpc.CallOption{nil, {grpc.UseCompressor("gzip")}} {
			var all sync.WaitGroup
			errs := make([]error, 8)
			for i := range errs {
				all.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					var answer []byte
					errs[i] = conn.Invoke(ctx, "/opentelemetry.proto.collector."+services[b.path]+"/Export", b.body, &answer, options...)
				})
			}
			all.Wait()
			for _, err := range errs {
				assert.Contains(t, []codes.Code{codes.InvalidArgument, codes.ResourceExhausted, codes.Unavailable, codes.Canceled}, status.Code(err), "%s: %v", name, err)
			}
		}
	}
}

// dial opens n connections to each address, says something in each, and leaves them open until the test ends. A server may close one.
func dial(t *testing.T, n int, say string, addresses ...string) {
	t.Helper()
	for _, address := range addresses {
		for range n {
			conn, err := net.Dial("tcp", address)
			require.NoError(t, err)
			t.Cleanup(func() { _ = conn.Close() })
			_, _ = io.WriteString(conn, say)
		}
	}
}

func slow(t *testing.T, p *process.Process) {
	dial(t, 200, "POST /v1/logs HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", p.HTTP(), p.TSDB(), p.Admin(), p.Health(), p.Telemetry())
	dial(t, 200, "POST /v1/logs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 20000000\r\n\r\n{", p.HTTP())
	dial(t, 200, "POST /api/v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n\r\nquery=", p.TSDB())
	dial(t, 50, "POST /v1/logs HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 20000000\r\n\r\n{", p.HTTP(), p.TSDB()) // refused before the body is read
	dial(t, 200, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", p.GRPC())
}

// slowBombs hold what they have sent: over HTTP what it would become if it were decompressed on arrival, and over gRPC 15 MiB each.
func slowBombs(t *testing.T, p *process.Process) {
	bomb := encode(t, "gzip", make([]byte, 19<<20))
	head := fmt.Sprintf("POST /v1/logs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", len(bomb)+1)
	dial(t, 100, head+string(bomb), p.HTTP())
	half := bytes.Repeat([]byte("x"), 15<<20)
	var all sync.WaitGroup
	for range 60 {
		reader, writer := io.Pipe()
		t.Cleanup(func() { _ = writer.Close() })
		all.Go(func() {
			client := &http.Client{Transport: unencrypted()}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.GRPC()+exportLogs, reader)
			if !assert.NoError(t, err) {
				return
			}
			request.Header.Set("Content-Type", "application/grpc")
			request.Header.Set("Te", "trailers")
			go func() {
				if resp, err := client.Do(request); err == nil {
					_ = resp.Body.Close()
				}
			}()
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				_, _ = writer.Write(append([]byte{0, 0x01, 0x30, 0, 0}, half...)) // the length of 19 MiB, and 15 of it
			}()
			select {
			case <-sent:
			case <-time.After(20 * time.Second): // the server has ended the call, or reads no more of it
			}
		})
	}
	all.Wait()
}

// unencrypted speaks HTTP/2 without TLS.
func unencrypted() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Transport{Protocols: protocols}
}

func idle(t *testing.T, p *process.Process) {
	dial(t, 5000, "", p.HTTP(), p.GRPC())
}

// resets open calls and reset them before they are answered, as many as the server takes in one connection after the other.
func resets(t *testing.T, p *process.Process) {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", exportLogs}, {":authority", "a"}, {"content-type", "application/grpc"}, {"te", "trailers"}} {
		require.NoError(t, encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}))
	}
	for range 20 {
		conn, err := net.Dial("tcp", p.GRPC())
		require.NoError(t, err)
		_, err = io.WriteString(conn, http2.ClientPreface)
		require.NoError(t, err)
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		framer := http2.NewFramer(conn, nil)
		require.NoError(t, framer.WriteSettings())
		for id := uint32(1); id < 10_000; id += 2 {
			err = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true})
			if err == nil {
				err = framer.WriteRSTStream(id, http2.ErrCodeCancel)
			}
			if err != nil {
				break // the server has had enough
			}
		}
		require.NoError(t, conn.Close())
	}
}
