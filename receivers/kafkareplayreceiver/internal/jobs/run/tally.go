package run

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/replay"
)

// countsID is the tally's id in the checkpoint.
const countsID = "kafka_replay/counts"

// tally keeps a partition's counts in its checkpoint. It does not contain refused records, because a worker that leaves one out restarts
// from the checkpoint before it.
type tally struct{ p *part }

var _ delivery.Stateful = (*tally)(nil)

// newTally returns a tally that starts at 0, or at the restored counts.
func (p *part) newTally() *tally {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts = replay.Counts{Refused: p.counts.Refused}
	return &tally{p}
}

func (t *tally) Restore(r io.Reader) error {
	var c replay.Counts
	if err := json.NewDecoder(r).Decode(&c); err != nil {
		return err
	}
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	c.Refused = t.p.counts.Refused
	t.p.counts = c
	return nil
}

func (t *tally) Snapshot(w io.Writer) error {
	c := t.p.counted()
	return json.NewEncoder(w).Encode(&c)
}

func (*tally) Advance(_ time.Time, _ bool, low time.Time) (bool, time.Time) { return false, low }
func (*tally) Flush(context.Context) error                                  { return nil }
func (*tally) Adopt()                                                       {}
