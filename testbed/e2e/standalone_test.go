package e2e

import (
	"fmt"
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// batch is the number of records in one request of a load.
const batch = 500

// The official Python SDK over both transports; PromQL and SQL return exactly what it sent.
func TestPythonSDK(t *testing.T) {
	const requests = 2000
	for _, protocol := range []string{"grpc", "http"} {
		t.Run(protocol, func(t *testing.T) {
			p := process.Start(t, process.Settings{Args: []string{lakeSoon}})
			endpoint := p.GRPC()
			if protocol == "http" {
				endpoint = p.HTTP()
			}
			out, err := exec.Command(ask.Python(t), "../sdk/python/send.py", protocol, endpoint, "shop", strconv.Itoa(requests)).CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.Empty(t, string(out), "the SDK has nothing to complain about")

			ask.Eventually(t, func() error {
				got, err := ask.PromValue(p.TSDB(), `sum(requests_total{job="shop",http_route="/"})`)
				if err == nil && got != requests {
					err = fmt.Errorf("requests_total = %v", got)
				}
				return err
			})
			ask.AwaitLakeRows(t, p.Lake(), map[string]int64{"logs": requests, "traces": requests})
			p.Terminate(t)
			for _, signal := range []string{"logs", "traces"} {
				rows, err := ask.SQL(t, `select count(*), count(distinct span_id) from `+ask.Lake(p.Lake(), signal)+` where service_name = 'shop'`)
				require.NoError(t, err)
				assert.Equal(t, [][]any{{float64(requests), float64(requests)}}, rows, signal)
			}
		})
	}
}

// A gateway that is stopped answers the requests that it has accepted, and every acknowledged request is in the lake, once.
func TestSIGTERMInTheMiddleOfALoad(t *testing.T) {
	p := process.Start(t, process.Settings{})
	load := send.StartLoad(p.HTTP(), 4, batch)
	load.Await(t, 20_000)
	p.Terminate(t)
	load.Stop()

	p.Restart(t) // the rest of the journal is delivered now
	var doubled, unacknowledged int
	ask.Eventually(t, func() (err error) {
		doubled, unacknowledged, err = load.Reconcile(stored(t, p))
		return err
	})
	assert.Zero(t, doubled, "records that the lake has twice")
	assert.Zero(t, unacknowledged, "records that the lake has and the client was not told about")
}

// A crash at any moment costs nothing that was acknowledged, and counts nothing twice.
func TestKillInTheMiddleOfALoad(t *testing.T) {
	for round := range 3 {
		p := process.Start(t, process.Settings{Args: []string{"--set=receivers::kafka_replay/lake::follow::range::max_wait=500ms"}})
		load := send.StartLoad(p.HTTP(), 4, batch)
		load.Await(t, 10_000+round*5_000)
		p.Kill()
		load.Stop()

		p.Restart(t)
		var doubled, unacknowledged int
		ask.Eventually(t, func() (err error) {
			doubled, unacknowledged, err = load.Reconcile(stored(t, p))
			return err
		})
		p.Terminate(t) // the lake's collected records are written now
		doubled, unacknowledged, err := load.Reconcile(stored(t, p))
		require.NoError(t, err)
		assert.Zero(t, doubled, "records that the lake has twice")
		t.Logf("round %d: acknowledged %d, stored without an answer %d", round, load.Acknowledged(), unacknowledged)
	}
}

// stored counts the rows and the distinct ids that the lake has of each batch of a load.
func stored(t *testing.T, p *process.Process) (rows, distinct map[int]int) {
	t.Helper()
	rows, distinct = map[int]int{}, map[int]int{}
	if len(ask.LakeFiles(t, p.Lake(), "logs")) == 0 {
		return rows, distinct
	}
	answer, err := ask.SQL(t, fmt.Sprintf(`
		with ids as (select cast(split_part(body, ' ', 2) as bigint) as id from %s where service_name = 'load')
		select id // %d, count(*), count(distinct id) from ids group by 1`, ask.Lake(p.Lake(), "logs"), batch))
	require.NoError(t, err)
	for _, row := range answer {
		number := int(row[0].(float64))
		rows[number], distinct[number] = int(row[1].(float64)), int(row[2].(float64))
	}
	return rows, distinct
}
