package send

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// Load posts log batches from several clients concurrently and remembers the acknowledged ones. A client that gets an error never sends the same
// batch again, so every duplicate arose after the endpoint.
type Load struct {
	service  string
	endpoint string
	batch    int
	ago      time.Duration
	next     atomic.Int64
	stopped  atomic.Bool
	wg       sync.WaitGroup
	reached  chan struct{} // one place: filled when something was acknowledged

	mu    sync.Mutex
	acked []int // guarded by mu; numbers of acknowledged batches
}

// StartLoad starts clients that post batches of batch records to endpoint until Stop, or until it no longer answers.
// Record i of batch b has the body "id <b*batch+i>".
func StartLoad(endpoint string, clients, batch int) *Load {
	return StartLoadOf("load", endpoint, clients, batch)
}

// StartLoadOf is StartLoad for records of a service.
func StartLoadOf(service, endpoint string, clients, batch int) *Load {
	return StartLoadFrom(0, service, endpoint, clients, batch)
}

// StartLoadFrom is StartLoadOf for records of a time that is so long ago.
func StartLoadFrom(ago time.Duration, service, endpoint string, clients, batch int) *Load {
	l := &Load{ago: ago, service: service, endpoint: endpoint, batch: batch, reached: make(chan struct{}, 1)}
	for range clients {
		l.wg.Go(l.client)
	}
	return l
}

func (l *Load) client() {
	for !l.stopped.Load() {
		number := int(l.next.Add(1)) - 1
		answer, err := Logs(l.endpoint, earlier(LogBatch(l.service, number*l.batch, l.batch), l.ago))
		if err != nil {
			return // the endpoint is gone
		}
		if answer.Status != 200 {
			continue
		}
		l.mu.Lock()
		l.acked = append(l.acked, number)
		l.mu.Unlock()
		select {
		case l.reached <- struct{}{}:
		default:
		}
	}
}

// earlier moves records into the past.
func earlier(logs plog.Logs, ago time.Duration) plog.Logs {
	if ago == 0 {
		return logs
	}
	for _, rl := range logs.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, lr := range sl.LogRecords().All() {
				lr.SetTimestamp(pcommon.NewTimestampFromTime(lr.Timestamp().AsTime().Add(-ago)))
			}
		}
	}
	return logs
}

// Await returns when at least records records were acknowledged.
func (l *Load) Await(t testing.TB, records int) {
	t.Helper()
	timeout := time.After(2 * time.Minute)
	for l.Acknowledged() < records {
		select {
		case <-l.reached:
		case <-timeout:
			require.Failf(t, "the load stalls", "%d records acknowledged", l.Acknowledged())
		}
	}
}

// Acknowledged is the number of records acknowledged so far.
func (l *Load) Acknowledged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked) * l.batch
}

// Stop ends the clients and returns the numbers of the acknowledged batches.
func (l *Load) Stop() []int {
	l.stopped.Store(true)
	l.wg.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked
}

// Reconcile compares the acknowledged batches with the stored ones: rows and distinct ids by batch number. It returns how many records are stored
// more than once and how many unacknowledged ones are stored too; a missing acknowledged record is an error.
func (l *Load) Reconcile(rows, distinct map[int]int) (doubled, unacknowledged int, err error) {
	acked := make(map[int]bool)
	for _, number := range l.Stop() {
		acked[number] = true
		if distinct[number] != l.batch {
			err = fmt.Errorf("batch %d: %d of %d acknowledged records are stored", number, distinct[number], l.batch)
		}
	}
	for number, n := range rows {
		doubled += n - distinct[number]
		if !acked[number] {
			unacknowledged += distinct[number]
		}
	}
	return doubled, unacknowledged, err
}
