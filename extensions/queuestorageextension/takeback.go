package queuestorageextension

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/queuestorageextension/internal/takeback"
)

// metadataKey is the key under which exporterhelper's persistent queue stores its state.
const metadataKey = "qmv0"

// requeueInFlight prepares a queue that no process has open for reading. It puts requests in flight back among the waiting ones. The queue would do this
// itself, but it deletes them all before it stores the first one again, so a kill in between loses them. Here every step is one transaction that
// leaves each request in the queue once. The order of the requests is kept if they lie together. If the queue's own state contradicts the stored
// requests, all stored requests are put back. found may be nil: then the state is trusted.
func (q *queueStorage) requeueInFlight(ctx context.Context, client storage.Client, found *contents, log *zap.Logger) error {
	encoded, err := client.Get(ctx, metadataKey)
	if err != nil {
		return fmt.Errorf("read the queue's metadata: %w", err)
	}
	state, err := takeback.Parse(encoded)
	if found != nil && (len(encoded) > 0 || !found.legacy) {
		if missing, agrees := compare(state, found.requests); err != nil || !agrees {
			q.count(reasonRequests)
			log.Error("The queue's state contradicts the requests in its file. All requests in the file are sent, some perhaps a second time",
				zap.Int("requests", len(found.requests)), zap.Uint64("may_be_lost", missing), zap.Int("unknown_keys", found.foreign), zap.Error(err))
			state, err = state.Holding(found.requests), nil
			if len(found.requests) == 0 {
				return client.Set(ctx, metadataKey, state.Append(nil))
			}
		}
	}
	if err != nil {
		return err // the queue itself would start with empty state, on top of the stored requests
	}
	if len(state.Dispatched()) == 0 {
		return nil
	}
	for _, index := range state.Dispatched() {
		if value, err := client.Get(ctx, itemKey(index)); err != nil {
			return fmt.Errorf("read request %d: %w", index, err)
		} else if value == nil {
			state.Forget(index) // finished and deleted, and killed before that was recorded; or damaged
		}
	}
	count := len(state.Dispatched())
	if err := closeGaps(ctx, client, &state); err != nil {
		// Most likely the disk is full. Setting the read index back takes no space; the queue then skips the gaps one by one.
		log.Warn("requests in flight could not be moved together; the queue will start more slowly", zap.Error(err))
	}
	state.Rewind()
	if err := client.Set(ctx, metadataKey, state.Append(nil)); err != nil {
		return fmt.Errorf("write the queue's metadata: %w", err)
	}
	log.Info("requests in flight were put back into the queue", zap.Int("requests", count))
	return nil
}

// compare says whether the requests of state are the stored ones, and how many of the former are missing. A request in flight may be missing: it
// was sent.
func compare(state takeback.Metadata, stored []uint64) (missing uint64, agrees bool) {
	read, write := state.Waiting()
	dispatched := state.Dispatched()
	waiting := uint64(0)
	agrees = true
	for _, index := range stored {
		switch _, inFlight := slices.BinarySearch(dispatched, index); {
		case read <= index && index < write:
			waiting++
		case !inFlight:
			agrees = false
		}
	}
	missing = write - read - waiting
	return missing, agrees && missing == 0
}

// closeGaps moves the requests in flight together directly below the read index.
func closeGaps(ctx context.Context, client storage.Client, state *takeback.Metadata) error {
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

// itemKey is the key under which the queue stores the request with this number.
func itemKey(index uint64) string {
	return strconv.FormatUint(index, 10)
}
