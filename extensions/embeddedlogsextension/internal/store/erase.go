package store

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/penstockhq/penstock/internal/durable"
)

const (
	erasuresName    = "erasures.json"
	erasuresVersion = 1
	// maxErasures bounds what is remembered of erasures.
	maxErasures = 1000
	// rememberErasures is how long rows that were erased do not come back when their journal is read again. A checkpoint is seconds old.
	rememberErasures = 24 * time.Hour
	// readAgain is for how long after a start they don't come back in any case: the process may have stood still for days.
	readAgain = time.Hour
	// pollEvery is the pause between two looks whether a deletion has ended.
	pollEvery = 50 * time.Millisecond
)

// Erasure says which rows are to go.
type Erasure struct {
	Signal Signal `json:"signal"`
	// Tenant's rows; empty: those of all tenants.
	Tenant string `json:"tenant,omitempty"`
	// Filter is a LogsQL filter, without pipes: * for all rows.
	Filter string `json:"filter"`
	// At is when it was asked for. Rows that come later stay.
	At time.Time `json:"at"`
	// ID names it.
	ID string `json:"id"`
}

// erasures remembers those of the last day. match is safe for concurrent use.
type erasures struct {
	path   string
	opened time.Time
	newest atomic.Int64 // when the latest one was asked for, Unix nanoseconds; 0: there is none

	mu  sync.RWMutex
	all []remembered // guarded by mu; oldest first
}

type remembered struct {
	Erasure
	filter *logstorage.Filter
	judges bool // the filter can tell of a row that the engine does not have
}

type erasuresFile struct {
	Version  int       `json:"version"`
	Erasures []Erasure `json:"erasures"`
}

func (e *erasures) open(directory string) error {
	e.path, e.opened = filepath.Join(directory, erasuresName), time.Now()
	data, err := os.ReadFile(e.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var f erasuresFile
	if err := json.Unmarshal(data, &f); err != nil {
		return fmt.Errorf("%s: %w", e.path, err)
	}
	if f.Version != erasuresVersion {
		return fmt.Errorf("%s: version %d is not known", e.path, f.Version)
	}
	for _, one := range f.Erasures {
		filter, err := logstorage.ParseFilterAtTimestamp(one.Filter, one.At.UnixNano())
		if err != nil {
			return fmt.Errorf("%s: %w", e.path, err)
		}
		e.all = append(e.all, remembered{one, filter, judges(filter.String())})
		e.newest.Store(max(one.At.UnixNano(), e.newest.Load()))
	}
	return nil
}

// add remembers an erasure, durably.
func (e *erasures) add(one Erasure, filter *logstorage.Filter) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	kept := slices.DeleteFunc(slices.Clone(e.all), func(r remembered) bool { return e.over(&r, one.At) })
	if len(kept) >= maxErasures {
		return fmt.Errorf("%d erasures within %s are as many as are remembered", len(kept), rememberErasures)
	}
	kept = append(kept, remembered{one, filter, judges(filter.String())})
	f := erasuresFile{Version: erasuresVersion}
	for _, r := range kept {
		f.Erasures = append(f.Erasures, r.Erasure)
	}
	data, err := json.Marshal(f)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(e.path, data, 0o600); err != nil {
		return err
	}
	e.all = kept
	e.newest.Store(max(one.At.UnixNano(), e.newest.Load()))
	return nil
}

// after says whether rows were erased after a time: those that were received before, and are added only now, may be among them.
func (e *erasures) after(received time.Time) bool { return received.UnixNano() < e.newest.Load() }

// over says whether an erasure is to be forgotten.
func (e *erasures) over(r *remembered, now time.Time) bool {
	return now.Sub(r.At) > rememberErasures && now.Sub(e.opened) > readAgain
}

// match says whether a row that was received then, and is added or read again only now, was erased. The first fields are the stream's.
func (e *erasures) match(signal Signal, tenant string, received time.Time, t int64, r *row) bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if len(e.all) == 0 {
		return false
	}
	fields := append(slices.Clone(r.fields), logstorage.Field{Name: Time, Value: time.Unix(0, t).UTC().Format(time.RFC3339Nano)},
		logstorage.Field{Name: Stream, Value: r.tags()})
	now := time.Now()
	for _, r := range e.all {
		if e.over(&r, now) {
			continue
		}
		if r.judges && r.Signal == signal && (r.Tenant == "" || r.Tenant == tenant) && received.Before(r.At) && r.filter.MatchRow(fields) {
			return true
		}
	}
	return false
}

