package smoke

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

const (
	protobuf = "application/x-protobuf"
	jsonType = "application/json"
)

// What a client may get wrong, and the answer that the OTLP specification (section OTLP/HTTP, "Failures") asks for. None
// of these is retryable: a client that repeated them would repeat them for ever.
func TestBadRequestsGetTheSpecificationsCodes(t *testing.T) {
	p := process.Start(t, process.Settings{})
	tests := []struct {
		name, path string
		body       []byte
		header     []string
		want       int
	}{
		{"malformed protobuf", "/v1/logs", []byte("\xff\xff\xff garbage"), []string{"Content-Type", protobuf}, http.StatusBadRequest},
		{"malformed JSON", "/v1/logs", []byte("{not json"), []string{"Content-Type", jsonType}, http.StatusBadRequest},
		{"JSON nested without end", "/v1/traces", bytes.Repeat([]byte("["), 200_000), []string{"Content-Type", jsonType}, http.StatusBadRequest},
		{"wrong content type", "/v1/metrics", []byte("{}"), []string{"Content-Type", "text/plain"}, http.StatusUnsupportedMediaType},
		{"no content type", "/v1/metrics", []byte("{}"), nil, http.StatusUnsupportedMediaType},
		{"unknown path", "/v1/nothing", nil, []string{"Content-Type", protobuf}, http.StatusNotFound},
		{"not gzip", "/v1/logs", []byte("plain"), []string{"Content-Type", protobuf, "Content-Encoding", "gzip"}, http.StatusBadRequest},
		{"unknown encoding", "/v1/logs", []byte("plain"), []string{"Content-Type", protobuf, "Content-Encoding", "rot13"}, http.StatusUnsupportedMediaType},
		{"larger than the limit", "/v1/logs", make([]byte, 64<<20), []string{"Content-Type", protobuf}, http.StatusRequestEntityTooLarge},
		{"small, but 1 GiB unpacked", "/v1/logs", zeros(t, 1<<30), []string{"Content-Type", protobuf, "Content-Encoding", "gzip"}, http.StatusRequestEntityTooLarge},
		{"values nested a million deep", "/v1/logs", nestedLog(2_000_000), []string{"Content-Type", protobuf}, http.StatusBadRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			answer, err := send.Post(p.HTTP(), tt.path, tt.body, tt.header...)
			require.NoError(t, err, "an answer, not a broken connection")
			assert.Equal(t, tt.want, answer.Status, answer.Body)
		})
	}

	answer, err := send.Logs(p.HTTP(), send.LogBatch("after", 0, 1))
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, answer.Status, "the process must go on serving")
}

func TestOversizedGRPCMessageIsRefused(t *testing.T) {
	p := process.Start(t, process.Settings{})
	conn, err := grpc.NewClient(p.GRPC(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(1<<30)))
	require.NoError(t, err)
	defer conn.Close()
	client := plogotlp.NewGRPCClient(conn)

	large := send.LogBatch("large", 0, 1)
	large.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().SetStr(string(make([]byte, 64<<20)))
	_, err = client.Export(context.Background(), plogotlp.NewExportRequestFromLogs(large))
	require.Equal(t, codes.ResourceExhausted, status.Code(err), "%v", err)
	for _, detail := range status.Convert(err).Details() {
		require.Failf(t, "not retryable", "a RetryInfo would make the client repeat it: %v", detail)
	}

	_, err = client.Export(context.Background(), plogotlp.NewExportRequestFromLogs(send.LogBatch("after", 0, 1)))
	require.NoError(t, err)
}

// zeros returns n zero bytes, compressed.
func zeros(t *testing.T, n int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	require.NoError(t, err)
	chunk := make([]byte, 1<<20)
	for range n / len(chunk) {
		_, err := w.Write(chunk)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

// nestedLog returns a request with one log record whose body is an array in an array, depth times: a decoder that
// recurses without a bound runs out of stack, which ends a Go process.
func nestedLog(depth int) []byte {
	const arrayValue, values = 5<<3 | 2, 1<<3 | 2 // AnyValue.array_value, ArrayValue.values
	var (
		headers [][]byte
		length  int
	)
	for range depth {
		for _, tag := range []byte{values, arrayValue} {
			header := binary.AppendUvarint([]byte{tag}, uint64(length))
			headers = append(headers, header)
			length += len(header)
		}
	}
	slices.Reverse(headers)
	body := bytes.Join(headers, nil)
	// LogRecord.body, ScopeLogs.log_records, ResourceLogs.scope_logs, ExportLogsServiceRequest.resource_logs
	for _, tag := range []byte{5<<3 | 2, 2<<3 | 2, 2<<3 | 2, 1<<3 | 2} {
		body = append(binary.AppendUvarint([]byte{tag}, uint64(len(body))), body...)
	}
	return body
}
