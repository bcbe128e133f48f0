package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/ledger"
)

const nine = ledger.Hour(500_000)

func record(tenant string, receipt ledger.Hour, events ...ledger.HourItems) ledger.Content {
	c := ledger.Content{Tenant: tenant, Hour: receipt, Events: events}
	for _, e := range events {
		c.Items += e.Items
	}
	return c
}

func at(h ledger.Hour, items int64) ledger.HourItems { return ledger.HourItems{Hour: h, Items: items} }

func Example() {
	b := ledger.NewBook(0)
	b.Batch(0, 1, []ledger.Content{record("acme", nine, at(nine, 10))}, ledger.Fates{Stored: 7, Folded: 2, Dropped: []ledger.Drop{{Reason: "too_old", Items: 1}}})
	for k, c := range b.Cells(ledger.ByReceipt) {
		fmt.Println(k.Tenant, k.Hour, c.Received, "=", c.Stored, "+", c.Folded, "+", c.AllDropped())
	}
	// Output: acme 2027-01-15T08:00:00Z 10 = 7 + 2 + 1
}

// sum adds up a view, and checks that each cell balances.
func sum(t *testing.T, b *ledger.Book, v ledger.View) (all ledger.Cell) {
	t.Helper()
	for k, c := range b.Cells(v) {
		assert.Zero(t, c.Unaccounted(), "%v: %+v", k, *c)
		all.Add(c)
	}
	return all
}

func TestABatchOfTwoHoursBalancesInBoth(t *testing.T) {
	b := ledger.NewBook(0)
	b.Batch(0, 2, []ledger.Content{record("a", nine, at(nine-1, 3), at(nine, 4)), record("a", nine+1, at(nine, 5))},
		ledger.Fates{Stored: 6, Folded: 2, Dropped: []ledger.Drop{{Reason: "old", Items: 4}}})
	for _, v := range []ledger.View{ledger.ByReceipt, ledger.ByEvent} {
		assert.Equal(t, ledger.Cell{Received: 12, Stored: 6, Folded: 2, Dropped: map[string]int64{"old": 4}}, sum(t, b, v))
	}
	for k, c := range b.Cells(ledger.ByEvent) {
		if k.Hour == nine-1 {
			assert.EqualValues(t, 3, c.Dropped["old"], "the oldest are charged first")
		}
	}
}

// Items without a fate are unaccounted in the ledger, in both directions.
// A client can give each record of a request another hour: looking through all hours for each took many seconds.
func TestABatchOfManyHours(t *testing.T) {
	const n = 100_000
	var events []ledger.HourItems
	for range 2 {
		for i := range ledger.Hour(n) {
			events = append(events, at(i, 1))
		}
	}
	b := ledger.NewBook(0)
	b.Batch(0, 1, []ledger.Content{record("acme", nine, events...)}, ledger.Fates{Stored: 2*n - 1, Dropped: []ledger.Drop{{Reason: "too_old", Items: 1}}})
	sum, hours := int64(0), 0
	for k, c := range b.Cells(ledger.ByEvent) {
		if hours++; k.Hour != ledger.Earlier {
			assert.Equal(t, ledger.Cell{Received: 2, Stored: 2}, *c, k)
		}
		sum += c.Received
	}
	assert.EqualValues(t, 2*n, sum)
	assert.Equal(t, ledger.MaxHours+1, hours)
	assert.EqualValues(t, 1, b.Total().Dropped["too_old"])
}

func TestWhatDoesNotAddUpShows(t *testing.T) {
	for stored, want := range map[int64]int64{7: 3, 10: 0, 12: -2} {
		b := ledger.NewBook(0)
		b.Batch(0, 1, []ledger.Content{record("a", nine, at(nine, 10))}, ledger.Fates{Stored: stored})
		total := b.Total()
		assert.Equal(t, want, total.Unaccounted())
	}
	b := ledger.NewBook(0)
	c := record("a", nine, at(nine, 10))
	c.Items = 11 // the writer of the record counted one more than anybody finds in it
	b.Batch(0, 1, []ledger.Content{c}, ledger.Fates{Stored: 10})
	total := b.Total()
	assert.EqualValues(t, 1, total.Unaccounted())
}

