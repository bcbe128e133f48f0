package delivery_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/delivery"
)

func TestAGapBeginsWhereTheSinkStillHadEverything(t *testing.T) {
	begin := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	marks := []delivery.Mark{{At: begin, Position: "a"}, {At: begin.Add(time.Minute), Position: "b"}, {At: begin.Add(2 * time.Minute), Position: "c"}}
	holding := func(held string) func(string) (error, error) {
		return func(position string) (error, error) {
			if position <= held {
				return nil, nil
			}
			return errors.New(position + " is gone"), nil
		}
	}
	for _, tc := range []struct{ name, held, why, job string }{
		{name: "everything", held: "c"},
		{"up to the first", "a", "c is gone", `POST /v1/replays {"signal":"logs","from":"2026-11-30T12:00:00Z","to":"2026-11-30T12:02:02Z"}`},
		{"nothing", "", "c is gone", `POST /v1/replays {"signal":"logs","from":"1970-01-01T00:00:00Z","to":"2026-11-30T12:02:02Z","force":true}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			gap, err := delivery.FindGap(marks, holding(tc.held))
			require.NoError(t, err)
			if tc.why == "" {
				assert.Nil(t, gap)
				return
			}
			require.NotNil(t, gap)
			assert.EqualError(t, gap.Why, tc.why)
			assert.Equal(t, tc.job, gap.Job("logs"))
		})
	}
	_, err := delivery.FindGap(marks, func(string) (error, error) { return nil, errors.New("closed") })
	assert.EqualError(t, err, "closed")
	gap, err := delivery.FindGap(nil, holding(""))
	assert.NoError(t, err)
	assert.Nil(t, gap, "nothing was ever saved")
}
