//go:build full

package faults

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

var overload = flag.Duration("overload", 3*time.Minute, "how long twice the sustainable rate lasts")

const (
	heap        = 768 << 20 // what the process may use
	perOverload = 500       // records a request
	// waiting is how many requests clients have under way at once: more than the process has memory for.
	waiting = 4096
	// placeholder is in the request's first record, and makes way for the request's number: the journal would leave out what repeats another.
	placeholder = "number 0000000000"
)

// numbered makes requests that differ in a number.
type numbered struct {
	body []byte
	at   int
	next atomic.Int64
}

func newNumbered(t *testing.T) *numbered {
	logs := send.LogBatch("overload", 0, perOverload)
	logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().SetStr(placeholder)
	body, err := plogotlp.NewExportRequestFromLogs(logs).MarshalProto()
	require.NoError(t, err)
	at := bytes.Index(body, []byte(placeholder))
	require.Positive(t, at)
	return &numbered{body: body, at: at}
}

func (n *numbered) request() []byte {
	body := bytes.Clone(n.body)
	copy(body[n.at:], fmt.Sprintf("number %010d", n.next.Add(1)))
	return body
}

// verdict is what became of a request.
type verdict int

const (
	accepted verdict = iota
	refused          // with a time to come back
	hintless         // refused otherwise
	lost             // without an answer
	verdicts
)

// overHTTP posts requests.
func overHTTP(endpoint string) func(body []byte) verdict {
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: waiting}}
	return func(body []byte) verdict {
		answer, err := client.Post("http://"+endpoint+"/v1/logs", "application/x-protobuf", bytes.NewReader(body))
		if err != nil {
			return lost
		}
		defer answer.Body.Close()
		_, _ = io.Copy(io.Discard, answer.Body)
		switch {
		case answer.StatusCode == http.StatusOK:
			return accepted
		case (answer.StatusCode == http.StatusServiceUnavailable || answer.StatusCode == http.StatusTooManyRequests) && answer.Header.Get("Retry-After") != "":
			return refused
		}
		return hintless
	}
}

// overGRPC sends them over a few connections.
func overGRPC(t *testing.T, endpoint string) func(body []byte) verdict {
	const connections = 32
	var all [connections]*grpc.ClientConn
	for i := range all {
		conn, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{})))
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		all[i] = conn
	}
	var next atomic.Int64
	return func(body []byte) verdict {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		var answer []byte
		err := all[next.Add(1)%connections].Invoke(ctx, "/opentelemetry.proto.collector.logs.v1.LogsService/Export", &body, &answer)
		if err == nil {
			return accepted
		}
		s := status.Convert(err)
		switch s.Code() {
		case codes.DeadlineExceeded:
			return lost
		case codes.Unavailable, codes.ResourceExhausted:
			for _, d := range s.Details() {
				if r, ok := d.(*errdetails.RetryInfo); ok && r.GetRetryDelay().AsDuration() > 0 {
					return refused
				}
			}
		}
		return hintless
	}
}

// rawCodec sends bytes as they are.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (rawCodec) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = bytes.Clone(data)
	return nil
}
func (rawCodec) Name() string { return "proto" }

// load sends requests at a rate, or as fast as workers can when rate is 0. A worker that was refused does not wait: the rate is what clients
// that do not listen offer.
type load struct {
	became [verdicts]atomic.Int64
	took   time.Duration
	cpu    time.Duration // of the process
}

func (l *load) run(t *testing.T, p *process.Process, requests *numbered, sends []func([]byte) verdict, workers int, rate float64, d time.Duration) {
	var wg sync.WaitGroup
	begin, before := time.Now(), p.CPUSoFar(t)
	var next atomic.Int64
	for i := range workers {
		wg.Go(func() {
			for {
				if rate > 0 {
					time.Sleep(time.Until(begin.Add(time.Duration(float64(next.Add(1)) / rate * float64(time.Second)))))
				}
				if time.Since(begin) > d {
					return
				}
				l.became[sends[i%len(sends)](requests.request())].Add(1)
			}
		})
	}
	wg.Wait()
	l.took, l.cpu = time.Since(begin), p.CPUSoFar(t)-before
}

// rate is how many requests were accepted a second.
func (l *load) rate() float64 { return float64(l.became[accepted].Load()) / l.took.Seconds() }

// cost is how much CPU the process took for each request that it accepted.
func (l *load) cost() time.Duration { return l.cpu / time.Duration(max(1, l.became[accepted].Load())) }