// Erase deletes rows, and returns when no query finds them and no file holds them. Rows that were received before, and are still on their way or are
// read again from the journal behind the last checkpoint, don't come. ctx's end does not end it: it goes on after a restart too.
func (s *Store) Erase(ctx context.Context, e Erasure) error {
	ctx, done, err := s.use(ctx)
	if err != nil {
		return err
	}
	defer done()
	filter, err := logstorage.ParseFilterAtTimestamp(e.Filter, e.At.UnixNano())
	if err == nil {
		err = guard(filter.String())
	}
	if err != nil {
		return &QueryError{err}
	}
	// A task leaves rows that lie in the future of its time. Relative times of the filter count from now, so those rows have a task of their own.
	// A comment in the filter ends with its line.
	ahead, err := logstorage.ParseFilterAtTimestamp(fmt.Sprintf("(%s\n) %s:>%s", e.Filter, Time, e.At.UTC().Format(time.RFC3339Nano)), e.At.UnixNano())
	if err != nil {
		return &QueryError{err}
	}
	if err := s.erased.add(e, filter); err != nil {
		return err
	}
	tenants := s.tenants.seen(View{All: e.Tenant == "", Tenant: e.Tenant}, e.Signal)
	if len(tenants) == 0 {
		return nil // the engine would take no tenant for all
	}
	if err := s.delete(ctx, e.ID, e.At, tenants, filter); err != nil {
		return err
	}
	return s.delete(ctx, e.ID+"-ahead", e.At.Add(2*maxFuture), tenants, ahead)
}

// delete deletes rows up to a time by the engine's background task, and waits for its end. The filter's relative times count from that time.
func (s *Store) delete(ctx context.Context, id string, until time.Time, tenants []logstorage.TenantID, filter *logstorage.Filter) error {
	s.settleBuffers()
	if err := s.engine.DeleteRunTask(ctx, id, until.UnixNano(), slices.Clone(tenants), filter); err != nil {
		return err
	}
	for {
		tasks, err := s.engine.DeleteActiveTasks(ctx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(tasks, func(t *logstorage.DeleteTask) bool { return t.TaskID == id }) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("delete rows: %w", ctx.Err())
		case <-time.After(pollEvery):
		}
	}
}

// deleteLost deletes the rows of filter whose stream no index has.
func (s *Store) deleteLost(ctx context.Context, signal Signal, filter string) error {
	lost := map[string]map[int64]bool{} // days of streams
	q, err := s.prepare(Query{Text: filter + " | fields " + Time + ", " + StreamID, View: View{All: true}, Signal: signal})
	if err != nil {
		return err
	}
	err = s.run(ctx, q, func(b *Block) error {
		times, _ := b.Times()
		for i, id := range b.Column(StreamID) {
			if lost[id] == nil {
				lost[strings.Clone(id)] = map[int64]bool{}
			}
			lost[id][dayOf(times[i])] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	for id, all := range lost {
		for n := range all {
			one := fmt.Sprintf("%s %s:%s %s", filter, StreamID, id, onDay(n))
			if known, err := s.streamIsKnown(ctx, signal, one); err != nil || known {
				if err != nil {
					return err
				}
				continue
			}
			parsed, err := logstorage.ParseFilter(one)
			if err != nil {
				return err
			}
			if err := s.delete(ctx, rand.Text(), time.Now().Add(2*maxFuture), s.tenants.seen(View{All: true}, signal), parsed); err != nil {
				return err
			}
		}
	}
	return nil
}

// onDay is the filter for the rows of a day.
func onDay(n int64) string {
	from := time.Unix(0, n*int64(day)).UTC()
	return fmt.Sprintf("%s:[%s, %s)", Time, from.Format(time.RFC3339), from.Add(day).Format(time.RFC3339))
}

// streamIsKnown says whether the index has the stream of the rows of filter: they are of one stream and one day.
func (s *Store) streamIsKnown(ctx context.Context, signal Signal, filter string) (known bool, err error) {
	q, err := s.prepare(Query{Text: filter + " | fields " + Stream + " | limit 1", View: View{All: true}, Signal: signal})
	if err != nil {
		return false, err
	}
	return known, s.run(ctx, q, func(b *Block) error { known = known || b.Len() > 0; return nil })
}
