package faults

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/penstockhq/penstock/testbed/internal/send"
)

// perRequest is how many items a request has. Request n holds "id <n*perRequest>" and the following.
const perRequest = 10

// signal is one of the kinds of requests.
type signal struct {
	name, path string
	encode     func(first int) ([]byte, error)
}

var signals = []signal{
	{"logs", "/v1/logs", func(first int) ([]byte, error) {
		return plogotlp.NewExportRequestFromLogs(send.LogBatch("faults", first, perRequest)).MarshalProto()
	}},
	{"spans", "/v1/traces", func(first int) ([]byte, error) {
		return ptraceotlp.NewExportRequestFromTraces(spans(first)).MarshalProto()
	}},
	{"metrics", "/v1/metrics", func(first int) ([]byte, error) {
		return pmetricotlp.NewExportRequestFromMetrics(metrics(first)).MarshalProto()
	}},
}

func spans(first int) ptrace.Traces {
	td := ptrace.NewTraces()
	resource := td.ResourceSpans().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", "faults")
	list := resource.ScopeSpans().AppendEmpty().Spans()
	now := pcommon.NewTimestampFromTime(time.Now())
	for id := first; id < first+perRequest; id++ {
		s := list.AppendEmpty()
		s.SetName("id " + strconv.Itoa(id))
		s.SetTraceID([16]byte{1, 15: byte(id), 14: byte(id >> 8), 13: byte(id >> 16)})
		s.SetSpanID([8]byte{1, 7: byte(id), 6: byte(id >> 8), 5: byte(id >> 16)})
		s.SetStartTimestamp(now)
		s.SetEndTimestamp(now)
	}
	return td
}

// metrics returns counters with one point of 1 each, delta and cumulative by turns: a name that arrives twice was counted twice.
func metrics(first int) pmetric.Metrics {
	md := pmetric.NewMetrics()
	resource := md.ResourceMetrics().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", "faults")
	list := resource.ScopeMetrics().AppendEmpty().Metrics()
	now := pcommon.NewTimestampFromTime(time.Now())
	for id := first; id < first+perRequest; id++ {
		m := list.AppendEmpty()
		m.SetName("id " + strconv.Itoa(id))
		sum := m.SetEmptySum()
		sum.SetIsMonotonic(true)
		sum.SetAggregationTemporality([]pmetric.AggregationTemporality{pmetric.AggregationTemporalityDelta, pmetric.AggregationTemporalityCumulative}[id%2])
		p := sum.DataPoints().AppendEmpty()
		p.SetStartTimestamp(now - 1)
		p.SetTimestamp(now)
		p.SetIntValue(1)
	}
	return md
}

// clients post numbered requests of all signals to one endpoint. None is sent twice: what is stored twice was doubled
// behind the endpoint.
type clients struct {
	endpoint string
	wg       sync.WaitGroup
	stop     chan struct{}

	mu           sync.Mutex
	next         int              // guarded by mu; number of the next request
	acknowledged map[string][]int // guarded by mu; numbers of acknowledged requests by signal
	refused      int              // guarded by mu; answers other than 200
	cut          int              // guarded by mu; requests without an answer
	last         time.Time        // guarded by mu; of the last acknowledgement
}

// start begins n clients that send until end is called.
func start(endpoint string, n int) *clients {
	c := &clients{endpoint: endpoint, stop: make(chan struct{}), acknowledged: map[string][]int{}}
	for range n {
		c.wg.Go(c.run)
	}
	return c
}

func (c *clients) run() {
	for {
		for _, s := range signals {
			select {
			case <-c.stop:
				return
			default:
			}
			if !c.request(s) {
				time.Sleep(20 * time.Millisecond) // a client's pause before it goes on
			}
		}
	}
}

// request sends the next request, and returns whether it was acknowledged.
func (c *clients) request(s signal) bool {
	c.mu.Lock()
	number := c.next
	c.next++
	c.mu.Unlock()
	body, err := s.encode(number * perRequest)
	if err != nil {
		panic(fmt.Sprintf("encoding %s: %v", s.name, err))
	}
	answer, err := send.Post(c.endpoint, s.path, body, "Content-Type", "application/x-protobuf")
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil:
		c.cut++
	case answer.Status != http.StatusOK:
		c.refused++
	default:
		c.acknowledged[s.name] = append(c.acknowledged[s.name], number)
		c.last = time.Now()
		return true
	}
	return false
}

// acks returns how many requests were acknowledged so far.
func (c *clients) acks() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, numbers := range c.acknowledged {
		n += len(numbers)
	}
	return n
}

// end stops the clients.
func (c *clients) end() {
	close(c.stop)
	c.wg.Wait()
}

// missing returns how many acknowledged items of a signal stored lacks, and how many it has more than once. stored counts
// by "id <number>". Call it after end.
func (c *clients) missing(s string, stored map[string]int) (missing, doubled int) {
	for _, number := range c.acknowledged[s] {
		for id := number * perRequest; id < (number+1)*perRequest; id++ {
			if stored["id "+strconv.Itoa(id)] == 0 {
				missing++
			}
		}
	}
	for _, n := range stored {
		doubled += max(0, n-1)
	}
	return missing, doubled
}
