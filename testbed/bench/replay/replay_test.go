package replay

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/measure"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

const (
	partitions = 4
	senders    = 8
	series     = 1000 // of each sender, a request each
	requests   = 110  // of each sender
	step       = 30 * time.Second
)

// BenchmarkReplay sends an hour of two days ago through standalone, waits until the TSDB has it, and replays the same
// offsets, while nothing comes in: pairs, one after the other, in one process. Each iteration is a pair of another hour. The
// rate of live delivery is from the first request to the last sample; that of the replay is the job's from start to end. On a machine
// that does other things too, the ratio of the process' CPU time says more.
func BenchmarkReplay(b *testing.B) {
	p := process.Start(b, process.Settings{
		Args: []string{"--set=processors::kafka_replay::topics::partitions=" + fmt.Sprint(partitions)},
		Env:  map[string]string{"PENSTOCK_LAKE_URL": "off"},
	})
	begin := time.Now().UTC().Truncate(time.Hour).Add(-48 * time.Hour)
	var live, replayed, ratio, liveCPU, replayedCPU, ratioCPU []float64
	for i := range b.N {
		from := begin.Add(time.Duration(i) * time.Hour)
		points := float64(senders * series * requests)
		first := ends(b, p)
		began, cpu := time.Now(), p.CPUSoFar(b)
		sendAll(b, p, from)
		last := from.Add((requests - 1) * step)
		ask.Eventually(b, func() error {
			got, err := ask.PromQL(p.TSDB(), `count(shop_requests_total)`, last)
			if err == nil && (len(got) != 1 || got[0].Value != senders*series) {
				err = fmt.Errorf("%v", got)
			}
			return err
		})
		live = append(live, points/time.Since(began).Seconds())
		liveCPU = append(liveCPU, (p.CPUSoFar(b)-cpu).Seconds()/points*1e6)
		took, used := replay(b, p, fmt.Sprint("r", i), first, ends(b, p))
		replayed = append(replayed, points/took.Seconds())
		ratio = append(ratio, replayed[i]/live[i])
		replayedCPU = append(replayedCPU, used.Seconds()/points*1e6)
		ratioCPU = append(ratioCPU, liveCPU[i]/replayedCPU[i])
	}
	measure.Report(b, live, "live-points/s")
	measure.Report(b, replayed, "replayed-points/s")
	measure.Report(b, ratio, "replay/live")
	measure.Report(b, liveCPU, "live-cpu-µs/point")
	measure.Report(b, replayedCPU, "replayed-cpu-µs/point")
	measure.Report(b, ratioCPU, "cpu-live/replayed")
}

func sendAll(b *testing.B, p *process.Process, from time.Time) {
	b.Helper()
	for r := range requests { // the senders step one after the other, and time advances
		var wg sync.WaitGroup
		for s := range senders {
			wg.Go(func() { sendOne(b, p, from.Add(time.Duration(r)*step), s) })
		}
		wg.Wait()
	}
}

func sendOne(b *testing.B, p *process.Process, at time.Time, sender int) {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", fmt.Sprint("shop", sender))
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("shop.requests")
	sum := m.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	for i := range series {
		dp := sum.DataPoints().AppendEmpty()
		dp.Attributes().PutStr("http.route", fmt.Sprint("/r", i%50))
		dp.Attributes().PutStr("pod", fmt.Sprint("p", i/50))
		dp.SetTimestamp(pcommon.NewTimestampFromTime(at))
		dp.SetStartTimestamp(1)
		dp.SetDoubleValue(float64(at.Unix()))
	}
	answer, err := send.Metrics(p.HTTP(), md)
	if err != nil || answer.Status != http.StatusOK {
		b.Errorf("send: %v %v", answer, err)
	}
}

// ends returns where the partitions of the journal of metrics end.
func ends(b *testing.B, p *process.Process) map[int]int64 {
	b.Helper()
	offsets := map[int]int64{}
	ask.Eventually(b, func() error {
		_, text, err := post(p, `{"signal":"metrics","from":"-100h","late":"200h","dry_run":true,"condition":"metric.name == \"none\""}`)
		var answer struct {
			Range *struct{}
			Spans []struct {
				Partition int
				Next      int64
			}
		}
		if err == nil {
			err = json.Unmarshal(text, &answer)
		}
		if err == nil && answer.Range == nil {
			err = fmt.Errorf("%s", text)
		}
		for _, s := range answer.Spans {
			offsets[s.Partition] = s.Next
		}
		return err
	})
	return offsets
}

func post(p *process.Process, body string) (int, []byte, error) {
	resp, err := http.Post("http://"+p.Admin()+"/v1/replays", "application/json", strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, text, errors.Join(err, resp.Body.Close())
}

// replay returns how long the job took, and the CPU time of the process from the answer that it is made on.
func replay(b *testing.B, p *process.Process, id string, first, next map[int]int64) (took, cpu time.Duration) {
	b.Helper()
	api := "http://" + p.Admin() + "/v1/replays"
	var spans []string
	for partition, to := range next {
		if to > first[partition] {
			spans = append(spans, fmt.Sprintf(`{"partition":%d,"first":%d,"next":%d}`, partition, first[partition], to))
		}
	}
	code, text, err := post(p, fmt.Sprintf(`{"id":%q,"signal":"metrics","offsets":[%s]}`, id, strings.Join(spans, ",")))
	require.NoError(b, err)
	require.Equal(b, http.StatusCreated, code, "%s", text)
	cpu = p.CPUSoFar(b)
	var job struct {
		Status struct {
			Phase          string
			Reason         string
			Started, Ended time.Time
			Counts         struct{ Items int }
		}
	}
	ask.Eventually(b, func() error {
		status, text, err := process.Fetch(b.Context(), api+"/"+id)
		if err == nil {
			err = json.Unmarshal([]byte(text), &job)
		}
		if err == nil && job.Status.Phase != "done" {
			err = fmt.Errorf("%d: %s", status, text)
		}
		return err
	})
	require.GreaterOrEqual(b, job.Status.Counts.Items, senders*series*requests)
	return job.Status.Ended.Sub(job.Status.Started), p.CPUSoFar(b) - cpu
}
