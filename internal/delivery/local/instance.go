package local

import (
	"fmt"
	"os"

	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/internal/journal"
)

// InstanceAttribute is on streams that a component creates if no other process shares its partitions: without a journal, and with a
// journal in this process. The partitions of two such processes have equal names, so without the attribute both would write one series,
// and a store keeps the first of two values for one time.
const InstanceAttribute = "penstock.instance"

// Instance returns the owner's name: instance_id or the host name, followed by the component's name, because two components of one type in
// one process must not write one series either.
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

// InstanceBehindJournal returns Instance if an extension of host holds the journal, and "" if gateways share a Kafka: there a series
// belongs to one partition, and the partition to one instance at a time.
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
