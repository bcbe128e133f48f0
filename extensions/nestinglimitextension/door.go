package nestinglimitextension

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/client"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/penstockhq/penstock/internal/inflight"
)

// highMemory is the error of memory_limiter, which is not exported. TestHighMemoryIsRefusedUnread of testbed/smoke fails if it changes.
const highMemory = "data refused due to high memory usage"

// atTheDoor refuses a request of which nothing has been read if it would most likely be refused later: to read, measure and decode a request takes a
// good part of the CPU that it takes to store it, and what is thrown away is garbage that keeps the heap full. length is its declared length in bytes,
// -1 if it has none. scout says that the request is the one that finds out whether memory_limiter still refuses data.
func (l *nestingLimit) atTheDoor(held *inflight.Hold, length int64) (scout bool, refused *refusal) {
	if refused := l.judge(held.Fits(l.usual.Expect(length, l.cfg.MaxInFlight))); refused != nil {
		return false, refused
	}
	shut, scout := l.memory.Refuses(time.Now())
	if shut {
		return false, later("memory", highMemory)
	}
	return scout, nil
}

// accountOf returns the parties of a gRPC call as far as its headers tell. It is not authenticated yet: if it has a key, it is charged to that later,
// and what is found here holds nothing.
func accountOf(ctx context.Context, header metadata.MD) []inflight.Party {
	from, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	return parties(client.NewContext(ctx, client.Info{Addr: from.Addr, Metadata: client.NewMetadata(header)}))
}
