package conformance

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/extensions/nestinglimitextension"
	"github.com/penstockhq/penstock/extensions/retryhintextension"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// host gives a receiver its middlewares.
type host map[component.ID]component.Component

func (h host) GetExtensions() map[component.ID]component.Component { return h }

// A request that fails with an error text that is not UTF-8 (the name of a file, another server's message) must be retryable like others: the stock
// receiver alone answers it with 500, and over gRPC without a delay.
func TestErrorsWithBytesThatAreNoText(t *testing.T) {
	middlewares := host{}
	for _, f := range []extension.Factory{nestinglimitextension.NewFactory(), retryhintextension.NewFactory()} {
		e, err := f.Create(t.Context(), extensiontest.NewNopSettings(f.Type()), f.CreateDefaultConfig())
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, e.Shutdown(context.Background())) })
		middlewares[component.NewID(f.Type())] = e
	}
	ports := process.FreePorts(t, 2)
	factory := otlpreceiver.NewFactory()
	cfg := factory.CreateDefaultConfig()
	ids := []any{map[string]any{"id": "nesting_limit"}, map[string]any{"id": "retry_hint"}}
	require.NoError(t, confmap.NewFromStringMap(map[string]any{"protocols": map[string]any{
		"grpc": map[string]any{"endpoint": ports[0], "middlewares": ids}, "http": map[string]any{"endpoint": ports[1], "middlewares": ids}}}).Unmarshal(cfg))
	refusals := make(chan error, 1)
	next, err := consumer.NewLogs(func(context.Context, plog.Logs) error { return <-refusals })
	require.NoError(t, err)
	r, err := factory.CreateLogs(t.Context(), receivertest.NewNopSettings(factory.Type()), cfg, next)
	require.NoError(t, err)
	require.NoError(t, r.Start(t.Context(), middlewares))
	t.Cleanup(func() { assert.NoError(t, r.Shutdown(context.Background())) })
	e := dial(t, ports[1], ports[0])

	full := errors.New("write /data/\xff\xfe: no space left on device")
	for kind, body := range map[string][]byte{protobuf: oneLog(), jsonType: []byte(record(""))} {
		refusals <- full
		answer, err := post(t.Context(), e, kind, body)
		require.NoError(t, err)
		assert.Equal(t, http.StatusServiceUnavailable, answer.code, answer.String())
		seconds, _ := strconv.Atoi(answer.header.Get("Retry-After"))
		assert.Positive(t, seconds)
		s, err := answer.status()
		require.NoError(t, err)
		assert.EqualValues(t, codes.Unavailable, s.GetCode())

		refusals <- consumererror.NewPermanent(errors.New("never"))
		answer, err = post(t.Context(), e, kind, body)
		require.NoError(t, err)
		assert.Equal(t, http.StatusInternalServerError, answer.code, "what has a text keeps its status: %s", answer)
	}
	refusals <- full
	_, err = export(t.Context(), e, logsService, oneLog())
	require.Equal(t, codes.Unavailable, status.Code(err))
	details := status.Convert(err).Details()
	require.Len(t, details, 1)
	assert.IsType(t, &errdetails.RetryInfo{}, details[0])
}

var _ component.Host = host{}
