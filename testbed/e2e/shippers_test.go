package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// Clients that were made for Elasticsearch, OpenSearch, Loki and Splunk send to Penstock as they are: every id comes out of the lake once,
// with its time, level and origin.
func TestClientsOfOtherServers(t *testing.T) {
	const records = 1000
	for client, c := range map[string]struct {
		id    string // of a record, in SQL
		wrong string // condition of records that are not as the client meant them
	}{
		"elasticsearch": {`cast(attributes['log.record.uid'] as bigint)`, `body <> 'id ' || attributes['log.record.uid'] or time_unix_nano <> 1795910400000000000 + 1000000 * cast(attributes['event.sequence'] as bigint)
			or service_name <> 'elasticsearch' or severity_number <> 13 or attributes['elasticsearch.index'] <> 'logs-shop-prod'`},
		"opensearch":          {`cast(attributes['log.record.uid'] as bigint)`, `body <> 'id ' || attributes['log.record.uid'] or service_name <> 'opensearch' or severity_number <> 13`},
		"logging-loki":        {`cast(split_part(body, ' ', 2) as bigint)`, `service_name <> 'logging-loki' or severity_number <> 13 or time_unix_nano < 1.7e18`},
		"loki-logger-handler": {`cast(split_part(body::json ->> 'message', ' ', 2) as bigint)`, `service_name <> 'loki-logger-handler' or attributes['shop'] <> 'berlin'`},
		"splunk-handler":      {`cast(split_part(body, ' ', 2) as bigint)`, `host_name <> 'shop-1' or resource_attributes['com.splunk.index'] <> 'main' or time_unix_nano < 1.7e18`},
		"splunk-hec-handler":  {`cast(split_part(body::json ->> 'message', ' ', 2) as bigint)`, `host_name <> 'shop-1' or severity_number <> 13 or resource_attributes['com.splunk.source'] <> 'ship.py'`},
	} {
		t.Run(client, func(t *testing.T) {
			p := process.Start(t, process.Settings{Args: []string{lakeSoon}})
			out, err := exec.Command(ask.Python(t), "../sdk/python/ship.py", client, p.Ingest(), strconv.Itoa(records)).CombinedOutput()
			require.NoError(t, err, "%s", out)
			awaitLake(t, p, records)
			p.Terminate(t)
			rows, err := ask.SQL(t, fmt.Sprintf(`select count(*), count(distinct %[1]s), min(%[1]s), max(%[1]s), count(*) filter (where (%[2]s) is not false) from %[3]s`,
				c.id, c.wrong, ask.Lake(p.Lake(), "logs")))
			require.NoError(t, err, "%s", out)
			assert.Equal(t, [][]any{{float64(records), float64(records), float64(0), float64(records - 1), float64(0)}}, rows, "%s", out)
		})
	}
}

// lakeSoon makes the lake write its records soon; by default it waits 30 s for more.
const lakeSoon = "--set=receivers::kafka_replay/lake::follow::range::max_wait=500ms"

// awaitLake waits until the lake has n log records: what only the journal has when a process ends reaches the lake with the next start.
func awaitLake(t *testing.T, p *process.Process, n float64) {
	t.Helper()
	ask.Eventually(t, func() error {
		sent, err := ask.Metric(p.Telemetry(), "otelcol_exporter_sent_log_records", `exporter="parquet"`)
		if err == nil && sent != n {
			err = fmt.Errorf("the lake has %v", sent)
		}
		return err
	})
}

