package delivery_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/delivery"
)

// A sink's marks have the journal time of the newest record that was delivered, also when the worker reads records of long ago, when components
// send results in between, and when several ranges are in flight: a job that refills the sink starts and ends at such times.
func TestMarksHaveTheTimeOfTheNewestRecordDelivered(t *testing.T) {
	for _, inFlight := range []int{1, 4} {
		j := &journal{group: -1, inRange: 10, stopAt: 1 << 62, now: time.Unix(1_000_000, 0)}
		var restored []delivery.Mark
		for until := 10; until <= 50; until += 10 {
			j.records = texts("r", until)
			j.worker = delivery.NewWorker(delivery.WorkerSettings{
				Label: "p", Log: j, Store: j, Clock: j, Observer: j, Interval: time.Hour, DedupWindow: time.Hour, DedupMax: 1000, InFlight: inFlight,
				Permanent: func(error) bool { return false },
				Deliver: func(ctx context.Context, _ delivery.Bounds, records []delivery.Record) error {
					session, _ := delivery.From(ctx)
					if inFlight > 1 {
						assert.NotEqual(t, j.now, session.Now(), "the time under which results were sent at the start is not that of records")
					}
					if inFlight == 1 {
						of, err := delivery.Join(session, "results", func() *results { return &results{session: session} })
						if err != nil {
							return err
						}
						of.open = len(records) > 0
					}
					b, err := delivery.Join(session, "store", func() *delivery.Barrier {
						return delivery.NewBarrier(session, func(context.Context) (string, error) { return "here", nil })
					})
					restored = b.Restored()
					return err
				},
			})
			j.worker.Finish()
			require.NoError(t, j.worker.Run(t.Context()))
			if until > 10 {
				assert.EqualValues(t, until-11, restored[len(restored)-1].At.Unix(), "%d in flight, %d records", inFlight, until-10)
			}
		}
	}
}
