package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// A job replays logs into the lake, and the process is killed at random moments of it: when the job is done, the lake has each record that was
// sent once from live delivery and once from the job. The ids are counted by a reader that knows nothing of either. The seed of a failure is in
// its log.
//
// Each start has another number of workers, and cuts ranges elsewhere by it: a range that a kill ended comes again with the bounds that are on
// record, and replaces its files. Without recorded ranges its rows stand in files of both runs.
func TestKillInTheMiddleOfAJobIntoTheLake(t *testing.T) {
	const (
		requests, perRequest = 600, 20
		perSecond            = 240 // of requests; a range of the job is that, divided by the workers
		id                   = "again"
	)
	workers := []int{4, 3, 2, 1} // of each start
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	start := func(workers int) *process.Process {
		return process.Start(t, process.Settings{DataDir: dir, Args: []string{
			"--set=receivers::kafka_replay/lake::follow::range::max_wait=200ms", fmt.Sprint("--set=receivers::kafka_replay/jobs::jobs::workers=", workers),
		}})
	}
	p := start(workers[0])
	for i := range requests {
		logs := send.LogBatch("load", i*perRequest, perRequest)
		logs.ResourceLogs().At(0).Resource().Attributes().PutStr("tenant.id", fmt.Sprint("team-", i/7%4)) // seven in a row are a file, which the end of a range divides
		answer, err := send.Logs(p.HTTP(), logs)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	}
	status, answer := replays(t, p, http.MethodPost, "", fmt.Sprintf(
		`{"id":%q,"signal":"logs","from":"-1h","mark":true,"records_per_second":%d,"yield":false}`, id, perSecond))
	require.Equal(t, http.StatusCreated, status, "%v", answer)
	for kill, next := range workers[1:] {
		replayed := awaitReplayed(t, p, id, (kill+1)*requests/(len(workers)+1))
		time.Sleep(time.Duration(rng.IntN(400)) * time.Millisecond) // any moment, not the one after a range
		p.Kill()
		t.Logf("killed when %v of %d requests were replayed, or a little later", replayed, requests)
		p = start(next)
	}
	ask.Eventually(t, func() error { return jobIs(t, p, id, "done") })
	_, job := replays(t, p, http.MethodGet, "/"+id, "")
	counts, _ := job["status"].(map[string]any)["counts"].(map[string]any)
	require.EqualValues(t, requests, counts["records"], "%v", job)
	require.EqualValues(t, requests*perRequest, counts["items"], "%v", job)

	const rows = float64(requests * perRequest)
	ask.AwaitLakeRows(t, p.Lake(), map[string]int64{"logs": 2 * int64(rows)}) // Data that live delivery still collects is sent automatically.
	p.Terminate(t)
	got, err := ask.SQL(t, `select coalesce(attributes['penstock.replay.id'], 'live') as by, count(*), count(distinct body), min(cast(split_part(body, ' ', 2) as int)), max(cast(split_part(body, ' ', 2) as int))
		from `+ask.Lake(p.Lake(), "logs")+` where service_name = 'load' group by 1 order by 1`)
	require.NoError(t, err)
	require.Equal(t, [][]any{{id, rows, rows, 0.0, rows - 1}, {"live", rows, rows, 0.0, rows - 1}}, got, "by whom, rows, distinct ids, the least, the largest")
}

// awaitReplayed waits until a job has delivered so many records, and returns how many it has.
func awaitReplayed(t *testing.T, p *process.Process, id string, records int) (n float64) {
	t.Helper()
	ask.Eventually(t, func() error {
		_, job := replays(t, p, http.MethodGet, "/"+id, "")
		status, _ := job["status"].(map[string]any)
		counts, _ := status["counts"].(map[string]any)
		if n, _ = counts["records"].(float64); n < float64(records) {
			return fmt.Errorf("%v records: %v", n, job)
		}
		return nil
	})
	return n
}
