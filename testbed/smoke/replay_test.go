package smoke

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// replay makes a job, and returns its id.
func replay(t *testing.T, p *process.Process, job string) string {
	t.Helper()
	var made struct{ Spec struct{ ID string } }
	ask.Eventually(t, func() error {
		resp, err := http.Post("http://"+p.Admin()+"/v1/replays", "application/json", bytes.NewReader([]byte(job)))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode != http.StatusCreated {
			err = fmt.Errorf("%d %s", resp.StatusCode, body)
		}
		if err == nil {
			err = json.Unmarshal(body, &made)
		}
		return err
	})
	return made.Spec.ID
}

type jobAnswer struct {
	Status struct {
		Phase, Reason string
		Counts        struct {
			Records, Items int64
			RefusedItems   int64 `json:"refused_items"`
		}
	}
}

func jobOf(p *process.Process, id string) (job jobAnswer, err error) {
	status, body, err := process.Fetch(context.Background(), "http://"+p.Admin()+"/v1/replays/"+id)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%d %s", status, body)
	}
	if err == nil {
		err = json.Unmarshal([]byte(body), &job)
	}
	return job, err
}

// ended returns an error as long as the job is not done.
func ended(p *process.Process, id string) error {
	job, err := jobOf(p, id)
	if err == nil && job.Status.Phase != "done" {
		err = fmt.Errorf("the job is %s: %s", job.Status.Phase, job.Status.Reason)
	}
	return err
}

// Where no other store takes a signal, a job brings past records of it into the lake again: live delivery and the job make two rows of each.
func TestLogsAndTracesAreReplayedIntoTheLake(t *testing.T) {
	const items = 50
	for name, start := range map[string]func(*testing.T) *process.Process{
		"standalone": func(t *testing.T) *process.Process {
			return process.Start(t, process.Settings{Args: []string{soonInTheLake}})
		},
		"gateway": func(t *testing.T) *process.Process {
			store := process.Start(t, process.Settings{})
			config := filepath.Join(t.TempDir(), "one.yaml")
			require.NoError(t, os.WriteFile(config, []byte(oneBroker), 0o600))
			return process.Start(t, process.Settings{Configs: []string{"profile:gateway", config}, Args: []string{soonInTheLake}, Env: map[string]string{
				"PENSTOCK_KAFKA_BROKERS": store.Variable("PENSTOCK_KAFKA_ENDPOINT"), "PENSTOCK_KAFKA_TOPIC_PREFIX": "lake",
			}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t)
			sdk := send.NewGoSDK(t, "shop", p.HTTP(), true)
			sdk.Emit(t, items)
			sdk.Shutdown(t)
			for _, signal := range []string{"logs", "traces"} {
				id := replay(t, p, fmt.Sprintf(`{"signal":%q,"from":"-1h","mark":true}`, signal))
				ask.Eventually(t, func() error { return ended(p, id) })
				job, err := jobOf(p, id)
				require.NoError(t, err)
				assert.EqualValues(t, items, job.Status.Counts.Items, signal)
				assert.Zero(t, job.Status.Counts.RefusedItems, signal)
			}
			ask.AwaitLakeRows(t, p.Lake(), map[string]int64{"logs": 2 * items, "traces": 2 * items})
			p.Terminate(t)
			for _, signal := range []string{"logs", "traces"} {
				assert.EqualValues(t, 2*items, ask.LakeRows(t, p.Lake(), signal), signal)
			}
		})
	}
}

// What was received in a range is replayed by: received, where rollup windows stand behind the jobs: all windows that it can have points in, whole. The
// signal may be left out for metrics.
func TestMetricsAreReplayedByTheTimeTheyWereReceived(t *testing.T) {
	p := process.Start(t, process.Settings{})
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "late")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("stock")
	dp := m.SetEmptyGauge().DataPoints().AppendEmpty()
	dp.SetTimestamp(pcommon.NewTimestampFromTime(time.Now().Add(-90 * time.Minute)))
	dp.SetIntValue(7)
	answer, err := send.Metrics(p.HTTP(), md)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	id := replay(t, p, `{"from":"-1h","by":"received","keys":["*/*/late"]}`)
	ask.Eventually(t, func() error { return ended(p, id) })
	job, err := jobOf(p, id)
	require.NoError(t, err)
	assert.EqualValues(t, 1, job.Status.Counts.Items, job.Status.Reason)
}