func (l *load) String() string {
	return fmt.Sprintf("%.0f requests/s accepted, %s of CPU each; %d accepted, %d refused, %d refused without a time to come back, %d without an answer in %s",
		l.rate(), l.cost().Round(time.Microsecond), l.became[accepted].Load(), l.became[refused].Load(), l.became[hintless].Load(), l.became[lost].Load(), l.took.Round(time.Second))
}

// drain waits until all sinks have what is in the journal, and returns how long that took.
func drain(t *testing.T, p *process.Process) time.Duration {
	begin := time.Now()
	for quiet := 0; quiet < 3; {
		lag, err := ask.Metric(p.Telemetry(), "otelcol_receiver_kafka_replay_lag", `signal="logs"`)
		if quiet++; err != nil || lag > 0 {
			quiet = 0
		}
		require.Less(t, time.Since(begin), 30*time.Minute, "%v records behind", lag)
		time.Sleep(time.Second)
	}
	return time.Since(begin)
}

// Twice as much as it can take for minutes, from clients that have more requests under way than it has memory for: the process, which has one
// processor, stays within its memory, tells clients when to come back, goes on accepting nearly as much as before, and takes the first request
// afterwards at once. It fails when nothing is refused: then it was not overloaded.
func TestOverloadIsRefusedWithADelay(t *testing.T) {
	taskset, err := exec.LookPath("taskset")
	require.NoError(t, err)
	p := process.Start(t, process.Settings{
		Under: []string{taskset, "-c", "0"},
		// The profile has the limits of a machine with 1 GiB then, three quarters of which are for the heap.
		Env: map[string]string{"GOMEMLIMIT": strconv.Itoa(heap), "GOMAXPROCS": "1"},
	})
	requests := newNumbered(t)
	sends := []func([]byte) verdict{overHTTP(p.HTTP()), overGRPC(t, p.GRPC())}
	var peak, over load
	peak.run(t, p, requests, sends, 16, 0, *overload) // as long: followers take the same part of the processor
	t.Logf("as fast as 16 clients can: %s", &peak)
	require.Positive(t, peak.rate())
	t.Logf("sinks keep up with %.0f requests/s", float64(peak.became[accepted].Load())/(peak.took+drain(t, p)).Seconds())
	resident := p.MostResident()
	ended := make(chan time.Duration, 1)
	time.AfterFunc(*overload, func() { // What was admitted before is still under way: a client that comes now waits behind it.
		begin := time.Now()
		for sends[0](requests.request()) != accepted && time.Since(begin) < time.Minute {
			time.Sleep(20 * time.Millisecond) // its pause
		}
		ended <- time.Since(begin)
	})
	over.run(t, p, requests, sends, waiting, 2*peak.rate(), *overload)
	recovery, most := <-ended, resident()
	drained := drain(t, p)
	t.Logf("at twice that: %s; %.0f %% of the peak, %.0f %% for each second of CPU", &over, over.rate()/peak.rate()*100, 100*float64(peak.cost())/float64(over.cost()))
	t.Logf("the first request after the overload was accepted after %s; at most %d of %d MiB of its own memory resident", recovery.Round(time.Millisecond), most>>20, heap>>20)
	t.Logf("with what sinks took longer: %.0f requests/s", float64(over.became[accepted].Load())/(over.took+drained).Seconds())
	for _, reason := range []string{"in_flight", "share", "memory", "reading"} {
		n, err := ask.Metric(p.Telemetry(), "otelcol_extension_nesting_limit_refused_requests", `reason="`+reason+`"`)
		require.NoError(t, err)
		t.Logf("refused before it was decoded: %.0f, %s", n, reason)
	}
	decoded, err := ask.Metric(p.Telemetry(), "otelcol_processor_memory_limiter_refused_log_records")
	require.NoError(t, err)
	t.Logf("decoded in vain: %.0f requests", decoded/perOverload)
	assert.Less(t, decoded/perOverload, 0.25*float64(over.became[refused].Load()), "requests are refused unread, but for those under way when the memory is used up")
	assert.Positive(t, over.became[refused].Load(), "nothing was refused: it was no overload")
	assert.Zero(t, over.became[hintless].Load(), "refused without a time to come back")
	assert.GreaterOrEqual(t, over.rate(), 0.8*peak.rate(), "accepted, beside the peak")
	assert.Less(t, recovery, 5*time.Second)
	assert.LessOrEqual(t, most, int64(heap)*11/10, "resident memory")
	p.Terminate(t)
}
