package hostile

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// honest is a client that sends logs and queries PromQL all the time, and retries retryable requests, like SDKs.
type honest struct {
	p    *process.Process
	stop chan struct{}
	done sync.WaitGroup

	mu       sync.Mutex
	took     map[string][]time.Duration // guarded by mu; one for each answer, repetitions included
	repeated int                        // guarded by mu
	failed   []string                   // guarded by mu
}

func begin(p *process.Process) *honest {
	h := &honest{p: p, stop: make(chan struct{}), took: map[string][]time.Duration{}}
	h.done.Go(func() {
		h.every(func(i int) (send.Answer, error) { return send.Logs(p.HTTP(), send.LogBatch("honest", 10*i, 10)) }, "logs")
	})
	h.done.Go(func() {
		h.every(func(int) (send.Answer, error) {
			return send.Post(p.TSDB(), "/api/v1/query", []byte("query=vector(1)"), "Content-Type", "application/x-www-form-urlencoded")
		}, "PromQL")
	})
	return h
}

// every sends one request after the other, fifty a second if they are answered so fast.
func (h *honest) every(request func(int) (send.Answer, error), name string) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		start := time.Now()
		deadline := start.Add(time.Minute)
		for {
			answer, err := request(i)
			if err == nil && answer.Status == http.StatusOK {
				break
			}
			again := err == nil && answer.Status == http.StatusServiceUnavailable
			h.mu.Lock()
			h.repeated++
			if !again || time.Now().After(deadline) {
				h.failed = append(h.failed, fmt.Sprintf("%s: %v %d %s", name, err, answer.Status, answer.Body))
			}
			h.mu.Unlock()
			if !again || time.Now().After(deadline) {
				break
			}
			<-tick.C
		}
		h.mu.Lock()
		h.took[name] = append(h.took[name], time.Since(start))
		h.mu.Unlock()
		select {
		case <-tick.C:
		case <-h.stop:
			return
		}
	}
}

// end stops the client and returns what failed.
func (h *honest) end() []string {
	close(h.stop)
	h.done.Wait()
	return h.failed
}

// report tells how long answers took, repetitions included.
func (h *honest) report() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	text := fmt.Sprintf("%d repeated", h.repeated)
	for name, took := range h.took {
		slices.Sort(took)
		text += fmt.Sprintf("; %s: %d requests, median %s, p99 %s, longest %s", name, len(took),
			took[len(took)/2].Round(time.Millisecond/10), took[len(took)*99/100].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	}
	return text
}
