package store

import (
	"sync"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

// lookEvery is how often the list of days is read: the engine looks every ten seconds whether it is too large.
const lookEvery = time.Second

// droppedDays knows which days the engine has dropped since the store was opened: it takes no rows of them any more, and counts none that it
// doesn't take. The zero value has seen nothing.
type droppedDays struct {
	mu     sync.Mutex
	looked time.Time      // guarded by mu
	there  map[int64]bool // guarded by mu; the days that were there
	newest int64          // guarded by mu; of those that are not any more
}

// last returns the newest day that was dropped.
func (d *droppedDays) last(engine *logstorage.Storage, now time.Time) (day int64, any bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.there == nil {
		d.there, d.newest = map[int64]bool{}, noDay
	}
	if since := now.Sub(d.looked); since >= lookEvery || since < 0 {
		d.looked = now
		is := map[int64]bool{}
		for _, name := range engine.PartitionList() {
			if t, err := time.Parse(dayFormat, name); err == nil {
				is[dayOf(t.UnixNano())] = true
			}
		}
		for n := range d.there {
			if !is[n] {
				d.newest = max(d.newest, n)
			}
		}
		d.there = is
	}
	return d.newest, d.newest != noDay
}
