package nestinglimitextension_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/extension/extensionmiddleware"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/extensions/nestinglimitextension"
)

// request has one log record whose body is depth arrays in each other.
func request(depth int) plogotlp.ExportRequest {
	logs := plog.NewLogs()
	value := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body()
	for range depth {
		value = value.SetEmptySlice().AppendEmpty()
	}
	value.SetStr("bottom")
	return plogotlp.NewExportRequestFromLogs(logs)
}

func TestHTTP(t *testing.T) {
	proto := func(depth int) io.Reader {
		b, err := request(depth).MarshalProto()
		require.NoError(t, err)
		return bytes.NewReader(b)
	}
	json := func(depth int) io.Reader {
		b, err := request(depth).MarshalJSON()
		require.NoError(t, err)
		return bytes.NewReader(b)
	}
	for name, c := range map[string]struct {
		kind string
		body io.Reader
		want int
		says string
	}{
		"protobuf":          {"application/x-protobuf", proto(20), http.StatusOK, ""},
		"deep protobuf":     {"application/x-protobuf", proto(1000), http.StatusBadRequest, "nested more than 100 deep"},
		"JSON":              {"application/json; charset=utf-8", json(20), http.StatusOK, ""},
		"deep JSON":         {"application/json", json(1000), http.StatusBadRequest, `"message":`},
		"other types pass":  {"text/plain", strings.NewReader(strings.Repeat("[", 1000)), http.StatusOK, ""},
		"unreadable":        {"application/json", iotest.ErrReader(errors.New("too large")), http.StatusBadRequest, "too large"},
		"not a type at all": {";;", strings.NewReader("x"), http.StatusOK, ""},
	} {
		t.Run(name, func(t *testing.T) {
			wrap, err := create(t).(extensionmiddleware.HTTPServer).GetHTTPHandler(t.Context())
			require.NoError(t, err)
			read := 0
			handler, err := wrap(t.Context(), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				b, err := io.ReadAll(r.Body)
				assert.NoError(t, err)
				assert.NoError(t, r.Body.Close())
				read = len(b)
			}))
			require.NoError(t, err)
			r := httptest.NewRequest(http.MethodPost, "/v1/logs", c.body)
			r.Header.Set("Content-Type", c.kind)
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, r)
			assert.Equal(t, c.want, answer.Code)
			assert.Contains(t, answer.Body.String(), c.says)
			assert.Equal(t, c.want == http.StatusOK, read > 0, "what passes passes whole")
		})
	}
}

func TestGRPC(t *testing.T) {
	options, err := create(t).(extensionmiddleware.GRPCServer).GetGRPCServerOptions(t.Context())
	require.NoError(t, err)
	server := grpc.NewServer(options...)
	received := &counting{}
	plogotlp.RegisterGRPCServer(server, received)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	client := plogotlp.NewGRPCClient(conn)

	_, err = client.Export(t.Context(), request(20))
	assert.NoError(t, err)
	_, err = client.Export(t.Context(), request(1000))
	assert.Equal(t, codes.Internal, status.Code(err))
	assert.ErrorContains(t, err, "nested more than 100 deep")
	assert.Equal(t, 1, received.records)

	require.NoError(t, conn.Close())
	server.Stop()
	require.NoError(t, <-served)
}

func TestConfig(t *testing.T) {
	for depth, valid := range map[int]bool{0: false, 15: false, 16: true, 10000: true, 10001: false} {
		err := confmap.Validate(&nestinglimitextension.Config{MaxDepth: depth})
		if valid {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, "is not between 16 and 10000")
		}
	}
	assert.NoError(t, confmap.Validate(nestinglimitextension.NewFactory().CreateDefaultConfig()))
}

func TestReadmeExampleLoads(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(readme, -1)
	require.Len(t, blocks, 1)
	parsed, err := confmap.NewRetrievedFromYAML(blocks[0][1])
	require.NoError(t, err)
	whole, err := parsed.AsConf()
	require.NoError(t, err)
	sub, err := whole.Sub("extensions::nesting_limit")
	require.NoError(t, err)
	cfg := nestinglimitextension.NewFactory().CreateDefaultConfig()
	require.NoError(t, sub.Unmarshal(cfg))
	assert.NoError(t, confmap.Validate(cfg))
}

func create(t testing.TB) any {
	t.Helper()
	factory := nestinglimitextension.NewFactory()
	ext, err := factory.Create(context.Background(), extensiontest.NewNopSettings(factory.Type()), &nestinglimitextension.Config{MaxDepth: 100})
	require.NoError(t, err)
	return ext
}

// counting is an OTLP server that counts records.
type counting struct {
	plogotlp.UnimplementedGRPCServer
	records int
}

func (c *counting) Export(_ context.Context, r plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	c.records += r.Logs().LogRecordCount()
	return plogotlp.NewExportResponse(), nil
}
