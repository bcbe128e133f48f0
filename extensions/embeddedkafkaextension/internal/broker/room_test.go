package broker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestShare(t *testing.T) {
	seg := func(topic string, bytes int64, consumed bool) segment {
		return segment{topic: topic, bytes: bytes, consumed: consumed, age: time.Minute}
	}
	for name, c := range map[string]struct {
		segments []segment
		rooms    map[string]int64
	}{
		"no topics":                         {nil, nil},
		"one topic has all of it":           {[]segment{seg("a", 300, false)}, map[string]int64{"a": 700}},
		"consumed records are room":         {[]segment{seg("a", 900, true), seg("b", 0, true)}, map[string]int64{"a": 750, "b": 750}},
		"others keep their reserve":         {[]segment{seg("a", 600, false), seg("b", 0, true)}, map[string]int64{"a": 150, "b": 400}},
		"one has all but the reserve":       {[]segment{seg("a", 750, false), seg("b", 0, true)}, map[string]int64{"a": 0, "b": 250}},
		"and more: from before there was b": {[]segment{seg("a", 900, false), seg("b", 50, false)}, map[string]int64{"a": 0, "b": 200}},
		"states come off first":             {[]segment{{topic: "s", bytes: 400}, seg("a", 100, false), seg("b", 0, true)}, map[string]int64{"a": 250, "b": 350}},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.rooms, share(c.segments, 1000)) })
	}
}
