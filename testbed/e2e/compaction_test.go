package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// The gateway is killed while it writes the files of a past hour and merges them: each acknowledged record is there once, in one file in the end. The README's
// query for exact globs gives the same.
func TestMergesSurviveKills(t *testing.T) { killMerging(t, 3, 1) }

func killMerging(t *testing.T, kills int, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	p := process.New(t, process.Settings{Args: []string{
		"--set=receivers::kafka_replay/lake::follow::range::max_wait=20ms",
		"--set=extensions::lake::interval=1s", "--set=extensions::lake::lease=3s",
		"--set=extensions::lake::compaction::delay=0s", "--set=extensions::lake::compaction::quiet=0s",
	}})
	p.Begin(t)
	p.AwaitHealthy(t)
	var loads []*send.Load
	merged := func() (n int) {
		for _, f := range ask.LakeFiles(t, p.Lake(), "logs") {
			if strings.Contains(f, "/z0") {
				n++
			}
		}
		return n
	}
	for i := range kills {
		load := send.StartLoadFrom(3*time.Hour, fmt.Sprint("load", i), p.HTTP(), 2, 10)
		ask.Eventually(t, func() error {
			if merged() == 0 || load.Acknowledged() < 200 {
				return fmt.Errorf("nothing was merged yet")
			}
			return nil
		})
		time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond) // a moment between two passes, or in one
		p.Kill()
		load.Stop()
		loads = append(loads, load)
		p.Restart(t)
	}
	acknowledged := 0
	for _, l := range loads {
		acknowledged += l.Acknowledged()
	}
	ask.Eventually(t, func() error {
		files := ask.LakeFiles(t, p.Lake(), "logs")
		if len(files) > 4 { // the hour may turn while records are sent, and the gateway logs of itself
			return fmt.Errorf("%d files", len(files))
		}
		if rows := ask.LakeRows(t, p.Lake(), "logs"); rows < int64(acknowledged) {
			return fmt.Errorf("%d rows of %d", rows, acknowledged)
		}
		return nil
	})
	p.Terminate(t)
	for i, load := range loads {
		found := exactGlob(t, p.Lake(), fmt.Sprintf("SELECT (substr(body, 4)::INT // 10), count(*), count(DISTINCT body) FROM read_parquet(getvariable('files'), union_by_name=true) WHERE service_name = 'load%d' GROUP BY ALL", i))
		rows, distinct := map[int]int{}, map[int]int{}
		for _, r := range found {
			batch := int(r[0].(float64))
			rows[batch], distinct[batch] = int(r[1].(float64)), int(r[2].(float64))
		}
		doubled, _, err := load.Reconcile(rows, distinct)
		require.NoError(t, err)
		assert.Zero(t, doubled)
	}
	t.Logf("%d records acknowledged, %v rows in %d files", acknowledged, exactGlob(t, p.Lake(), "")[0][0], len(ask.LakeFiles(t, p.Lake(), "logs")))
}

// exactGlob runs the query of the extension's README, or another one in place of its last statement: the gateway may have stopped in the middle of a merge.
func exactGlob(t *testing.T, lake, query string) (rows [][]any) {
	t.Helper()
	code := `
import sys, json, duckdb
db = duckdb.connect()
db.execute("SET enable_progress_bar = false")
*before, last = [s for s in sys.argv[1].split(";") if s.strip()]
for s in before: db.execute(s)
print(json.dumps(db.execute(sys.argv[2] or last).fetchall(), default=str))
`
	out, err := exec.Command(ask.Python(t), "-c", code, strings.ReplaceAll(block(t, "../../extensions/lakeextension/README.md", "sql"), "'lake/", "'"+lake+"/"), query).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, json.Unmarshal(out, &rows), "%s", out)
	return rows
}
