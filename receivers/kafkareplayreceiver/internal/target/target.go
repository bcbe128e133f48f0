// Package target asks the stores that a replay writes to how far back they accept data, and deletes there what a replay is about to write
// again.
package target

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/penstockhq/penstock/internal/journal"
)

// maxAnswer bounds the bytes read of an answer.
const maxAnswer = 4 << 20

// ErrCannotReplace says that a replay can't rely on a store's deletion.
var ErrCannotReplace = errors.New("can't replace")

// ErrLeft says that samples are left after a deletion.
var ErrLeft = errors.New("samples are left after the deletion")

// Target is a store.
type Target interface {
	// Name is the store's name for users.
	Name() string
	// Oldest returns the oldest time that the store accepts at now; the zero time: any. why names the limit that sets it.
	Oldest(ctx context.Context, now time.Time) (oldest time.Time, why string, err error)
	// CanReplace returns an error that wraps ErrCannotReplace if Replace of [from, to) would not work, and another one if the store does
	// not answer.
	CanReplace(ctx context.Context, from, to time.Time) error
	// Replace deletes what match selects in [from, to), and of rollups, whose samples are stamped with the end of their window, in (from,
	// to]. It returns when queries no longer see it; ErrLeft if they do. After other errors it is unknown what was deleted, and Replace
	// can be repeated. It calls fence before each request that deletes.
	Replace(ctx context.Context, match []string, from, to time.Time, fence Fence) error
}

// Store is a target and the signal that it accepts.
type Store struct {
	Target
	Signal journal.Signal
}

// Stores are the stores that a receiver's pipelines write to.
type Stores []Store

// For returns the targets that accept signal.
func (s Stores) For(signal journal.Signal) (all []Target) {
	for _, t := range s {
		if t.Signal == signal {
			all = append(all, t.Target)
		}
	}
	return all
}

// Fence returns the time until which no other instance can have begun to write what a deletion would delete, or an error if one may have.
// A request that was not sent by then must not be sent: a process that was suspended would delete what its successor has written.
type Fence func(ctx context.Context) (until time.Time, err error)

// ErrLate says that a deletion was not sent because its fence has ended.
var ErrLate = errors.New("the deletion was not sent in time: another instance may run the job by now")

// Fixed is a store without an API for its limits: its bound is configured.
type Fixed struct {
	Label  string
	MaxAge time.Duration // 0: none
}

var _ Target = (*Fixed)(nil)

// Name implements Target.
func (f *Fixed) Name() string { return f.Label }

// Oldest implements Target.
func (f *Fixed) Oldest(_ context.Context, now time.Time) (time.Time, string, error) {
	if f.MaxAge == 0 {
		return time.Time{}, "", nil
	}
	return now.Add(-f.MaxAge), fmt.Sprintf("max_age is %s", f.MaxAge), nil
}

// CanReplace implements Target.
func (f *Fixed) CanReplace(context.Context, time.Time, time.Time) error {
	return fmt.Errorf("%w: Penstock knows no deletion API of %s", ErrCannotReplace, f.Label)
}

// Replace implements Target.
func (f *Fixed) Replace(ctx context.Context, _ []string, from, to time.Time, _ Fence) error {
	return f.CanReplace(ctx, from, to)
}

// bounded tightens a bound by a configured age.
func bounded(oldest time.Time, why string, now time.Time, maxAge time.Duration) (time.Time, string) {
	if limit := now.Add(-maxAge); maxAge > 0 && limit.After(oldest) {
		return limit, fmt.Sprintf("max_age is %s", maxAge)
	}
	return oldest, why
}

func read(resp *http.Response, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusNotFound {
		return body, fmt.Errorf("%w: %s: %s", ErrCannotReplace, resp.Request.URL.Path, resp.Status)
	}
	if resp.StatusCode/100 != 2 {
		return body, fmt.Errorf("%s %s: %s: %.200s", resp.Request.Method, resp.Request.URL.Path, resp.Status, body)
	}
	return body, nil
}