// Penstock's own exporter for Loki is a client of Loki's push API, in protobuf: what goes through two Penstocks is what went into one.
func TestTheLokiExporterAsAClient(t *testing.T) {
	const records = 500
	second := process.Start(t, process.Settings{Args: []string{lakeSoon}})
	first := process.Start(t, process.Settings{Args: []string{lakeSoon}, Env: map[string]string{"PENSTOCK_LOKI_URL": "http://" + second.Ingest()}})
	answer, err := send.Logs(first.HTTP(), send.LogBatch("shop", 0, records))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.Status)
	ask.Eventually(t, func() error {
		got, err := ask.Metric(second.Telemetry(), "otelcol_receiver_accepted_log_records", `receiver="ingest"`)
		if err == nil && got != records {
			err = fmt.Errorf("accepted %v", got)
		}
		return err
	})
	awaitLake(t, first, records)
	awaitLake(t, second, records)
	first.Terminate(t)
	second.Terminate(t)
	for _, p := range []*process.Process{first, second} {
		rows, err := ask.SQL(t, `select count(*), count(distinct body), min(service_name), max(service_name) from `+ask.Lake(p.Lake(), "logs"))
		require.NoError(t, err)
		assert.Equal(t, [][]any{{float64(records), float64(records), "shop", "shop"}}, rows)
	}
}

// A shipper that resends unanswered requests while the gateway is killed loses nothing and doubles nothing.
func TestBulkRequestsOverKills(t *testing.T) {
	const clients, requests, documents = 4, 60, 50
	p := process.Start(t, process.Settings{Args: []string{lakeSoon}})
	var wg sync.WaitGroup
	progress := make(chan struct{}, clients*requests)
	for c := range clients {
		wg.Go(func() {
			for r := range requests {
				var body bytes.Buffer
				for d := range documents {
					id := (c*requests+r)*documents + d
					fmt.Fprintf(&body, `{"index":{"_index":"load"}}`+"\n"+`{"@timestamp":%d,"message":"id %d"}`+"\n", 1795910400000+id, id)
				}
				for {
					answer, err := send.Post(p.Ingest(), "/_bulk", body.Bytes(), "Content-Type", "application/x-ndjson")
					if err == nil && answer.Status == http.StatusOK {
						break
					}
				}
				progress <- struct{}{}
			}
		})
	}
	for range 3 {
		for range clients * requests / 4 {
			<-progress
		}
		p.Kill()
		p.Restart(t)
	}
	wg.Wait()
	count := `select count(*), count(distinct body) from ` + ask.Lake(p.Lake(), "logs")
	ask.Eventually(t, func() error {
		rows, err := ask.SQL(t, count)
		if err == nil && rows[0][1] != float64(clients*requests*documents) {
			err = fmt.Errorf("the lake has %v", rows)
		}
		return err
	})
	p.Terminate(t)
	rows, err := ask.SQL(t, count)
	require.NoError(t, err)
	assert.Equal(t, [][]any{{float64(clients * requests * documents), float64(clients * requests * documents)}}, rows)
}

// Metric events of Splunk's collector are available in PromQL; a request that is sent twice counts once in the lake.
func TestSplunkMetricsAndRepetitions(t *testing.T) {
	p := process.Start(t, process.Settings{Args: []string{lakeSoon}})
	answer, err := send.Post(p.Ingest(), "/services/collector", []byte(`{"event":"metric","host":"shop-1","fields":{"metric_name:cpu.busy":0.75,"core":"1","service":"shop"}}`), "Authorization", "Splunk token")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.Status, "%s", answer.Body)
	ask.Eventually(t, func() error {
		got, err := ask.PromValue(p.TSDB(), `{__name__=~"cpu_busy|cpu.busy", core="1", job="shop"}`)
		if err == nil && got != 0.75 {
			err = fmt.Errorf("cpu_busy = %v", got)
		}
		return err
	})
	line, err := json.Marshal(map[string]any{"time": 1795910400.25, "event": "once", "fields": map[string]string{"k": "v", "l": "w", "m": "x"}})
	require.NoError(t, err)
	for range 3 {
		answer, err := send.Post(p.Ingest(), "/services/collector/event", line)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.Status, "%s", answer.Body)
	}
	ask.AwaitLakeRows(t, p.Lake(), map[string]int64{"logs": 1})
	p.Terminate(t)
	assert.EqualValues(t, 1, ask.LakeRows(t, p.Lake(), "logs"))
}
