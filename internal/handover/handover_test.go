package handover_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/handover"
)

func TestLogs(t *testing.T) {
	never := consumererror.NewPermanent(errors.New("never"))
	for name, test := range map[string]struct {
		answers []error
		want    error
		took    time.Duration
	}{
		"taken":            {[]error{nil}, nil, 0},
		"taken in the end": {[]error{errors.New("full"), errors.New("full"), nil}, nil, 300 * time.Millisecond},
		"refused for good": {[]error{errors.New("full"), never}, never, 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				next, err := consumer.NewLogs(func(context.Context, plog.Logs) error {
					answer := test.answers[0]
					test.answers = test.answers[1:]
					return answer
				})
				assert.NoError(t, err)
				assert.Equal(t, test.want, handover.Logs(t.Context(), next, plog.NewLogs()))
				assert.Equal(t, test.took, time.Since(begun))
			})
		})
	}
}

func TestLogsEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		next, err := consumer.NewLogs(func(context.Context, plog.Logs) error { return errors.New("full") })
		assert.NoError(t, err)
		assert.ErrorIs(t, handover.Logs(ctx, next, plog.NewLogs()), context.DeadlineExceeded)
	})
}

// A batch that is full lets its sources wait, and none of their records is lost or doubled.
func TestBatch(t *testing.T) {
	b := handover.NewBatch("test")
	const sources, each = 4, 3000
	var adding sync.WaitGroup
	for source := range sources {
		adding.Go(func() {
			for i := range each {
				record := plog.NewLogRecord()
				record.Body().SetStr(fmt.Sprintf("%d of %d", i, source))
				assert.True(t, b.Add(handover.Origin{Host: "h", Service: strconv.Itoa(source)}, record, 10, strconv.Itoa(i)))
			}
		})
	}
	go func() {
		adding.Wait()
		b.Close()
	}()
	bodies := map[string]int{}
	for taken, ok := b.Take(); ok; taken, ok = b.Take() {
		assert.LessOrEqual(t, taken.Records, 2000)
		assert.Equal(t, taken.Records, taken.Logs.LogRecordCount())
		assert.LessOrEqual(t, taken.Logs.ResourceLogs().Len(), sources)
		assert.NotEmpty(t, taken.Position)
		for _, rl := range taken.Logs.ResourceLogs().All() {
			for _, r := range rl.ScopeLogs().At(0).LogRecords().All() {
				bodies[r.Body().Str()]++
			}
		}
	}
	assert.Len(t, bodies, sources*each)
	assert.False(t, b.Add(handover.Origin{}, plog.NewLogRecord(), 1, ""))
}
