//go:build full

package e2e

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// tracedSegments is how many segments of each log strace looks at; it takes no patterns. Later ones count as fsynced.
const tracedSegments = 100

var powerSchedules = flag.Int("power-schedules", 50, "schedules of TestPowerCutsAndFailingDisks")

// TestPowerCutsAndFailingDisks runs the standalone binary under strace, which makes writes and fsyncs of the TSDB's logs fail at random and records
// fsyncs. Then the process is killed, the TSDB's logs are cut to the fsynced length, or to some byte after it, its head chunks are removed, and the
// binary is restarted: every sample that remote write acknowledged, and every request that the journal acknowledged, exists.
func TestPowerCutsAndFailingDisks(t *testing.T) {
	_, err := exec.LookPath("strace")
	require.NoError(t, err, "this test needs strace: apt-get install strace")
	for seed := range *powerSchedules {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { powerCut(t, rand.New(rand.NewPCG(uint64(seed), 3))) })
	}
}

func powerCut(t *testing.T, rng *rand.Rand) {
	p := process.New(t, process.Settings{})
	tsdb := filepath.Join(p.DataDir(), "tsdb")
	trace := filepath.Join(t.TempDir(), "trace")
	p.Under = []string{"strace", "-D", "-f", "-y", "-s", "0", "-o", trace, "-e", "trace=write,fsync,ftruncate,truncate"}
	for _, log := range []string{"wal", "wbl"} {
		p.Under = append(p.Under, "-P", filepath.Join(tsdb, log))
		for n := range tracedSegments {
			p.Under = append(p.Under, "-P", filepath.Join(tsdb, log, fmt.Sprintf("%08d", n)))
		}
	}
	fault := []string{"", "fsync:error=EIO", "write:error=EIO", "write:error=ENOSPC", "fsync:error=ENOSPC"}[rng.IntN(5)]
	if fault != "" {
		// strace counts per thread, and there are many: failures come sooner and more often than these numbers say. A disk that fails
		// every few calls can't be opened.
		fault = fmt.Sprintf("inject=%s:when=%d+%d", fault, 1+rng.IntN(20), 20+rng.IntN(60))
		p.Under = append(p.Under, "-e", fault)
	}
	p.Begin(t)
	p.AwaitHealthy(t)
	ask.Eventually(t, func() error { return ready(p) })

	acknowledged, refused, sent := 0, 0, 0
	begin := time.Now().Add(-20 * time.Minute)
	requests := 20 + rng.IntN(60)
	for i := range requests {
		at := begin.Add(time.Duration(i) * time.Second)
		if rng.IntN(4) == 0 {
			at = at.Add(-10*time.Minute - 500*time.Millisecond) // out of order
		}
		status, err := writeOnce(p.TSDB(), i, at.UnixMilli())
		switch {
		case err == nil && status == http.StatusNoContent:
			acknowledged++
		default:
			refused++
			ask.Eventually(t, func() error { return ready(p) })
		}
		if rng.IntN(15) == 0 {
			sdk := send.NewGoSDK(t, fmt.Sprintf("power-%d", sent), p.HTTP(), true)
			sdk.Emit(t, 100)
			sdk.Shutdown(t)
			sent++
		}
	}
	if rng.IntN(2) == 0 { // sometimes when all of it was delivered
		ask.Eventually(t, func() error { return delivered(p, sent) })
	}
	p.Kill()
	cutToSynced(t, tsdb, trace, rng)
	p.Under = nil
	p.Restart(t)
	ask.Eventually(t, func() error {
		if err := ready(p); err != nil {
			return err
		}
		got, err := ask.PromValue(p.TSDB(), `sum(count_over_time({__name__="power_test"}[1h]))`)
		if err == nil && int(got) < acknowledged {
			err = fmt.Errorf("%v samples, %d were acknowledged", got, acknowledged)
		}
		if acknowledged == 0 {
			err = nil
		}
		return err
	})
	ask.Eventually(t, func() error { return delivered(p, sent) })
	require.NotContains(t, p.Log(), "The storage has lost samples", "the checkpoint is behind what is durable")
	t.Logf("%s: %d requests acknowledged, %d not, %d times 100 by the journal; %d failures of the log", fault, acknowledged, refused, sent,
		strings.Count(p.Log(), "A write to the storage's log failed"))
}

