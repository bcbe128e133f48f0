// Package receipt lets a client find its request in the journal. A listener puts a [Note] into the context of a request that has the header; the
// processor that writes the journal records the position; and the client gets an id that contains the position, so nothing has to be stored.
package receipt

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
)

const (
	// Header is the header that a client sends, with the value Want, and that the answer has, with the id. gRPC metadata has the same key.
	Header = "penstock-receipt"
	// Want is the value of a client's header.
	Want = "want"

	// maxPlaces bounds an id to some 700 bytes. A request is usually one record; large ones are a few.
	maxPlaces = 32
	// more ends an id without all places.
	more = "more"
)

// Place is the position of consecutive records of one request: in a partition of the journal, from offset First on.
type Place struct {
	Partition      int32
	First, Records int64
}

// Note collects the positions of a request. The zero value is empty and ready; it is safe for concurrent use.
type Note struct {
	mu     sync.Mutex
	signal string  // guarded by mu
	places []Place // guarded by mu
	left   bool    // guarded by mu; there was no space for all
}

type key struct{}

// With returns a context in which [Written] finds n.
func With(ctx context.Context, n *Note) context.Context { return context.WithValue(ctx, key{}, n) }

// Wanted says whether the receipt of ctx's request is wanted.
func Wanted(ctx context.Context) bool { return of(ctx) != nil }

func of(ctx context.Context) *Note {
	n, _ := ctx.Value(key{}).(*Note)
	return n
}

// Written records that a record of ctx's request is in the journal of signal. Without a Note in ctx it does nothing.
func Written(ctx context.Context, signal string, partition int32, offset int64) {
	n := of(ctx)
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.signal = signal
	for i := range n.places {
		if p := &n.places[i]; p.Partition == partition && p.First+p.Records == offset {
			p.Records++
			return
		}
	}
	if len(n.places) >= maxPlaces {
		n.left = true
		return
	}
	n.places = append(n.places, Place{partition, offset, 1})
}

// ID returns the id of the receipt: <signal>.<partition>-<first offset>-<records>, with further places after further dots. It is empty if nothing
// was written.
func (n *Note) ID() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.places) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(n.signal)
	for _, p := range n.places {
		fmt.Fprintf(&b, ".%d-%d-%d", p.Partition, p.First, p.Records)
	}
	if n.left {
		b.WriteString("." + more)
	}
	return b.String()
}

// Parse parses an id. whole is false if it does not have all places.
func Parse(id string) (signal string, places []Place, whole bool, err error) {
	signal, rest, _ := strings.Cut(id, ".")
	bad := func() (string, []Place, bool, error) {
		return "", nil, false, fmt.Errorf("not a receipt: it looks like logs.0-1234-1")
	}
	if signal != "metrics" && signal != "logs" && signal != "traces" {
		return bad()
	}
	rest, left := strings.CutSuffix(rest, "."+more)
	all := strings.Split(rest, ".")
	if len(all) > maxPlaces {
		return bad()
	}
	for _, text := range all {
		parts := strings.Split(text, "-")
		if len(parts) != 3 {
			return bad()
		}
		partition, err1 := strconv.ParseInt(parts[0], 10, 32)
		first, err2 := strconv.ParseInt(parts[1], 10, 64)
		records, err3 := strconv.ParseInt(parts[2], 10, 32)
		if err1 != nil || err2 != nil || err3 != nil || records < 1 || first > math.MaxInt64-records || text != fmt.Sprintf("%d-%d-%d", partition, first, records) {
			return bad()
		}
		places = append(places, Place{int32(partition), first, records})
	}
	return signal, places, !left, nil
}
