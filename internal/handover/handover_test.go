package handover_test

import (
	"context"
	"errors"
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
