//go:build full

package e2e

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// newKey makes a key whose quota is rate bytes a second.
func newKey(t *testing.T, file, tenant string, rate int) string {
	t.Helper()
	out, err := exec.Command(process.Binary(t), "keys", "new", "--file", file, "--tenant", tenant, "--bytes-per-second", strconv.Itoa(rate)).CombinedOutput()
	require.NoError(t, err, "%s", out)
	words := strings.Fields(string(out))
	return words[len(words)-1]
}

// javaJars is the directory that testbed/sdk/java/Makefile fills.
func javaJars(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../build/sdk/java")
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(path, ".complete"), "run `make java` first")
	return path
}

// The SDK for Java, whose batches exceed the quota of their key, retries until it is admitted, and loses nothing. It waits by its own backoff, not
// by the delay in the answer.
func TestTheJavaSDKBacksOff(t *testing.T) {
	const records, rate = 1100, 80_000
	file, jars := filepath.Join(t.TempDir(), "keys.yaml"), javaJars(t)
	keys := map[string]string{"java-grpc": newKey(t, file, "java-grpc", rate), "java-http": newKey(t, file, "java-http", rate)}
	p := process.Start(t, process.Settings{Env: map[string]string{"PENSTOCK_KEYS_FILE": file}, Args: []string{"--set=extensions::quota::tenant_metrics=true"}})
	for name, key := range keys {
		endpoint := p.GRPC()
		if strings.HasSuffix(name, "http") {
			endpoint = p.HTTP()
		}
		cmd := exec.Command("java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", jars+"/*", "../sdk/java/Backoff.java", name[len("java-"):], endpoint, name, strconv.Itoa(records))
		cmd.Env = append(os.Environ(), "KEY="+key)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", name, out)
		refused, err := ask.Metric(p.Telemetry(), "otelcol_extension_quota_refused_requests", `scope="key"`, `tenant="`+name+`"`)
		require.NoError(t, err, "%s was never refused: %s", name, out)
		assert.LessOrEqual(t, refused, 10.0, name)
	}
	p.Terminate(t)
	rows, err := ask.SQL(t, `select tenant, count(*), count(distinct split_part(body, ' ', 2)) from `+ask.Lake(p.Lake(), "logs")+` group by 1 order by 1`)
	require.NoError(t, err)
	assert.Equal(t, [][]any{{"java-grpc", float64(records), float64(records)}, {"java-http", float64(records), float64(records)}}, rows)
}

// A quota holds within 2 % over a minute in real time, while its sender offers ten times as much over HTTP and comes at once when it is refused.
func TestAQuotaHoldsOverAMinute(t *testing.T) {
	const rate, length = 50_000, time.Minute
	file := filepath.Join(t.TempDir(), "keys.yaml")
	key := newKey(t, file, "acme", rate)
	p := process.Start(t, process.Settings{Env: map[string]string{"PENSTOCK_KEYS_FILE": file}})
	body, err := plogotlp.NewExportRequestFromLogs(send.LogBatch("load", 0, 10)).MarshalProto()
	require.NoError(t, err)
	body = append(body, bytes.Repeat([]byte{0x7a, 0}, (1000-len(body))/2)...) // an unknown field of no length, until it has about 1000 bytes
	var offered, taken atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	begun := time.Now()
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				// Each sender offers 1.25 times the quota.
				due := begun.Add(time.Duration(offered.Add(int64(len(body)))) * time.Second / (10 * rate))
				time.Sleep(time.Until(due))
				answer, err := send.Post(p.HTTP(), "/v1/logs", body, "Content-Type", "application/x-protobuf", "X-API-Key", key)
				if err == nil && answer.Status == http.StatusOK {
					taken.Add(int64(len(body)))
				}
			}
		})
	}
	time.Sleep(time.Until(begun.Add(length)))
	stop()
	wg.Wait()
	seconds := time.Since(begun).Seconds()
	t.Logf("in %.1f s: %d bytes offered, %.1f times the quota; %d taken, %.4f of it", seconds, offered.Load(), float64(offered.Load())/seconds/rate, taken.Load(), float64(taken.Load())/seconds/rate)
	assert.InEpsilon(t, rate*(seconds+1), taken.Load(), 0.02, "the rate, and a burst of a second")
}
