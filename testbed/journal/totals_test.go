package journal

import (
	"testing"

	"github.com/penstockhq/penstock/testbed/backends/kafka"
)

// Two gateways share the partitions of a Kafka of three brokers: lake, folded totals and windows are what was sent.
func TestTwoGatewaysShareTheWork(t *testing.T) {
	k := kafka.Start(t, 3)
	f := newFleet(t, k)
	f.gateway()
	f.gateway()
	f.load(2)
	f.passes(100)
	f.reconcile()
}
