package local

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// Owner is the processor that a local session belongs to.
type Owner struct {
	ID component.ID
	// InstanceID identifies this process; empty: the host name.
	InstanceID string
	// Storage is the extension that stores the state; nil keeps it in memory only.
	Storage *component.ID
}

// OpenOwned opens the local session of owner: [Open] with the label and the storage that its configuration names.
func OpenOwned(ctx context.Context, host component.Host, owner Owner, set Settings) (*Driver, error) {
	var err error
	if set.Label, err = owner.Instance(); err != nil {
		return nil, err
	}
	if owner.Storage != nil {
		client, err := OpenStorage(ctx, host, *owner.Storage, component.KindProcessor, owner.ID, "state")
		if err != nil {
			return nil, err
		}
		set.Client = client
	}
	return Open(ctx, set)
}

// OpenStorage returns the client of owner in the storage extension id. name distinguishes several states of one component. Its errors go
// to the author of the configuration and name the key "storage".
func OpenStorage(ctx context.Context, host component.Host, id component.ID, kind component.Kind, owner component.ID, name string) (storage.Client, error) {
	ext, ok := host.GetExtensions()[id]
	if !ok {
		return nil, fmt.Errorf("storage: no extension %q is configured under service::extensions", id)
	}
	from, ok := ext.(storage.Extension)
	if !ok {
		return nil, fmt.Errorf("storage: extension %q does not store anything", id)
	}
	client, err := from.GetClient(ctx, kind, owner, name)
	if err != nil {
		return nil, fmt.Errorf("storage: the state of %q in %q can't be opened; if another process, or another pipeline with the same "+
			"component id, has it open, give each one a directory or an id of its own (%s/a, %s/b): %w", owner, id, owner.Type(), owner.Type(), err)
	}
	return client, nil
}
