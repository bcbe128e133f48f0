package embeddedkafkaextension

import (
	"time"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/journal/cluster"
)

var _ cluster.Limited = (*kafka)(nil)

// JournalRoom returns how much more of topic the log accepts, and which group prevents old records from being deleted.
func (k *kafka) JournalRoom(topic string) journal.Room {
	b := k.broker.Load()
	if b == nil {
		waits := k.waiting.Load()
		return journal.Room{Full: waits, DiskFull: waits}
	}
	r := b.Room(topic, time.Now())
	return journal.Room{
		Full: r.Full, UsedBytes: r.Used, LimitBytes: r.Max, LeftBytes: r.Left, DiskFull: r.Disk,
		Holder: r.Group, Behind: r.Behind, BytesPerSecond: r.Rate,
	}
}
