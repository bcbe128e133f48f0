package pace_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/pace"
)

func TestABucketKeepsTheRate(t *testing.T) {
	now := time.Unix(0, 0)
	b := pace.NewBucket(100, now)
	begin := now
	for range 50 {
		now = now.Add(b.Take(30, now))
	}
	assert.Equal(t, 14*time.Second, now.Sub(begin), "1500 at 100 a second, less the first second's worth")
}

func TestAnIdleBucketSavesASecond(t *testing.T) {
	now := time.Unix(0, 0)
	b := pace.NewBucket(100, now)
	assert.Zero(t, b.Take(100, now))
	now = now.Add(time.Hour)
	assert.Zero(t, b.Take(100, now))
	assert.Equal(t, time.Second, b.Take(100, now))
}

func TestMoreThanASecondsWorthGoesAndIsWaitedFor(t *testing.T) {
	now := time.Unix(0, 0)
	b := pace.NewBucket(10, now)
	assert.Equal(t, 9*time.Second, b.Take(100, now))
}

func TestNoRateIsNoBound(t *testing.T) {
	assert.Zero(t, pace.NewBucket(0, time.Now()).Take(1<<40, time.Now()))
}

func TestYieldHalvesAndDoubles(t *testing.T) {
	var y pace.Yield
	assert.Zero(t, y.Pause(time.Second))
	y.Look(true)
	assert.Equal(t, time.Second, y.Pause(time.Second))
	y.Look(true)
	assert.Equal(t, 3*time.Second, y.Pause(time.Second))
	for range 20 {
		y.Look(true)
	}
	assert.InDelta(t, 1.0/64, y.Share(), 1e-9, "never less, so that a group that is down for good does not stop a job")
	assert.Equal(t, 5*time.Second, y.Pause(time.Second))
	for range 6 {
		y.Look(false)
	}
	assert.InDelta(t, 1, y.Share(), 1e-9)
	assert.Zero(t, y.Pause(time.Second))
}

func ExampleYield() {
	var y pace.Yield
	y.Look(true) // others lag
	fmt.Println(y.Pause(100 * time.Millisecond))
	// Output: 100ms
}
