package journal_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/internal/journal"
)

func TestRoomInWords(t *testing.T) {
	const topic = "penstock.logs"
	for want, r := range map[string]journal.Room{
		"journal full (338 of 512 MiB): loki is 8 m behind":                                      {Full: true, UsedBytes: 338 << 20, LimitBytes: 512 << 20, Holder: "penstock.logs.loki", Behind: 8*time.Minute + 59*time.Second},
		"journal full (16 of 16 MiB): mine is 61 s behind":                                       {Full: true, UsedBytes: 16 << 20, LimitBytes: 16 << 20, Holder: "mine", Behind: 61 * time.Second},
		"journal full (16 of 16 MiB): records of penstock.logs arrive faster than they are read": {Full: true, UsedBytes: 16 << 20, LimitBytes: 16 << 20},
		"journal full (3 of 16 MiB): the disk is full":                                           {Full: true, DiskFull: true, UsedBytes: 3 << 20, LimitBytes: 16 << 20, Holder: "x"},
		"the journal is not open: the disk is full":                                              {Full: true, DiskFull: true},
		"the journal has space for 60 more MiB of penstock.logs, 2 m at the present rate":        {UsedBytes: 400 << 20, LimitBytes: 512 << 20, LeftBytes: 60 << 20, BytesPerSecond: 1 << 19},
		"the journal has space for 112 more MiB of penstock.logs":                                {UsedBytes: 400 << 20, LimitBytes: 512 << 20},
	} {
		assert.Equal(t, want, r.Describe(topic))
	}
}

func TestDurationsAsPeopleSayThem(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0 s": 900 * time.Millisecond, "99 s": 99 * time.Second, "1 m": 100 * time.Second, "99 m": 99 * time.Minute, "47 h": 48*time.Hour - 1, "3 d": 80 * time.Hour,
	} {
		assert.Equal(t, want, journal.Ago(d))
	}
}
