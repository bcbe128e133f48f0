// Package lease elects one of the processes that share a lake.
//
// An epoch is a file, _lease/<name>/<number>.json, which its holder alone rewrites: each time with a higher beat. The next epoch begins when somebody makes the file
// of the next number, which one of many does (lakestore.Store.Create): when the last one says that it has ended, or when its beat has not changed for the time to
// live, by the clock of the one who looks. No clocks are compared.
//
// A lease saves work, it protects nothing: a holder that slept through its end finds out when it asks Held, and what it does a moment after that must be harmless.
package lease

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/penstockhq/penstock/internal/lakestore"
)

// Dir is where leases are, below the root of a lake.
const Dir = "_lease"

// ErrLost says that the lease is another's now, or may be.
var ErrLost = errors.New("the lease is over")

// document is the file of an epoch.
type document struct {
	Holder string `json:"holder"`
	Beat   int64  `json:"beat"`
	Ended  bool   `json:"ended"`
}

// Lease is one process's view of a lease. Keep and Release are for one goroutine; Held and Epoch are safe for concurrent use.
type Lease struct {
	store  lakestore.Store
	dir    string
	holder string
	ttl    time.Duration

	beat int64
	// What was seen of another's epoch, and since when.
	seen      document
	seenEpoch int64
	since     time.Time

	mu    sync.Mutex
	epoch int64     // guarded by mu; 0: not held
	until time.Time // guarded by mu
}

// New returns a lease that nobody holds yet. Holder has to be unique among those who want it.
func New(store lakestore.Store, name, holder string, ttl time.Duration) *Lease {
	return &Lease{store: store, dir: path.Join(Dir, name), holder: holder, ttl: ttl}
}

// Held returns nil while the lease is this process's, else ErrLost.
func (l *Lease) Held(now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epoch == 0 || !now.Before(l.until) {
		return ErrLost
	}
	return nil
}

// Epoch numbers the times that the lease was taken; 0: it is not held.
func (l *Lease) Epoch() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epoch
}

func (l *Lease) set(epoch int64, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch, l.until = epoch, until
}

// Keep takes the lease if it is free, and renews it if it is held. Call it several times in the time to live.
func (l *Lease) Keep(ctx context.Context, now time.Time) (held bool, err error) {
	epoch, last, err := l.newest(ctx)
	if err != nil {
		return l.Held(now) == nil, err
	}
	mine := l.Epoch()
	if mine != 0 && epoch != mine {
		l.set(0, time.Time{})
		mine = 0
	}
	if mine != 0 {
		l.beat++
		if err := l.write(ctx, epoch, false); err != nil {
			return l.Held(now) == nil, err
		}
		l.set(epoch, now.Add(l.ttl))
		return true, nil
	}
	if epoch != 0 && !last.Ended {
		if epoch != l.seenEpoch || last != l.seen {
			l.seen, l.seenEpoch, l.since = last, epoch, now
			return false, nil
		}
		if now.Sub(l.since) < l.ttl {
			return false, nil
		}
	}
	return l.take(ctx, epoch+1, now)
}

// take begins an epoch, unless another one does.
func (l *Lease) take(ctx context.Context, epoch int64, now time.Time) (bool, error) {
	l.beat = 1
	content, err := json.Marshal(document{Holder: l.holder, Beat: l.beat})
	if err != nil {
		return false, err
	}
	made, err := l.store.Create(ctx, l.file(epoch), content)
	if err != nil || !made {
		return false, err
	}
	l.set(epoch, now.Add(l.ttl))
	for e := epoch - 1; e > 0 && e > epoch-8; e-- { // those before were removed by their successors
		if err := l.store.Remove(ctx, l.file(e)); err != nil {
			return true, err
		}
	}
	return true, nil
}

// Release ends the epoch, so that another one need not wait.
func (l *Lease) Release(ctx context.Context) error {
	epoch := l.Epoch()
	if epoch == 0 {
		return nil
	}
	l.set(0, time.Time{})
	return l.write(ctx, epoch, true)
}

func (l *Lease) write(ctx context.Context, epoch int64, ended bool) error {
	content, err := json.Marshal(document{Holder: l.holder, Beat: l.beat, Ended: ended})
	if err != nil {
		return err
	}
	return l.store.Put(ctx, l.file(epoch), content)
}

func (l *Lease) file(epoch int64) string { return path.Join(l.dir, fmt.Sprintf("%012d.json", epoch)) }

// newest reads the file of the last epoch; 0: there was none.
func (l *Lease) newest(ctx context.Context) (epoch int64, last document, err error) {
	all, err := l.store.Documents(ctx, l.dir)
	if err != nil {
		return 0, last, err
	}
	for name, content := range all {
		n, err := strconv.ParseInt(strings.TrimSuffix(name, ".json"), 10, 64)
		if err != nil || n <= epoch {
			continue
		}
		var d document
		if err := json.Unmarshal(content, &d); err != nil {
			return 0, last, fmt.Errorf("%s: %w", l.file(n), err)
		}
		epoch, last = n, d
	}
	return epoch, last, nil
}
