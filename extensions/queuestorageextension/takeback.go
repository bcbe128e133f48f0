package queuestorageextension

import (
	"context"
	"fmt"
	"strconv"

	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/queuestorageextension/internal/inflight"
)

// metadataKey is where exporterhelper's persistent queue keeps its state.
const metadataKey = "qmv0"

// takeBack puts the requests in flight of a queue that nobody has open back among those that wait. The queue would do so itself,
// but deletes them all before it stores the first again: killed in between it loses them. Here every step is one
// transaction that leaves each request in the queue once. The order of the requests is kept where they lie together.
func takeBack(ctx context.Context, client storage.Client, log *zap.Logger) error {
	encoded, err := client.Get(ctx, metadataKey)
	if err != nil {
		return fmt.Errorf("read the queue's metadata: %w", err)
	}
	if len(encoded) == 0 {
		return nil
	}
	state, err := inflight.Parse(encoded)
	if err != nil {
		return err // the queue itself would begin anew, on top of what is stored
	}
	if len(state.Dispatched()) == 0 {
		return nil
	}
	for _, index := range state.Dispatched() {
		if value, err := client.Get(ctx, itemKey(index)); err != nil {
			return fmt.Errorf("read request %d: %w", index, err)
		} else if value == nil {
			state.Forget(index) // finished and deleted, and killed before that was noted
		}
	}
	count := len(state.Dispatched())
	if err := closeGaps(ctx, client, &state); err != nil {
		// A full disk, most likely. Setting the read index back takes no space; the queue then passes the gaps one by one.
		log.Warn("requests in flight could not be moved together; the queue will take longer to start", zap.Error(err))
	}
	state.Rewind()
	if err := client.Set(ctx, metadataKey, state.Append(nil)); err != nil {
		return fmt.Errorf("write the queue's metadata: %w", err)
	}
	log.Info("requests that were in flight are in the queue again", zap.Int("requests", count))
	return nil
}

// closeGaps moves the requests in flight together directly below the read index.
func closeGaps(ctx context.Context, client storage.Client, state *inflight.Metadata) error {
	for {
		move, ok := state.NextMove()
		if !ok {
			return nil
		}
		value, err := client.Get(ctx, itemKey(move.From))
		if err != nil {
			return fmt.Errorf("read request %d: %w", move.From, err)
		}
		next := state.After(move)
		err = client.Batch(ctx,
			storage.SetOperation(itemKey(move.To), value),
			storage.DeleteOperation(itemKey(move.From)),
			storage.SetOperation(metadataKey, next.Append(nil)))
		if err != nil {
			return fmt.Errorf("move request %d to %d: %w", move.From, move.To, err)
		}
		*state = next
	}
}

// itemKey is where the queue stores the request with this number.
func itemKey(index uint64) string {
	return strconv.FormatUint(index, 10)
}
