package faults

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/proxy"
)

// An agent and its gateway are killed at random moments, and answers between them are lost. The agent sends again what it had in flight, in
// other batches than before; behind the gateway's journal everything that the agent acknowledged is stored once.
func TestAnAgentAndItsGatewayStoreEverythingOnce(t *testing.T) {
	beside(t)
	inBatches(t, "agent and gateway: kill -9 of either, answers between them lost", 0, agentAndGateway)
}

func agentAndGateway(b *batch) {
	t, rng := b.t, rand.New(rand.NewPCG(b.moments, 13))
	b.product = "penstock agent and standalone"
	pause := func(ms int) { time.Sleep(time.Duration(rng.IntN(ms)) * time.Millisecond) }
	config := filepath.Join(t.TempDir(), "quick.yaml")
	require.NoError(t, os.WriteFile(config, []byte(quick), 0o600))
	behind := process.Start(t, process.Settings{Configs: []string{"profile:standalone", config}})
	network := proxy.New(t, behind.GRPC())
	front := process.Start(t, agent(t, network.Address))
	sent := start(front.HTTP(), 3)
	for range b.rounds {
		for _, fault := range []func(){
			front.Kill,
			behind.Kill,
			func() { network.All(proxy.NoAnswers); pause(500); front.Kill() },
			func() { network.All(proxy.NoAnswers); pause(500); network.Cut() },
		} {
			before := sent.acks()
			ask.Eventually(t, func() error {
				if sent.acks() < before+50 {
					return errors.New("nothing is acknowledged")
				}
				return nil
			})
			pause(700)
			fault()
			network.All(proxy.None)
			for _, p := range []*process.Process{front, behind} {
				if p.Ended() {
					p.Restart(t)
				}
			}
		}
	}
	sent.end()
	for table, name := range map[string]string{"logs": "body", "traces": "name", "metrics": "metric_name"} {
		signal := map[string]string{"logs": "logs", "traces": "spans", "metrics": "metrics"}[table]
		ask.Eventually(t, func() error {
			if len(ask.LakeFiles(t, behind.Lake(), table)) == 0 {
				return errors.New("the lake has no " + table)
			}
			rows, err := ask.SQL(t, fmt.Sprintf(`select %s, count(*) from %s where service_name = 'faults' group by all`, name, ask.Lake(behind.Lake(), table)))
			if err != nil {
				return err
			}
			stored := map[string]int{}
			for _, row := range rows {
				stored[fmt.Sprint(row[0])] = int(row[1].(float64))
			}
			if missing, doubled := sent.missing(signal, stored); missing > 0 || doubled > 0 {
				return fmt.Errorf("%s: of %d acknowledged items %d are missing and %d doubled", table, len(sent.acknowledged[signal])*perRequest, missing, doubled)
			}
			return nil
		})
	}
	front.Terminate(t)
	behind.Terminate(t)
	b.note(result{Product: b.product, Acknowledged: sent.acks() * perRequest})
}
