package local

import (
	"fmt"
	"os"

	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/internal/journal"
)

// InstanceAttribute is on streams that an owner makes up where no other process shares its partitions: without a journal, and with one
// that lives in this process. Partitions of two such processes have equal names, and both would write one series; a store keeps the first
// of two values for one time.
const InstanceAttribute = "penstock.instance"

// Instance returns the name of the owner: instance_id or the host name, and the component's name behind it, since two of one type in one
// process must not write one series either.
func (o Owner) Instance() (string, error) {
	name := o.InstanceID
	if name == "" {
		var err error
		if name, err = os.Hostname(); err != nil {
			return "", fmt.Errorf("instance_id: not set, and the host name is not known: %w", err)
		}
	}
	if o.ID.Name() != "" {
		name += "/" + o.ID.Name()
	}
	return name, nil
}

// InstanceBehindJournal returns Instance where an extension of host holds the journal, and "" where the journal is a Kafka that gateways
// share: there a series belongs to one partition, and the partition to one instance at a time.
func (o Owner) InstanceBehindJournal(host component.Host) (string, error) {
	for _, e := range host.GetExtensions() {
		if _, ok := e.(interface {
			JournalRoom(topic string) journal.Room
		}); ok {
			return o.Instance()
		}
	}
	return "", nil
}
