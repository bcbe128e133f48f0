package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// Jobs of their own (docs/replay.md) refill the log store of standalone from the journal. A second job over the same range adds nothing.
func TestAJobRefillsTheLogStore(t *testing.T) {
	overlay := filepath.Join(t.TempDir(), "jobs.yaml")
	require.NoError(t, os.WriteFile(overlay, []byte(`
receivers:
  kafka_replay/log_jobs: {brokers: ["${env:PENSTOCK_KAFKA_ENDPOINT}"], topic_prefix: penstock, jobs: {}}
service:
  pipelines:
    logs/logs: {receivers: [kafka_replay/logs, kafka_replay/log_jobs]}
    traces/logs: {receivers: [kafka_replay/logs, kafka_replay/log_jobs]}
`), 0o600))
	p := process.Start(t, process.Settings{Configs: []string{"profile:standalone", overlay}})
	answer, err := send.Logs(p.HTTP(), send.LogBatch("shop", 0, 100))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	rows := func(n int) func() error {
		return func() error {
			return answers(p, "stats_query", url.Values{"query": {"* | stats count() n"}}, fmt.Sprintf(`,"%d"]`, n))
		}
	}
	ask.Eventually(t, rows(100))
	p.Terminate(t)
	require.NoError(t, os.RemoveAll(filepath.Join(p.DataDir(), "logs")))
	p.Restart(t)

	for _, id := range []string{"refill", "again"} {
		body := fmt.Sprintf(`{"id":%q,"signal":"logs","from":"-1h"}`, id)
		ask.Eventually(t, func() error { // while the receiver starts it says 503
			resp, err := http.Post("http://"+p.Admin()+"/kafka_replay/log_jobs/v1/replays", "application/json", strings.NewReader(body))
			if err != nil {
				return err
			}
			if resp.StatusCode >= http.StatusMultipleChoices {
				err = errors.New(resp.Status)
			}
			return errors.Join(err, resp.Body.Close())
		})
		ask.Eventually(t, func() error {
			_, text, err := process.Fetch(context.Background(), "http://"+p.Admin()+"/kafka_replay/log_jobs/v1/replays/"+id)
			if err != nil {
				return err
			}
			var job struct {
				Status struct{ Phase, Reason string }
			}
			if err := json.Unmarshal([]byte(text), &job); err != nil {
				return err
			}
			if job.Status.Phase != "done" {
				return fmt.Errorf("the job is %s: %s", job.Status.Phase, job.Status.Reason)
			}
			return nil
		})
		ask.Eventually(t, rows(100))
	}
}
