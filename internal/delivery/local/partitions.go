package local

import (
	"context"

	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/internal/delivery"
)

// Partitions are [delivery.Partitions] of which one may be local. It is safe for concurrent use, but for Open and Shutdown.
type Partitions[T delivery.Stateful] struct {
	*delivery.Partitions[T]
	driver *Driver // nil where every batch must come with a session
}

// NewPartitions returns the empty list of component id, whose states create makes.
func NewPartitions[T delivery.Stateful](id component.ID, create func(*delivery.Session) T) *Partitions[T] {
	return &Partitions[T]{Partitions: delivery.NewPartitions(id.String(), create)}
}

// Open begins the local session, for batches that come without one.
func (p *Partitions[T]) Open(ctx context.Context, host component.Host, owner Owner, set Settings) error {
	driver, err := OpenOwned(ctx, host, owner, set)
	if err != nil {
		return err
	}
	p.driver = driver
	if err := p.Without(driver.Session()); err != nil {
		return err
	}
	driver.Start()
	return nil
}

// Shutdown ends the local session, if there is one.
func (p *Partitions[T]) Shutdown(ctx context.Context) error {
	if p.driver == nil {
		return nil
	}
	return p.driver.Shutdown(ctx)
}
