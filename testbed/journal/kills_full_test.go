//go:build full

package journal

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/testbed/backends/kafka"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// Sixty times something random ends or moves at a random moment: kill -9, SIGTERM, SIGSTOP for longer than a session, a member more or
// less, a broker. The seed of a failure is in its log.
func TestTotalsSurviveSixtyRandomKills(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	k := kafka.Start(t, 3)
	f := newFleet(t, k)
	all := []*process.Process{f.gateway(), f.gateway(), f.gateway()}
	f.load(2)
	done := map[string]int{}
	for round := range 60 {
		p := all[rng.IntN(len(all))]
		f.passes(int64(5 + rng.IntN(30)))
		time.Sleep(time.Duration(rng.IntN(700)) * time.Millisecond) // any moment, not the one after an answer
		what := [...]string{"kill", "kill", "kill", "kill", "terminate", "stop", "stop", "broker"}[rng.IntN(8)]
		if round%20 == 19 {
			what = "broker"
		}
		done[what]++
		switch what {
		case "kill":
			f.kill(p)
			time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond)
			p.Restart(t)
		case "terminate":
			f.terminate(p)
			p.Restart(t)
		case "stop":
			p.Signal(t, syscall.SIGSTOP)
			f.leave(p)
			time.Sleep(time.Duration(4000+rng.IntN(6000)) * time.Millisecond) // its session may end, or not
			p.Signal(t, syscall.SIGCONT)
			f.join(p)
		case "broker":
			i := rng.IntN(3)
			k.Kill(i)
			f.passes(5)
			k.Restart(t, i)
		}
	}
	t.Log(done)
	f.reconcile()
}

// Two of three brokers are down: data that needs two in-sync replicas can't be acknowledged, so clients are told to retry; when the brokers are up
// again, everything works.
func TestWithoutInSyncReplicasNothingIsAcknowledged(t *testing.T) {
	k := kafka.Start(t, 3)
	f := newFleet(t, k)
	p := f.gateway()
	f.load(2)
	f.passes(30)
	k.Kill(1)
	k.Kill(2)
	ask.Eventually(t, func() error {
		answer, err := send.Logs(p.HTTP(), send.LogBatch("probe", 0, 1))
		if err == nil && answer.Status != http.StatusServiceUnavailable {
			err = fmt.Errorf("status %d", answer.Status)
		}
		if err == nil && answer.Header.Get("Retry-After") == "" {
			err = fmt.Errorf("no Retry-After: %s", answer.Body)
		}
		return err
	})
	before := f.metrics.Load()
	time.Sleep(3 * time.Second)
	assert.LessOrEqual(t, f.metrics.Load(), before, "nothing is acknowledged meanwhile")
	k.Restart(t, 1)
	k.Restart(t, 2)
	f.passes(30)
	close(f.stop)
	f.clients.Wait()
	want := float64(f.logs.Load() * logsPerRequest)
	eventually(t, "log rows in the lake", func() (float64, error) {
		answer, err := ask.SQL(t, `select count(*) from `+ask.Lake(f.lake, "logs")+` where service_name = 'load'`)
		if err != nil || len(answer) == 0 {
			return 0, err
		}
		return answer[0][0].(float64), nil
	}, want)
}

// One sink is down for the whole run: the others neither wait for it nor get anything twice.
func TestASinkThatIsDownDelaysNoOther(t *testing.T) {
	k := kafka.Start(t, 3)
	f := newFleet(t, k)
	dead := freeport.One(t)
	p := f.gateway("PENSTOCK_LOKI_URL", "http://"+dead)
	f.load(2)
	worst := map[string]float64{}
	for range 40 {
		f.passes(25)
		for _, group := range []string{"lake", "remote_write", "loki"} {
			lag, err := ask.Metric(p.Telemetry(), "otelcol_receiver_kafka_replay_lag", `group="`+group+`"`)
			require.NoError(t, err)
			worst[group] = max(worst[group], lag)
		}
	}
	t.Logf("largest lag in records: %v", worst)
	assert.Greater(t, worst["loki"], 500.0, "what the dead one has not taken")
	assert.Less(t, worst["lake"], worst["loki"]/2)
	assert.Less(t, worst["remote_write"], worst["loki"]/2)
	f.reconcile()
	for _, group := range []string{"lake", "remote_write"} {
		again, err := ask.Metric(p.Telemetry(), "otelcol_receiver_kafka_replay_redelivered_records", `group="`+group+`"`)
		require.NoError(t, err)
		assert.Zero(t, again, group)
	}
}