// A book is bounded, and adds up what it no longer counts separately.
func TestABookIsBoundedAndLosesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	b := ledger.NewBook(0)
	received := int64(0)
	for i := range int64(4000) {
		hour := nine + ledger.Hour(i/20)
		c := record(fmt.Sprint("tenant-", rng.IntN(200)), hour, at(hour-ledger.Hour(rng.IntN(100)), 1+rng.Int64N(5)), at(hour+ledger.Hour(rng.IntN(3000)), 2))
		received += c.Items
		dropped := rng.Int64N(c.Items)
		b.Batch(i, i+1, []ledger.Content{c}, ledger.Fates{Stored: c.Items - dropped, Dropped: []ledger.Drop{{Reason: fmt.Sprint("r", rng.IntN(60)), Items: dropped}}})
		b.Create(hour, ledger.Fates{Stored: 1})
	}
	for _, v := range []ledger.View{ledger.ByReceipt, ledger.ByEvent} {
		all := sum(t, b, v)
		assert.Equal(t, received, all.Received)
		cells, hours := 0, map[ledger.Hour]int{}
		for k := range b.Cells(v) {
			cells++
			hours[k.Hour]++
		}
		assert.LessOrEqual(t, len(hours), ledger.MaxHours+2)
		for h, n := range hours {
			assert.LessOrEqual(t, n, ledger.MaxTenants+1, h)
		}
		assert.LessOrEqual(t, len(all.Dropped), 60)
	}
	created := int64(0)
	for _, c := range b.Created() {
		created += c.Stored
	}
	assert.EqualValues(t, 4000, created)
	assert.Less(t, len(b.Append(nil)), 1<<20)
	_, known := b.Exceptions(10)
	assert.False(t, known, "batches as old as that are forgotten")
	_, known = b.Exceptions(3999)
	assert.True(t, known)
}

func TestABookComesBackAsItWas(t *testing.T) {
	b := ledger.NewBook(17)
	b.Next, b.Lost = 99, 3
	b.Batch(17, 18, []ledger.Content{record("a", nine, at(nine, 2), at(nine+9, 1))}, ledger.Fates{Stored: 2, Dropped: []ledger.Drop{{Reason: "x", Items: 1}}})
	b.Create(nine, ledger.Fates{Stored: 5, Dropped: []ledger.Drop{{Reason: "late", Items: 1}}})
	data := b.Append(nil)
	again, err := ledger.Read(data)
	require.NoError(t, err)
	assert.Equal(t, b, again)
	assert.Equal(t, data, again.Append(nil))
	for i := range data {
		_, err := ledger.Read(data[:i])
		assert.ErrorIs(t, err, ledger.ErrBook, i)
	}
	data[0] = 99
	_, err = ledger.Read(data)
	assert.ErrorIs(t, err, ledger.ErrBook, "a later version")
}

func FuzzRead(f *testing.F) {
	b := ledger.NewBook(1)
	b.Batch(1, 2, []ledger.Content{record("a", nine, at(nine, 2))}, ledger.Fates{Stored: 1, Folded: 1})
	f.Add(b.Append(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		if b, err := ledger.Read(data); err == nil {
			_, err := ledger.Read(b.Append(nil))
			assert.NoError(t, err)
		}
	})
}

func TestHours(t *testing.T) {
	for text, want := range map[string]string{"2026-11-30T05:59:59.999Z": "2026-11-30T05:00:00Z", "1969-12-31T23:30:00Z": "1969-12-31T23:00:00Z"} {
		when, err := time.Parse(time.RFC3339Nano, text)
		require.NoError(t, err)
		assert.Equal(t, want, ledger.HourOf(when).String())
	}
	assert.Equal(t, "earlier", ledger.Earlier.String())
	assert.Equal(t, "later", ledger.Later.String())
}