// delivered says whether all requests that the journal acknowledged are in the TSDB.
func delivered(p *process.Process, sent int) error {
	if sent == 0 {
		return nil
	}
	got, err := ask.PromValue(p.TSDB(), `sum(requests_total{job=~"power-.*"})`)
	if err == nil && int(got) != 100*sent {
		err = fmt.Errorf("%v requests, %d were acknowledged", got, 100*sent)
	}
	return err
}

func ready(p *process.Process) error {
	resp, err := http.Get("http://" + p.TSDB() + "/-/ready")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// writeOnce sends one sample of series i.
func writeOnce(address string, i int, at int64) (status int, err error) {
	request := prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
		Labels:  []prompb.Label{{Name: "__name__", Value: "power_test"}, {Name: "instance", Value: fmt.Sprint(i % 7)}},
		Samples: []prompb.Sample{{Timestamp: at, Value: float64(i)}},
	}}}
	raw, err := request.Marshal()
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequest(http.MethodPost, "http://"+address+"/api/v1/write", bytes.NewReader(snappy.Encode(nil, raw)))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return resp.StatusCode, nil
}

var (
	calls  = regexp.MustCompile(`^(\d+) +(write|fsync|ftruncate)\(\d+<([^>]*)>(?:, ""\.\.\., \d+|, (\d+))?(\)| <unfinished)`)
	resume = regexp.MustCompile(`^(\d+) +<\.\.\. (write|fsync|ftruncate) resumed>`)
	result = regexp.MustCompile(`= (-?\d+)`)
)

// cutToSynced reads the trace and keeps of each segment the fsynced part, or some of the rest.
func cutToSynced(t *testing.T, tsdb, trace string, rng *rand.Rand) {
	t.Helper()
	text, err := os.ReadFile(trace)
	require.NoError(t, err)
	type call struct {
		kind, path string
		size       int64 // of the file when an fsync began; the new one of ftruncate
	}
	size, synced, open := map[string]int64{}, map[string]int64{}, map[string]call{}
	fsyncs := 0
	done := func(c call, line string) {
		r := result.FindStringSubmatch(line)
		if r == nil {
			return
		}
		n, err := strconv.ParseInt(r[1], 10, 64)
		require.NoError(t, err)
		switch {
		case n < 0:
		case c.kind == "write":
			size[c.path] += n
		case c.kind == "ftruncate":
			size[c.path] = min(size[c.path], c.size)
			synced[c.path] = min(synced[c.path], c.size)
		default:
			fsyncs++
			synced[c.path] = max(synced[c.path], c.size)
		}
	}
	for line := range strings.Lines(string(text)) {
		if m := calls.FindStringSubmatch(line); m != nil {
			c := call{kind: m[2], path: m[3], size: size[m[3]]}
			if m[4] != "" {
				c.size, err = strconv.ParseInt(m[4], 10, 64)
				require.NoError(t, err)
			}
			if m[5] != ")" {
				open[m[1]] = c
				continue
			}
			done(c, line)
		} else if m := resume.FindStringSubmatch(line); m != nil {
			done(open[m[1]], line)
		}
	}
	require.Positive(t, fsyncs, "the trace holds no fsync:\n%s", text[:min(len(text), 2000)])
	require.NoError(t, filepath.WalkDir(tsdb, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch filepath.Base(filepath.Dir(path)) {
		case "chunks_head":
			return os.Remove(path)
		case "wal", "wbl":
			info, err := d.Info()
			if err != nil {
				return err
			}
			if n, err := strconv.Atoi(d.Name()); err != nil || n >= tracedSegments {
				return err
			}
			safe := min(synced[path], info.Size())
			return os.Truncate(path, safe+rng.Int64N(info.Size()-safe+1))
		}
		return nil
	}))
}
