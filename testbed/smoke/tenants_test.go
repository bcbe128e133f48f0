package smoke

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// A resource whose name can't be a tenant's costs its own records alone, and the client hears how many and why, over both protocols.
func TestABadTenantIsInTheAnswer(t *testing.T) {
	p := process.Start(t, process.Settings{Args: []string{soonInTheLake}})
	ld := plog.NewLogs()
	for tenant, records := range map[string]int{"acme": 1, "a/b": 2, strings.Repeat("x", 151): 3} {
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("tenant.id", tenant)
		sl := rl.ScopeLogs().AppendEmpty()
		for range records {
			sl.LogRecords().AppendEmpty().Body().SetStr("line")
		}
	}
	request := plogotlp.NewExportRequestFromLogs(ld)
	check := func(response plogotlp.ExportResponse) {
		t.Helper()
		assert.EqualValues(t, 5, response.PartialSuccess().RejectedLogRecords())
		assert.Contains(t, response.PartialSuccess().ErrorMessage(), "resource attribute tenant.id: not a tenant's name: ")
	}
	conn, err := grpc.NewClient(p.GRPC(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	response, err := plogotlp.NewGRPCClient(conn).Export(t.Context(), request)
	require.NoError(t, err)
	check(response)

	body, err := request.MarshalJSON()
	require.NoError(t, err)
	answer, err := send.Post(p.HTTP(), "/v1/logs", body, "Content-Type", jsonType)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	response = plogotlp.NewExportResponse()
	require.NoError(t, response.UnmarshalJSON([]byte(answer.Body)))
	check(response)

	refused, err := ask.Metric(p.Telemetry(), "otelcol_processor_kafka_replay_refused_items", `reason="tenant"`)
	require.NoError(t, err)
	assert.EqualValues(t, 10, refused)
	ask.Eventually(t, func() error {
		if n := ask.LakeRows(t, p.Lake(), "logs"); n != 2 {
			return fmt.Errorf("%d rows", n)
		}
		return nil
	})
	p.Terminate(t)
}
