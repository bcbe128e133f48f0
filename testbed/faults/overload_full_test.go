//go:build full

package faults

import (
	"flag"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

var overload = flag.Duration("overload", 3*time.Minute, "how long twice the sustainable rate lasts")

const (
	heap        = 768 << 20 // GOMEMLIMIT of the process
	perOverload = 500       // records a request
)

// load posts log requests at a rate, or as fast as workers can when rate is 0.
type load struct {
	accepted, refused, hintless, lost atomic.Int64 // requests; hintless: refused without Retry-After
}

func (l *load) run(endpoint string, body []byte, workers int, rate float64, d time.Duration) {
	var wg sync.WaitGroup
	begin := time.Now()
	var next atomic.Int64
	for range workers {
		wg.Go(func() {
			for {
				if rate > 0 {
					time.Sleep(time.Until(begin.Add(time.Duration(float64(next.Add(1)) / rate * float64(time.Second)))))
				}
				if time.Since(begin) > d {
					return
				}
				answer, err := send.Post(endpoint, "/v1/logs", body, "Content-Type", "application/x-protobuf")
				switch {
				case err != nil:
					l.lost.Add(1)
				case answer.Status == http.StatusOK:
					l.accepted.Add(1)
				default:
					l.refused.Add(1)
					if answer.Status != http.StatusServiceUnavailable && answer.Status != http.StatusTooManyRequests || answer.Header.Get("Retry-After") == "" {
						l.hintless.Add(1)
					}
				}
			}
		})
	}
	wg.Wait()
}

// Twice as much as it can take for minutes: the process stays within its memory, tells clients when to come back, and goes on
// accepting. Speed is printed, not asserted.
func TestOverloadIsRefusedWithADelay(t *testing.T) {
	p := process.Start(t, process.Settings{Env: map[string]string{"GOMEMLIMIT": strconv.Itoa(heap)}})
	body, err := plogotlp.NewExportRequestFromLogs(send.LogBatch("overload", 0, perOverload)).MarshalProto()
	require.NoError(t, err)
	var peak, over, after load
	const probe = 20 * time.Second
	peak.run(p.HTTP(), body, 8, 0, probe)
	sustainable := float64(peak.accepted.Load()) / probe.Seconds()
	require.Positive(t, sustainable)
	over.run(p.HTTP(), body, 256, 2*sustainable, *overload)
	goodput := float64(over.accepted.Load()) / overload.Seconds()
	begin := time.Now()
	for after.accepted.Load() == 0 && time.Since(begin) < time.Minute {
		after.run(p.HTTP(), body, 1, 0, 10*time.Millisecond)
	}
	resident := p.Peak(t)
	t.Logf("sustainable %.0f requests/s of %d records; at twice that: %.0f accepted (%.0f %%), %d refused, %d without an answer; first request after it took %s; at most %d MiB resident",
		sustainable, perOverload, goodput, goodput/sustainable*100, over.refused.Load(), over.lost.Load(), time.Since(begin).Round(time.Millisecond), resident>>20)
	assert.Zero(t, over.hintless.Load(), "refused without a time to come back")
	assert.Positive(t, over.accepted.Load())
	assert.Positive(t, after.accepted.Load(), "nothing is accepted a minute after the overload")
	assert.LessOrEqual(t, resident, int64(heap)*11/10+binaryPages, "resident memory")
	p.Terminate(t)
}

// binaryPages is what the program itself has resident: its code and read-only data are mapped from the file.
const binaryPages = 140 << 20
