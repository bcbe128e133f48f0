package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// The official SDKs, whose batches exceed the quota of their key, retry when the answer says, and lose nothing: each id is in the lake once.
func TestSDKsBackOffAsTold(t *testing.T) {
	const records, rate = 1100, 15_000 // a batch is owed for seconds: the next one comes sooner on any machine
	file := filepath.Join(t.TempDir(), "keys.yaml")
	key := func(tenant string) string {
		out, err := exec.Command(process.Binary(t), "keys", "new", "--file", file, "--tenant", tenant, "--bytes-per-second", strconv.Itoa(rate)).CombinedOutput()
		require.NoError(t, err, "%s", out)
		words := strings.Fields(string(out))
		return words[len(words)-1]
	}
	senders := []string{"go-grpc", "go-http", "python-grpc", "python-http"}
	keys := map[string]string{}
	for _, name := range senders {
		keys[name] = key(name)
	}
	p := process.Start(t, process.Settings{Env: map[string]string{"PENSTOCK_KEYS_FILE": file}, Args: []string{lakeSoon, "--set=extensions::quota::tenant_metrics=true"}})
	t.Run("senders", func(t *testing.T) {
		for _, name := range senders {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				sdk, protocol, _ := strings.Cut(name, "-")
				endpoint := p.GRPC()
				if protocol == "http" {
					endpoint = p.HTTP()
				}
				if sdk == "go" {
					send.GoLogs(t, name, endpoint, protocol == "http", map[string]string{"x-api-key": keys[name]}, records)
					return
				}
				cmd := exec.Command(ask.Python(t), "../sdk/python/backoff.py", protocol, endpoint, name, strconv.Itoa(records))
				cmd.Env = append(os.Environ(), "OTEL_EXPORTER_OTLP_HEADERS=x-api-key="+keys[name], "OTEL_EXPORTER_OTLP_TIMEOUT=60")
				out, err := cmd.CombinedOutput()
				require.NoError(t, err, "%s", out)
				assert.Contains(t, string(out), "retrying in", "it says that it was refused")
			})
		}
	})
	for _, name := range senders {
		refused, err := ask.Metric(p.Telemetry(), "otelcol_extension_quota_refused_requests", `scope="key"`, fmt.Sprintf("tenant=%q", name))
		require.NoError(t, err, name)
		assert.Positive(t, refused, name)
		// Three batches, each except the first refused once, or twice with a coarse clock. A sender that gets no delay, or ignores it, retries more
		// often.
		assert.LessOrEqual(t, refused, 6.0, name)
	}
	ask.AwaitLakeRows(t, p.Lake(), map[string]int64{"logs": int64(len(senders) * records)})
	p.Terminate(t)
	rows, err := ask.SQL(t, `select tenant, count(*), count(distinct split_part(body, ' ', 2)) from `+ask.Lake(p.Lake(), "logs")+` group by 1 order by 1`)
	require.NoError(t, err)
	var want [][]any
	for _, name := range senders {
		want = append(want, []any{name, float64(records), float64(records)})
	}
	assert.Equal(t, want, rows)
}
