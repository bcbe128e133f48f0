//go:build full

package journal

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/backends/kafka"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// Three gateways share a Kafka of three brokers. A job replays logs into the lake while clients go on sending, and thirty times a gateway, the
// job's leader or another, is killed at a random moment. In the end the lake has each record once from live delivery, and each one that was sent
// before the job once more from the job. Ids are counted by a reader that knows nothing of either. The seed of a failure is in its log.
func TestAJobIntoTheLakeSurvivesThirtyRandomKills(t *testing.T) {
	const (
		kills     = 30
		before    = 1200 // requests of each signal
		perSecond = 15
	)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	f := newFleet(t, kafka.Start(t, 3))
	all := []*process.Process{f.gateway(), f.gateway(), f.gateway()}
	for n := range before {
		f.both(n)
	}
	f.requests.Store(before)
	to := time.Now().Add(2 * time.Millisecond).Truncate(time.Millisecond).UTC()
	ask.Eventually(t, func() error { // Data that arrives now is newer than the range.
		if !time.Now().After(to) {
			return fmt.Errorf("not yet %s", to)
		}
		return nil
	})
	makeJob(t, all[0], fmt.Sprintf(`{"id":"again","signal":"logs","from":"-1h","to":%q,"mark":true,"records_per_second":%d,"yield":false}`,
		to.Format(time.RFC3339Nano), perSecond))
	f.load(2)
	running := 0
	for range kills {
		p := all[rng.IntN(len(all))]
		f.passes(int64(5 + rng.IntN(30)))
		time.Sleep(time.Duration(rng.IntN(1500)) * time.Millisecond) // any moment, not the one after an answer
		_, answer := askReplays(t, p, http.MethodGet, "/again", "")
		if status, _ := answer["status"].(map[string]any); status["phase"] != "done" {
			running++
		}
		p.Kill()
		time.Sleep(time.Duration(rng.IntN(2000)) * time.Millisecond) // its session may end, or not
		p.Restart(t)
	}
	t.Logf("%d of %d kills while the job ran", running, kills)
	require.Greater(t, running, kills/2)
	counts := finished(t, all[0], "again")
	require.EqualValues(t, before, counts["records"])
	require.EqualValues(t, before*logsPerRequest, counts["items"])
	close(f.stop)
	f.clients.Wait()

	live, again := float64(f.requests.Load()*logsPerRequest), float64(before*logsPerRequest)
	eventually(t, "log rows in the lake", func() (float64, error) { return float64(ask.LakeRows(t, f.lake, "logs")), nil }, live+again)
	got, err := ask.SQL(t, `select coalesce(attributes['penstock.replay.id'], 'live') as by, count(*), count(distinct body), max(cast(split_part(body, ' ', 2) as int))
		from `+ask.Lake(f.lake, "logs")+` group by 1 order by 1`)
	require.NoError(t, err)
	require.Equal(t, [][]any{{"again", again, again, again - 1}, {"live", live, live, live - 1}}, got, "by whom, rows, distinct ids, the largest")
}
