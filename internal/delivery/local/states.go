package local

import (
	"context"

	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/internal/delivery"
)

// States are [delivery.States], one of which may be local. It is safe for concurrent use, except for Open and Shutdown.
type States[T delivery.Stateful] struct {
	*delivery.States[T]
	driver *Driver // nil if every batch must come with a session
}

// NewStates returns the empty list of component id, whose states create makes.
func NewStates[T delivery.Stateful](id component.ID, create func(*delivery.Session) T) *States[T] {
	return &States[T]{States: delivery.NewStates(id.String(), create)}
}

// Open starts the local session, for batches without a session.
func (p *States[T]) Open(ctx context.Context, host component.Host, owner Owner, set Settings) error {
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
func (p *States[T]) Shutdown(ctx context.Context) error {
	if p.driver == nil {
		return nil
	}
	return p.driver.Shutdown(ctx)
}
