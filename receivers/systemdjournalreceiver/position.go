package systemdjournalreceiver

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
)

const (
	// cursorKey is where the storage has the cursor, and legacyKey where contrib's journald receiver has it.
	cursorKey = "cursor"
	legacyKey = "journald_input.lastReadCursor"
)

func storageClient(ctx context.Context, host component.Host, id *component.ID, own component.ID) (storage.Client, error) {
	if id == nil {
		return storage.NewNopClient(), nil
	}
	extension, ok := host.GetExtensions()[*id].(storage.Extension)
	if !ok {
		return nil, fmt.Errorf("storage: %q is no storage extension of this configuration", id)
	}
	return extension.GetClient(ctx, component.KindReceiver, own, "")
}

// loadCursor reads the cursor, or the one that contrib's journald receiver of the same name left.
func (j *journal) loadCursor(ctx context.Context, host component.Host) (_ string, err error) {
	cursor, err := j.client.Get(ctx, cursorKey)
	if err != nil || len(cursor) > 0 || j.cfg.Storage == nil {
		return string(cursor), err
	}
	legacy, err := storageClient(ctx, host, j.cfg.Storage, component.MustNewIDWithName("journald", j.set.ID.Name()))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, legacy.Close(ctx)) }()
	cursor, err = legacy.Get(ctx, legacyKey)
	return string(cursor), err
}
