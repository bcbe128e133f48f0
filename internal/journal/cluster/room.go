package cluster

import (
	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/internal/journal"
)

// Limited is implemented by an extension that holds a journal of limited size in this process. A real Kafka has no such extension: it deletes by
// retention, or its disks fill up.
type Limited interface {
	// JournalRoom returns how much more of topic the journal accepts. It is called for each request, so it must be cheap.
	JournalRoom(topic string) journal.Room
}

// FindLimited returns the host's extension that holds the journal; ok is false if the journal is in a real Kafka.
func FindLimited(host component.Host) (l Limited, ok bool) {
	for _, e := range host.GetExtensions() {
		if l, ok = e.(Limited); ok {
			return l, true
		}
	}
	return nil, false
}
