package lakeextension

import (
	"context"
	"crypto/rand"
	"path"

	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/lease"
	"github.com/penstockhq/penstock/internal/lakestore/bucket"
)

// checkConditions warns about an object store that ignores If-None-Match, as old and simple ones do: that one of several gateways wins rests on it. It costs two
// puts and a removal.
func (e *lakeExtension) checkConditions(ctx context.Context) {
	if !bucket.Is(e.store.Root()) {
		return
	}
	at := path.Join(lease.Dir, "conditions.json")
	for range 2 { // the second one must not succeed
		made, err := e.store.Create(ctx, at, []byte(`"`+rand.Text()+`"`))
		if err != nil || !made {
			_ = e.store.Remove(ctx, at) // one that stays does no harm
			return
		}
	}
	e.set.Logger.Warn("The object store ignores If-None-Match: only one gateway may have the extension lake with this url, or rows can get lost", zap.String("url", e.store.Root()))
}
