package broker

import (
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/ledger"
)

// producersAhead is how many producer ids one entry of the ledger covers.
const producersAhead = 1000

// producerIDs assigns producer ids.
type producerIDs struct {
	b     *Broker
	mu    sync.Mutex
	next  int64
	taken int64 // ids below it are recorded in the ledger as assigned
}

func (p *producerIDs) take() (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == p.taken {
		p.next = p.b.ledger.NextProducer()
		if err := p.b.ledger.Write(ledger.Change{Producer: p.next + producersAhead}); err != nil {
			return 0, err
		}
		p.taken = p.next + producersAhead
	}
	p.next++
	return p.next - 1, nil
}

// checkProducer refuses a producer that is not the latest owner of a transactional id.
func checkProducer(x *ledger.Transaction, producer int64, epoch int16) *kerr.Error {
	switch {
	case x == nil || x.Producer != producer:
		return kerr.InvalidProducerIDMapping
	case x.Epoch > epoch:
		return kerr.ProducerFenced
	case x.Epoch < epoch:
		return kerr.InvalidProducerEpoch
	}
	return nil
}

func has(x *ledger.Transaction, p ledger.Partition) bool { return slices.Contains(x.Partitions, p) }
