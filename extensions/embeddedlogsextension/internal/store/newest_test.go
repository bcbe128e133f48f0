package store_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// recordsAt returns a record of a service for each time, which say their number.
func recordsAt(service string, first int, times ...time.Time) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", service)
	records := rl.ScopeLogs().AppendEmpty().LogRecords()
	for i, t := range times {
		lr := records.AppendEmpty()
		lr.SetTimestamp(pcommon.NewTimestampFromTime(t))
		lr.Body().SetStr(fmt.Sprintf("order %d was accepted by the warehouse", first+i))
		lr.Attributes().PutInt("third", int64((first+i)%3))
	}
	return ld
}

// The newest rows are those of the whole, sorted: for rows that lie dense, sparse and in heaps, whatever the limit.
func TestNewestRows(t *testing.T) {
	s := open(t, t.TempDir())
	random := rand.New(rand.NewPCG(1, 2))
	now := time.Now()
	var times []time.Time
	at0 := now.Add(-50 * time.Hour)
	for len(times) < 800 {
		heap := []time.Duration{time.Microsecond, time.Millisecond, time.Second, 10 * time.Minute}[random.IntN(4)]
		for range random.IntN(100) {
			if at0 = at0.Add(1 + time.Duration(random.Int64N(int64(heap)))); at0.Before(now) {
				times = append(times, at0)
			}
		}
		if !at0.Before(now) {
			at0 = now.Add(-time.Duration(random.Int64N(int64(50 * time.Hour))))
		}
	}
	for i, service := range []string{"checkout", "cart"} {
		_, err := s.AddLogs(t.Context(), recordsAt(service, i*len(times), times...), at("acme", int64(i)))
		require.NoError(t, err)
	}
	require.NoError(t, s.Flush(t.Context()))
	for _, filter := range []string{
		`*`, `{service.name="cart"}`, `third:=1`, `{service.name="checkout"} third:=0`, `"order 17"`, `nothing`, `_time:30h`,
		`_msg:in({service.name="cart"} third:=2 _time:1h | fields _msg)`, `order | extract "accepted by the <_time>"`, `* | filter third:=2`,
	} {
		whole := rows(t, s, store.Query{Text: filter + " | sort by (_time desc)", At: now, View: everything})
		for _, window := range []struct{ offset, limit int }{{0, 1}, {0, 100}, {7, 50}, {1500, 100}, {0, 40_000}} {
			text := fmt.Sprintf("%s | sort by (_time desc) offset %d limit %d | fields _time, _msg", filter, window.offset, window.limit)
			found := rows(t, s, store.Query{Text: text, At: now, View: everything})
			var want, got []string
			for _, r := range whole[min(len(whole), window.offset):min(len(whole), window.offset+window.limit)] {
				want = append(want, r["_time"])
			}
			for _, r := range found {
				got = append(got, r["_time"])
			}
			require.Equal(t, want, got, text)
		}
	}
}

// A day's newest rows are found without looking at the day.
func TestNewestRowsReadLittle(t *testing.T) {
	s := open(t, t.TempDir())
	const n = 10_000
	begin := time.Now().Add(-24 * time.Hour)
	const parts = 50 // each of a stream of its own, and so in a block of its own
	for part := range parts {
		var times []time.Time
		for i := range n / parts {
			times = append(times, begin.Add(24*time.Hour/n*time.Duration(part*n/parts+i)))
		}
		_, err := s.AddLogs(t.Context(), recordsAt(fmt.Sprint("service-", part), part*n/parts, times...), at("acme", int64(part)))
		require.NoError(t, err)
	}
	require.NoError(t, s.Flush(t.Context()))
	read := func(text string) int64 {
		p, err := s.Prepare(store.Query{Text: text, View: everything})
		require.NoError(t, err)
		found := 0
		require.NoError(t, s.RunPrepared(t.Context(), p, func(b *store.Block) error {
			found += b.Len()
			return nil
		}))
		assert.Equal(t, 100, found, text)
		return p.Read()
	}
	assert.Less(t, read("accepted | sort by (_time desc) limit 100"), read("accepted | sort by (_time) limit 100")/2)
}
