package broker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestPlan(t *testing.T) {
	now := time.Unix(1000, 0)
	old, fresh := now.Add(-time.Hour), now.Add(-time.Second)
	// seg is a closed segment of 100 bytes that ends at end; end 0 is the one that is written to.
	seg := func(partition int32, end int64, written time.Time, consumed bool) segment {
		return segment{topic: "t", partition: partition, end: end, bytes: 100, written: written, consumed: consumed, age: time.Minute}
	}
	for name, c := range map[string]struct {
		segments []segment
		limit    int64
		upTo     map[int32]int64
		left     int64
	}{
		"nothing to do":                     {[]segment{seg(0, 5, fresh, true), seg(0, 0, fresh, true)}, 1000, nil, 200},
		"too old, consumed or not":          {[]segment{seg(0, 5, old, false), seg(0, 9, fresh, false), seg(0, 0, fresh, false)}, 1000, map[int32]int64{0: 5}, 200},
		"the last stays though it is old":   {[]segment{seg(0, 0, old, true)}, 10, nil, 100},
		"over the limit, consumed":          {[]segment{seg(0, 5, fresh, true), seg(0, 0, fresh, true)}, 150, map[int32]int64{0: 5}, 100},
		"over the limit, not consumed":      {[]segment{seg(0, 5, fresh, false), seg(0, 0, fresh, false)}, 150, nil, 200},
		"no hole behind what is kept":       {[]segment{seg(0, 5, fresh, false), seg(0, 9, fresh, true), seg(0, 0, fresh, true)}, 150, nil, 300},
		"old behind what is kept stays":     {[]segment{seg(0, 5, fresh, false), seg(0, 9, old, false), seg(0, 0, fresh, true)}, 1000, nil, 300},
		"oldest first across partitions":    {[]segment{seg(0, 5, fresh, true), seg(0, 0, fresh, true), seg(1, 7, fresh.Add(-time.Second), true), seg(1, 0, fresh, true)}, 300, map[int32]int64{1: 7}, 300},
		"only as many as it takes":          {[]segment{seg(0, 5, fresh, true), seg(0, 9, fresh, true), seg(0, 0, fresh, true)}, 200, map[int32]int64{0: 5}, 200},
		"kept for ever: never by age alone": {[]segment{{topic: "t", end: 5, bytes: 100, written: old}, {topic: "t", bytes: 100, written: old}}, 10, nil, 200},
	} {
		t.Run(name, func(t *testing.T) {
			upTo, stay := plan(c.segments, c.limit, now)
			assert.Equal(t, c.upTo, upTo["t"])
			left := int64(0)
			for _, s := range stay {
				left += s.bytes
			}
			assert.Equal(t, c.left, left)
		})
	}
}
