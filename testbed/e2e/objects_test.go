package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/objects"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// The lake is in an object store that answers badly, and the gateway is killed in the middle: each acknowledged record is there once, as DuckDB
// reads the objects and as pyarrow reads the store itself.
func TestTheLakeInAnObjectStoreSurvivesFaultsAndKills(t *testing.T) { killIntoStore(t, 2, 1) }

func sum(counts map[string]int) (all int) {
	for _, n := range counts {
		all += n
	}
	return all
}

// reconcile compares what the lake in dir has of load i with what was acknowledged.
func reconcile(t *testing.T, dir string, i int, load *send.Load) (doubled, unacknowledged int, err error) {
	t.Helper()
	found, err := ask.SQL(t, fmt.Sprintf("SELECT (substr(body, 4)::INT // 10), count(*), count(DISTINCT body) FROM %s WHERE service_name = 'load%d' GROUP BY ALL", ask.Lake(dir, "logs"), i))
	if err != nil {
		return 0, 0, err
	}
	rows, distinct := map[int]int{}, map[int]int{}
	for _, r := range found {
		batch := int(r[0].(float64))
		rows[batch], distinct[batch] = int(r[1].(float64)), int(r[2].(float64))
	}
	return load.Reconcile(rows, distinct)
}

// killIntoStore kills the gateway so many times while it writes to a store that fails one request in three.
func killIntoStore(t *testing.T, kills int, seed uint64) {
	store := objects.Start(t, seed)
	store.Faults(0.3)
	p := process.New(t, process.Settings{Env: store.Env(), Args: []string{
		"--set=receivers::kafka_replay/lake::follow::range::max_wait=50ms",
		"--set=exporters::parquet::retry_on_failure::initial_interval=50ms", "--set=exporters::parquet::retry_on_failure::max_interval=200ms",
	}})
	p.Begin(t)
	p.AwaitHealthy(t)
	var loads []*send.Load
	for i := range kills {
		load := send.StartLoadOf(fmt.Sprint("load", i), p.HTTP(), 4, 10)
		load.Await(t, 1000)
		ask.Eventually(t, func() error {
			if met := sum(store.Met()); met < 20*(i+1) {
				return fmt.Errorf("%d faults met", met)
			}
			return nil
		})
		p.Kill()
		load.Stop()
		loads = append(loads, load)
		p.Restart(t)
	}
	acknowledged := 0
	for _, l := range loads {
		acknowledged += l.Acknowledged()
	}
	store.Faults(0)
	ask.Eventually(t, func() error { // counting rows is not enough: some were stored whose sender had no answer
		if got := store.Rows(t, "logs"); got < int64(acknowledged) {
			return fmt.Errorf("%d of %d rows", got, acknowledged)
		}
		dir := t.TempDir()
		store.Download(t, dir)
		for i, load := range loads {
			if _, _, err := reconcile(t, dir, i, load); err != nil {
				return err
			}
		}
		return nil
	})
	p.Terminate(t)
	met := store.Met()
	t.Logf("%d records acknowledged, faults met: %v", acknowledged, met)
	for _, fault := range objects.Kinds {
		assert.Positive(t, met[fault], fault)
	}

	dir := t.TempDir()
	store.Download(t, dir)
	for i, load := range loads {
		doubled, unacknowledged, err := reconcile(t, dir, i, load)
		require.NoError(t, err)
		assert.Zero(t, doubled)
		t.Logf("%d records are there whose sender had no answer", unacknowledged)
	}
	out, err := exec.Command(ask.Python(t), "-c", strings.ReplaceAll(`
import pyarrow.dataset, pyarrow.fs
s3 = pyarrow.fs.S3FileSystem(access_key="key", secret_key="secret", endpoint_override="HOST", scheme="http", region="us-east-1")
print(pyarrow.dataset.dataset("lake/some/lake/logs", filesystem=s3, partitioning="hive").count_rows())
`, "HOST", strings.TrimPrefix(store.URL, "http://"))).CombinedOutput()
	require.NoError(t, err, "%s", out)
	total, err := ask.SQL(t, "SELECT count(*) FROM "+ask.Lake(dir, "logs"))
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprintf("%.0f\n", total[0][0]), string(out))
}
