package logsql

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/bounded"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

const (
	// lookBack is how much older than the newest look a row may be that comes late; older ones a tail doesn't show.
	lookBack = 30 * time.Second
	// mostSeen bounds the different rows that a tail remembers so that it shows none twice, 40 bytes each.
	mostSeen = 200_000
	// minRefresh is the shortest time between two looks.
	minRefresh = 200 * time.Millisecond
)

// tail is a live tail: it runs its query again and again over the newest time.
type tail struct {
	q     *request
	seed  maphash.Seed
	seen  map[uint64]sent
	looks int
	order bool // the query orders its fields
}

// sent are the rows with the same text, which have one time.
type sent struct {
	at         int64
	rows       int // that were sent
	look, here int // how many the last look has found
}

// isNew counts a row that a look finds; it is new where the look finds more of its text than were sent.
func (t *tail) isNew(id uint64, at int64) bool {
	of := t.seen[id]
	if of.look != t.looks {
		of.look, of.here = t.looks, 0
	}
	of.here++
	more := of.here > of.rows
	if more {
		of.at, of.rows = at, of.here
	}
	t.seen[id] = of
	return more
}

// serveTail is /select/logsql/tail: rows as they come, until the client goes.
func (a *API) serveTail(w http.ResponseWriter, r *http.Request) {
	err := a.tail(w, r)
	if err == nil || errors.Is(err, context.Canceled) || r.Context().Err() != nil { // the client is gone, or doesn't read
		return
	}
	code, reason := bounded.Meaning(r.Context(), err)
	a.Refused(reason)
	plainError(w, code, err) // where rows were sent, the text ends them
}

func (a *API) tail(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	now, cancel := context.WithTimeout(ctx, time.Second)
	leave, err := a.Limits.Tails.Enter(now)
	cancel()
	if err != nil {
		return fmt.Errorf("%w (query::max_tails)", err)
	}
	defer leave()
	refresh, err := duration("refresh_interval", r.FormValue("refresh_interval"))
	if err != nil {
		return err
	}
	if refresh <= 0 {
		refresh = time.Second
	}
	back, err := duration("start_offset", r.FormValue("start_offset"))
	if err != nil {
		return err
	}
	wait, err := duration("offset", r.FormValue("offset"))
	if err != nil {
		return err
	}
	q, err := a.parse(r)
	if err != nil {
		return err
	}
	if !q.prepared.Query.CanLiveTail() {
		return badf("query: a tail can't have a pipe that needs all rows, such as stats or sort")
	}
	_, _ = io.Copy(io.Discard, r.Body) // The listener waits for the end of a body, also of none, and not for long.
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	defer writeUntil(w, time.Time{})
	t := &tail{q: q, seed: maphash.MakeSeed(), seen: map[uint64]sent{}, order: q.prepared.Query.IsFixedOutputFieldsOrder()}
	from := time.Now().Add(-wait - back)
	ticker := time.NewTicker(max(refresh, minRefresh))
	defer ticker.Stop()
	for {
		until := time.Now().Add(-wait)
		lines, err := a.look(ctx, t, from, until)
		if err != nil {
			return err
		}
		writeUntil(w, time.Now().Add(a.Limits.Timeout))
		if err := send(w, lines); err != nil {
			return err
		}
		if next := until.Add(-lookBack); next.After(from) {
			from = next
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// line is a row to be sent.
type line struct {
	at   int64
	text []byte
}

// look returns the rows that are there now and were not sent yet, oldest first. It has given its place back when they are sent.
func (a *API) look(ctx context.Context, t *tail, from, until time.Time) ([]line, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Limits.Timeout)
	defer cancel()
	leave, err := a.Limits.Queries.Enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var lines []line
	t.looks++
	p := t.q.prepared.Between(from, until)
	err = t.q.store.RunPrepared(ctx, p, func(b *store.Block) error {
		times, ok := b.Times()
		if !ok {
			return badf("query: a tail needs the field _time")
		}
		columns := slices.Clone(b.Columns())
		if !t.order {
			slices.SortFunc(columns, func(a, b logstorage.BlockColumn) int { return strings.Compare(a.Name, b.Name) })
		}
		for i := range b.Len() {
			text := appendRow(nil, columns, i)
			id := maphash.Bytes(t.seed, text)
			if len(text) == 0 || !t.isNew(id, times[i]) {
				continue
			}
			if len(t.seen) > mostSeen {
				return &store.CostError{What: "rows within " + lookBack.String(), Cost: int64(len(t.seen)), Most: mostSeen}
			}
			lines = append(lines, line{times[i], text})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for id, of := range t.seen {
		if of.at < from.UnixNano() {
			delete(t.seen, id)
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return int(min(max(a.at-b.at, -1), 1)) })
	return lines, nil
}

func send(w http.ResponseWriter, lines []line) error {
	for _, l := range lines {
		if _, err := w.Write(l.text); err != nil {
			return context.Canceled
		}
	}
	return http.NewResponseController(w).Flush()
}
