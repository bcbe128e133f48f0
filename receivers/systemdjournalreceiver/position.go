package systemdjournalreceiver

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/receivers/systemdjournalreceiver/internal/entry"
)

const (
	// cursorKey is the key of the cursor in the storage, and legacyKey that of contrib's journald receiver.
	cursorKey = "cursor"
	legacyKey = "journald_input.lastReadCursor"
	// empty is the cursor of a journal that had no entries. journalctl's cursors begin with s=.
	empty = "empty"
)

func storageClient(ctx context.Context, host component.Host, id *component.ID, own component.ID) (storage.Client, error) {
	if id == nil {
		return storage.NewNopClient(), nil
	}
	extension, ok := host.GetExtensions()[*id].(storage.Extension)
	if !ok {
		return nil, fmt.Errorf("storage: %q is not a storage extension of this configuration", id)
	}
	return extension.GetClient(ctx, component.KindReceiver, own, "")
}

// loadCursor reads the cursor, or the one that contrib's journald receiver of the same name has saved.
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

// begin returns the cursor of the journal's last entry and saves it: a first start begins after that. If it were not saved, a stop before
// the first entry would lose the entries that come before the next start.
func (j *journal) begin(ctx context.Context) (string, error) {
	cursor := empty
	_, err := j.execute(ctx, j.cfg.with("--lines=1", "--no-pager"), func(line []byte, _ string) bool {
		if e, err := entry.Parse(line, plog.NewLogRecord()); err == nil && e.Cursor != "" {
			cursor = e.Cursor
		}
		return true
	})
	if err != nil {
		return "", err
	}
	return cursor, j.client.Set(ctx, cursorKey, []byte(cursor))
}
