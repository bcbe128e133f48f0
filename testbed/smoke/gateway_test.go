package smoke

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// A queue that is full tells an OTLP client to come back and when, over both protocols; what was accepted before is kept.
func TestGatewayWithAFullQueueTellsWhenToComeBack(t *testing.T) {
	dead := freeport.One(t)
	p := process.Start(t, process.Settings{
		Configs: []string{"profile:gateway"},
		Env:     map[string]string{"PENSTOCK_LAKE_URL": "off", "PENSTOCK_OTLP_EXPORT_ENDPOINT": dead},
		Args:    []string{"--set=exporters::otlp_grpc/forward::sending_queue::queue_size=200000"},
	})
	accepted := 0
	var answer send.Answer
	for ; accepted < 100; accepted++ {
		var err error
		answer, err = send.Logs(p.HTTP(), send.LogBatch("load", accepted*100, 100))
		require.NoError(t, err)
		if answer.Status != http.StatusOK {
			break
		}
	}
	assert.Positive(t, accepted)
	assert.Equal(t, http.StatusServiceUnavailable, answer.Status, answer.Body)
	seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
	require.NoError(t, err)
	assert.GreaterOrEqual(t, seconds, 5)
	assert.Less(t, seconds, 10)

	conn, err := grpc.NewClient(p.GRPC(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	_, err = plogotlp.NewGRPCClient(conn).Export(t.Context(), plogotlp.NewExportRequestFromLogs(send.LogBatch("load", 0, 1000)))
	refusal := status.Convert(err)
	require.Equal(t, codes.Unavailable, refusal.Code(), refusal.Message())
	require.Len(t, refusal.Details(), 1)
	delay := refusal.Details()[0].(*errdetails.RetryInfo).GetRetryDelay().AsDuration()
	assert.GreaterOrEqual(t, delay, 5*time.Second)
	assert.Less(t, delay, 10*time.Second)

	ask.Eventually(t, func() error {
		refused, err := ask.Metric(p.Telemetry(), "otelcol_receiver_refused_log_records")
		if err == nil && refused != 1100 {
			err = fmt.Errorf("%v records counted as refused", refused)
		}
		return err
	})
}

// With a Kafka that can't be reached the gateway is up at once, and tells clients to come back.
func TestGatewayWithoutItsKafkaTellsWhenToComeBack(t *testing.T) {
	dead := freeport.One(t)
	p := process.Start(t, process.Settings{Configs: []string{"profile:gateway"}, Env: map[string]string{"PENSTOCK_KAFKA_BROKERS": dead}})
	answer, err := send.Logs(p.HTTP(), send.LogBatch("load", 0, 100))
	require.NoError(t, err)
	assert.Equal(t, http.StatusServiceUnavailable, answer.Status, answer.Body)
	assert.Contains(t, answer.Body, "journal")
	seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
	require.NoError(t, err)
	assert.Positive(t, seconds)
	p.Terminate(t)
}
