package smoke

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

const receiptHeader = "penstock-receipt"

// A client that wants a receipt gets one, whatever it speaks, and the receipt says where its request is.
func TestReceipts(t *testing.T) {
	p := process.Start(t, process.Settings{Args: []string{"--set=receivers.kafka_replay/lake.follow.range.max_wait=500ms"}})
	ids := map[string]string{}
	body := []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"hello"}},{"body":{"stringValue":"again"}}]}]}]}`)
	answer, err := send.Post(p.HTTP(), "/v1/logs", body, "Content-Type", "application/json", receiptHeader, "want")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	ids["http"] = answer.Header.Get(receiptHeader)
	answer, err = send.Post(p.HTTP(), "/v1/logs", body, "Content-Type", "application/json")
	require.NoError(t, err)
	assert.Empty(t, answer.Header.Get(receiptHeader), "only those who ask")

	answer, err = send.Post(p.Ingest(), "/api/v1/logs/ingest", []byte(`[{"message":"one"},{"message":"two"}]`), "Content-Type", "application/json", receiptHeader, "want")
	require.NoError(t, err)
	require.Equal(t, http.StatusAccepted, answer.Status, answer.Body)
	ids["ingest"] = answer.Header.Get(receiptHeader)

	conn, err := grpc.NewClient(p.GRPC(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	var header metadata.MD
	_, err = plogotlp.NewGRPCClient(conn).Export(metadata.AppendToOutgoingContext(t.Context(), receiptHeader, "want"),
		plogotlp.NewExportRequestFromLogs(send.LogBatch("shop", 0, 2)), grpc.Header(&header))
	require.NoError(t, err)
	require.Len(t, header.Get(receiptHeader), 1)
	ids["grpc"] = header.Get(receiptHeader)[0]

	for how, id := range ids {
		require.NotEmpty(t, id, how)
		ask.Eventually(t, func() error {
			status, text, err := process.Fetch(context.Background(), "http://"+p.Admin()+"/v1/receipts/"+id)
			if err != nil {
				return err
			}
			var a struct {
				Records []struct {
					InJournal bool `json:"in_journal"`
					Items     int
					Sinks     map[string]struct{ State string }
				}
			}
			if err := json.Unmarshal([]byte(text), &a); err != nil {
				return err
			}
			if status != http.StatusOK || len(a.Records) != 1 || !a.Records[0].InJournal || a.Records[0].Items != 2 || a.Records[0].Sinks["lake"].State != "stored" {
				return fmt.Errorf("%s: receipt %s: %d %s", how, id, status, text)
			}
			return nil
		})
	}
}
