package delivery_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/ledger"
)

// accounted runs a worker over everything in j, with a ledger unless off; pipeline makes the entries of a batch of n items. It returns the
// last published book; nil: none was published.
func accounted(t *testing.T, j *journal, off bool, pipeline func(o *delivery.Outcome, n int64)) (book *ledger.Book) {
	t.Helper()
	j.stopAt = j.end()
	set := delivery.WorkerSettings{
		Label: "p", Log: contents{j}, Store: j, Clock: j, Observer: j, Interval: time.Hour, DedupWindow: time.Hour, DedupMax: 1000,
		Deliver: func(ctx context.Context, _ delivery.Bounds, records []delivery.Record) error {
			of := delivery.Of(ctx)
			if len(records) == 0 {
				pipeline(of.Outcome, 0)
				if j.session = of.Session; j.restoredNext(ctx) >= j.end() {
					j.worker.Stop()
				}
				return nil
			}
			var all []ledger.Content
			for _, r := range records {
				all = append(all, r.Content)
			}
			pipeline(of.Account.Batch(all), int64(len(records)))
			return nil
		},
		Permanent: func(error) bool { return false },
	}
	if !off {
		set.Ledger = func(encoded []byte) {
			var err error
			book, err = ledger.Read(encoded)
			require.NoError(t, err)
		}
	}
	j.worker = delivery.NewWorker(set)
	require.NoError(t, j.worker.Run(t.Context()))
	require.NoError(t, j.failed)
	return book
}

// contents is a log whose records have an item each.
type contents struct{ *journal }

func (c contents) Read(ctx context.Context, from int64) (delivery.Range, error) {
	return c.with(c.journal.Read(ctx, from))
}

func (c contents) ReadExactly(ctx context.Context, b delivery.Bounds) (delivery.Range, error) {
	return c.with(c.journal.ReadExactly(ctx, b))
}

func (contents) with(r delivery.Range, err error) (delivery.Range, error) {
	for i := range r.Records {
		h := ledger.HourOf(r.Records[i].Time)
		r.Records[i].Content = ledger.Content{Tenant: "acme", Hour: h, Items: 1, Events: []ledger.HourItems{{Hour: h, Items: 1}}}
	}
	return r, err
}

func TestEntriesOfABatch(t *testing.T) {
	for name, c := range map[string]struct {
		pipeline func(o *delivery.Outcome, n int64)
		want     ledger.Cell
	}{
		"a sink that says nothing has what nobody refuses": {func(o *delivery.Outcome, n int64) { o.Refuse("guard", "limit", n/5, delivery.UnitItem) },
			ledger.Cell{Received: 20, Stored: 16, Dropped: map[string]int64{"limit": 4}}},
		"a sink that counts": {func(o *delivery.Outcome, n int64) {
			o.Fold("guard", n/5)
			o.Refuse("sink", "old", n/10, delivery.UnitItem)
			o.Take("sink", n-n/5)
		}, ledger.Cell{Received: 20, Stored: 14, Folded: 4, Dropped: map[string]int64{"old": 2}}},
		"what vanishes before a sink that counts is unaccounted": {func(o *delivery.Outcome, n int64) { o.Take("sink", n/2) },
			ledger.Cell{Received: 20, Stored: 10}},
		"a sink refuses more parts than it took items": {func(o *delivery.Outcome, n int64) {
			o.Refuse("sink", "line", 3*n, delivery.UnitItem)
			o.Take("sink", n)
		}, ledger.Cell{Received: 20, Dropped: map[string]int64{"line": 20}}},
		"records are no items": {func(o *delivery.Outcome, n int64) {
			o.Refuse("sink", "record", 1, delivery.UnitRecord)
			o.Take("sink", n)
		}, ledger.Cell{Received: 20, Stored: 20}},
	} {
		t.Run(name, func(t *testing.T) {
			j := &journal{records: texts("r", 20), group: -1, inRange: 10}
			book := accounted(t, j, false, c.pipeline)
			assert.Equal(t, c.want, book.Total())
			assert.EqualValues(t, 20, book.Next)
		})
	}
}

func TestABookLivesAsLongAsItsCheckpoints(t *testing.T) {
	stores := func(o *delivery.Outcome, n int64) { o.Take("sink", n) }
	j := &journal{records: texts("r", 20), group: -1, inRange: 10}
	total := accounted(t, j, false, stores).Total()
	assert.EqualValues(t, 20, total.Stored)
	total = accounted(t, j, false, stores).Total()
	assert.EqualValues(t, 20, total.Stored, "a process that has nothing to do knows what was before it")
	j.records = append(j.records, texts("n", 10)...)
	book := accounted(t, j, false, stores)
	total = book.Total()
	assert.EqualValues(t, 30, total.Stored)
	assert.Zero(t, book.First)

	// Without the extension the next 10 are delivered, but not counted. After them the ledger starts again.
	j.records = append(j.records, texts("o", 10)...)
	assert.Nil(t, accounted(t, j, true, stores))
	j.records = append(j.records, texts("p", 5)...)
	book = accounted(t, j, false, stores)
	total = book.Total()
	assert.EqualValues(t, 40, book.First)
	assert.EqualValues(t, 5, total.Stored)

	// Retention deletes 3 records that were not read.
	j.records = append(j.records, texts("q", 10)...)
	j.begin, j.records = 48, j.records[48:]
	book = accounted(t, j, false, stores)
	total = book.Total()
	assert.EqualValues(t, 3, book.Lost)
	assert.EqualValues(t, 12, total.Stored)
}
