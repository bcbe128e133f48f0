package smoke

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// Where memory in flight is what limits, one client that asks for more than ten times as much as there is, over HTTP and gRPC at once, leaves room:
// small requests of others get through, over HTTP each at its first attempt.
func TestAHeavyClientStarvesNobody(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys.yaml")
	heavy := newKey(t, keys, "--tenant", "heavy", "--scope", "ingest")
	var small []string
	for i := range 4 {
		small = append(small, newKey(t, keys, "--tenant", fmt.Sprint("small-", i), "--scope", "ingest"))
	}
	// 2 MiB hold about three of the heavy client's requests, of which 40 are under way.
	p := process.Start(t, process.Settings{Env: map[string]string{"PENSTOCK_KEYS_FILE": keys}, Args: []string{"--set=extensions::nesting_limit::max_in_flight=2097152"}})
	conn, err := grpc.NewClient(p.GRPC(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, conn.Close()) })
	overGRPC := func(ctx context.Context, key string, logs plogotlp.ExportRequest) codes.Code {
		_, err := plogotlp.NewGRPCClient(conn).Export(metadata.AppendToOutgoingContext(ctx, "x-api-key", key), logs)
		return status.Code(err)
	}
	body := logOf("heavy", strings.Repeat("x", 150_000))
	large := plogotlp.NewExportRequestFromLogs(send.LogBatch("heavy", 0, 1))
	large.Logs().ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().SetStr(strings.Repeat("x", 150_000))

	ctx, stop := context.WithCancel(t.Context())
	var taken, refused atomic.Int64
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			for ctx.Err() == nil {
				ok := false
				if i%2 == 0 {
					answer, err := send.Post(p.HTTP(), "/v1/logs", body, "Content-Type", jsonType, "X-API-Key", heavy)
					ok = err == nil && answer.Status == http.StatusOK
				} else {
					ok = overGRPC(ctx, heavy, large) == codes.OK
				}
				if ok {
					taken.Add(1)
					continue
				}
				refused.Add(1)
				select { // it does not back off as told, and leaves the machine to others all the same
				case <-ctx.Done():
				case <-time.After(100 * time.Millisecond):
				}
			}
		})
	}
	ask.Eventually(t, func() error {
		if taken.Load() < 5 || refused.Load() < 20 {
			return fmt.Errorf("%d taken, %d refused", taken.Load(), refused.Load())
		}
		return nil
	})
	for i := range 8 {
		for j, key := range small {
			answer, err := send.Post(p.HTTP(), "/v1/logs", logOf("small", fmt.Sprint(i)), "Content-Type", jsonType, "X-API-Key", key)
			require.NoError(t, err)
			assert.Equal(t, http.StatusOK, answer.Status, "client %d: %s", j, answer.Body)
			// Over gRPC a request is decoded before its client is known, so another's may have the last of the room for that moment.
			ask.Eventually(t, func() error {
				if code := overGRPC(t.Context(), key, plogotlp.NewExportRequestFromLogs(send.LogBatch("small", i, 1))); code != codes.OK {
					return fmt.Errorf("client %d: %s", j, code)
				}
				return nil
			})
		}
	}
	stop()
	wg.Wait()
	share, err := ask.Metric(p.Telemetry(), "otelcol_extension_nesting_limit_refused_requests", `reason="share"`)
	require.NoError(t, err)
	assert.Positive(t, share)
}
