//go:build full

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// A start after a crash with a million series in the write-ahead log: the health check answers at once, the TSDB reports that it is not ready, and
// data that is written meanwhile arrives.
func TestStartWithAMillionSeriesInTheWAL(t *testing.T) {
	const (
		series  = 1_000_000
		samples = 10
		chunk   = 10_000
	)
	p := process.Start(t, process.Settings{})
	begin := time.Now().Add(-samples * 15 * time.Second)
	for s := range samples {
		at := begin.Add(time.Duration(s) * 15 * time.Second).UnixMilli()
		for first := 0; first < series; first += chunk {
			remoteWrite(t, p.TSDB(), first, chunk, at)
		}
	}
	p.Kill()

	p.Begin(t)
	started := time.Now()
	p.AwaitHealthy(t)
	t.Logf("the health check answers %s after the start", time.Since(started).Round(time.Millisecond))
	status, body, err := process.Fetch(context.Background(), "http://"+p.TSDB()+"/api/v1/query?query=1")
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, status, "the log can't have been read yet: %s", body)

	sdk := send.NewGoSDK(t, "early", p.HTTP(), true)
	sdk.Emit(t, 100)
	sdk.Shutdown(t)
	ask.Eventually(t, func() error {
		got, err := ask.PromValue(p.TSDB(), `sum(requests_total{job="early"})`)
		if err == nil && got != 100 {
			err = fmt.Errorf("requests_total = %v", got)
		}
		return err
	})
	t.Logf("what was written meanwhile is there %s after the start", time.Since(started).Round(time.Millisecond))
	count, err := ask.PromValue(p.TSDB(), `count(wal_test)`)
	require.NoError(t, err)
	assert.EqualValues(t, series, count)
}

// remoteWrite sends one sample of each of n series.
func remoteWrite(t *testing.T, address string, first, n int, at int64) {
	t.Helper()
	request := prompb.WriteRequest{Timeseries: make([]prompb.TimeSeries, n)}
	for i := range n {
		request.Timeseries[i] = prompb.TimeSeries{
			Labels:  []prompb.Label{{Name: "__name__", Value: "wal_test"}, {Name: "instance", Value: fmt.Sprint(first + i)}},
			Samples: []prompb.Sample{{Timestamp: at, Value: float64(i)}},
		}
	}
	raw, err := request.Marshal()
	require.NoError(t, err)
	req, err := http.NewRequest(http.MethodPost, "http://"+address+"/api/v1/write", bytes.NewReader(snappy.Encode(nil, raw)))
	require.NoError(t, err)
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusNoContent, resp.StatusCode)
}
