package quota_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/quota"
)

// noon is when the tests begin: no day turns while they run, unless they want it.
var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

var acme = quota.Name{Scope: quota.Tenant, Tenant: "acme"}

func bytesOf(n int64, l quota.Limits) quota.Demand {
	return quota.Demand{Name: acme, Limits: l, Bytes: n}
}

// Senders offer ten times the quota for a minute, in requests of all sizes, and what passes is the quota within 2 %.
func TestAQuotaHoldsWithinTwoPercent(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const rate, length = 20_000, 60
	for name, size := range map[string]func() int64{
		"small":           func() int64 { return 200 },
		"of all sizes":    func() int64 { return 1 + random.Int64N(2000) },
		"of half a burst": func() int64 { return rate / 2 },
	} {
		table, passed, offered, items := quota.NewTable(10), int64(0), int64(0), int64(0)
		for now := noon; offered < 10*rate*length; {
			n := size()
			if table.Take(now, bytesOf(n, quota.Limits{BytesPerSecond: rate})) == nil {
				passed += n
			}
			if table.Take(now, quota.Demand{Name: quota.Name{Scope: quota.Key, Key: "k"}, Limits: quota.Limits{ItemsPerSecond: rate}, Items: n}) == nil {
				items += n
			}
			offered += n
			now = noon.Add(time.Duration(offered) * time.Second / (10 * rate))
		}
		assert.InEpsilon(t, rate*length, passed, 0.02, "%s: bytes", name)
		assert.InEpsilon(t, rate*length, items, 0.02, "%s: items", name)
	}
}

// A request that is larger than the burst passes when the bucket is full, and its debt is paid before the next.
func TestALargeRequestOwes(t *testing.T) {
	table, l := quota.NewTable(10), quota.Limits{BytesPerSecond: 1000, Burst: 2 * time.Second}
	require.Nil(t, table.Take(noon, bytesOf(1, l)))
	refused := table.Take(noon, bytesOf(10_000, l))
	require.NotNil(t, refused, "the bucket is not full")
	assert.Equal(t, time.Millisecond, refused.Wait.Round(time.Microsecond))
	full := noon.Add(time.Minute)
	require.Nil(t, table.Take(full, bytesOf(10_000, l)))
	refused = table.Take(full, bytesOf(1, l))
	require.NotNil(t, refused)
	assert.Equal(t, 8001*time.Millisecond, refused.Wait.Round(time.Microsecond))
	assert.Equal(t, 9, refused.Seconds())
	assert.Nil(t, table.Take(full.Add(refused.Wait+1), bytesOf(1, l)))
}

// The mean rate of requests that are larger than the burst is the quota's, less the time until they retry once the bucket is full.
func TestLargeRequestsOnTheMean(t *testing.T) {
	const rate, size, length = 1000, 5000, 600
	table, passed := quota.NewTable(10), 0
	for now := noon; now.Before(noon.Add(length * time.Second)); {
		refused := table.Take(now, bytesOf(size, quota.Limits{BytesPerSecond: rate}))
		if refused == nil {
			passed += size
			continue
		}
		now = now.Add(refused.WholeSeconds().Wait)
	}
	assert.InEpsilon(t, rate*length, passed, 0.02)
}

// A client that retries after the wait in the answer passes, and an earlier one does not.
func TestTheWaitIsRight(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		table, now := quota.NewTable(10), noon
		l := quota.Limits{BytesPerSecond: 1 + random.Int64N(1e6), ItemsPerSecond: 1 + random.Int64N(1e4), Burst: time.Duration(1+random.Int64N(20)) * time.Second}
		d := func() quota.Demand {
			return quota.Demand{Name: acme, Limits: l, Bytes: 1 + random.Int64N(1e6), Items: 1 + random.Int64N(1e4)}
		}
		for range 50 {
			one := d()
			refused := table.Take(now, one)
			if refused == nil {
				continue
			}
			if early := refused.Wait - refused.Wait/100 - time.Millisecond; early > 0 {
				require.NotNil(t, table.Take(now.Add(early), one))
			}
			now = now.Add(refused.Wait + time.Microsecond)
			require.Nil(t, table.Take(now, one))
		}
	}
}

// A body of unknown length is charged as it arrives: it gets no further than one of known length, and its charge is refunded.
func TestABodyOfUnknownLength(t *testing.T) {
	l := quota.Limits{BytesPerSecond: 1000, Burst: 10 * time.Second}
	table := quota.NewTable(10)
	grow := func(taken, n int64) *quota.Refusal {
		return table.Take(noon, quota.Demand{Name: acme, Limits: l, Bytes: n, Taken: taken})
	}
	for taken := int64(0); taken < 50_000; taken += 1000 {
		require.Nil(t, grow(taken, 1000), "it found the bucket full, so it may owe")
	}
	require.NotNil(t, table.Take(noon, bytesOf(1, l)))
	table.Return(noon, bytesOf(50_000, l))
	require.Nil(t, table.Take(noon, bytesOf(4000, l)))
	require.Nil(t, grow(0, 6000))
	require.NotNil(t, grow(6000, 1), "the bucket was not full")
}

func TestAllAccountsOrNone(t *testing.T) {
	table := quota.NewTable(10)
	l := quota.Limits{BytesPerSecond: 1000}
	one := quota.Demand{Name: quota.Name{Scope: quota.Key, Key: "one"}, Limits: l, Bytes: 600}
	two := quota.Demand{Name: quota.Name{Scope: quota.Key, Key: "two"}, Limits: l, Bytes: 600}
	unlimited := quota.Demand{Name: quota.Name{Scope: quota.Key, Key: "three"}, Bytes: 600}
	shared := quota.Demand{Name: acme, Limits: quota.Limits{BytesPerSecond: 100}, Bytes: 100}
	require.Nil(t, table.Take(noon, one, unlimited, shared))
	refused := table.Take(noon, two, shared)
	require.NotNil(t, refused)
	assert.Equal(t, quota.Tenant, refused.Scope)
	assert.Nil(t, table.Take(noon, two), "it was not charged")
	assert.NotNil(t, table.Take(noon, one))
	table.Return(noon, one)
	table.Return(noon, one)
	assert.Nil(t, table.Take(noon, one))
	assert.NotNil(t, table.Take(noon, one), "no bucket holds more than its size")
	assert.Equal(t, 3, table.Len(), "an account without a limit takes no memory")
}

func TestADay(t *testing.T) {
	table, l := quota.NewTable(10), quota.Limits{BytesPerDay: 1000}
	require.Nil(t, table.Take(noon, bytesOf(900, l)))
	refused := table.Take(noon, bytesOf(101, l))
	require.NotNil(t, refused)
	assert.Equal(t, quota.Day, refused.Reason)
	assert.Equal(t, 12*time.Hour, refused.Wait)
	require.Nil(t, table.Take(noon, bytesOf(100, l)))
	midnight := noon.Add(12 * time.Hour)
	require.NotNil(t, table.Take(midnight.Add(-1), bytesOf(1, l)))
	require.Nil(t, table.Take(midnight, bytesOf(5000, l)), "a request larger than the day passes when it is the first")
	require.NotNil(t, table.Take(midnight, bytesOf(1, l)))
}

// A changed limit counts for the next request.
func TestAChangedLimit(t *testing.T) {
	table := quota.NewTable(10)
	require.Nil(t, table.Take(noon, bytesOf(1000, quota.Limits{BytesPerSecond: 1000})))
	refused := table.Take(noon, bytesOf(1000, quota.Limits{BytesPerSecond: 1000}))
	require.NotNil(t, refused)
	assert.Equal(t, time.Second, refused.Wait)
	refused = table.Take(noon, bytesOf(1000, quota.Limits{BytesPerSecond: 10_000}))
	require.NotNil(t, refused)
	assert.Equal(t, 100*time.Millisecond, refused.Wait)
	require.Nil(t, table.Take(noon, bytesOf(1000, quota.Limits{})))
	assert.Nil(t, table.Take(noon.Add(time.Second), bytesOf(100, quota.Limits{BytesPerSecond: 100})))
}

// A clock that steps back gives and takes nothing.
func TestAClockThatGoesBack(t *testing.T) {
	table, l := quota.NewTable(10), quota.Limits{BytesPerSecond: 1000}
	require.Nil(t, table.Take(noon, bytesOf(1000, l)))
	require.NotNil(t, table.Take(noon.Add(-time.Hour), bytesOf(1000, l)))
	require.Nil(t, table.Take(noon.Add(time.Second), bytesOf(1000, l)))
}

// A million tenants take the memory of as many as the table is made for.
func TestAMillionTenants(t *testing.T) {
	const room = 20_000
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	table, l := quota.NewTable(room), quota.Limits{BytesPerSecond: 1000}
	for i := range 1_000_000 {
		name := quota.Name{Scope: quota.Tenant, Tenant: "tenant-" + strconv.Itoa(i)}
		if table.Take(noon.Add(time.Duration(i)*time.Millisecond), quota.Demand{Name: name, Limits: l, Bytes: 10}) != nil {
			t.Fatal("refused")
		}
	}
	assert.Equal(t, room, table.Len())
	each := float64(heap()-before) / room
	t.Logf("%.0f bytes an account", each)
	assert.Less(t, each, 600.0)
	runtime.KeepAlive(table)
}

// Frequent senders stay, however many others arrive, and accounts that are evicted too early are counted.
func TestWhoSendsOftenStays(t *testing.T) {
	table, l := quota.NewTable(100), quota.Limits{BytesPerSecond: 1000}
	require.Nil(t, table.Take(noon, bytesOf(100_000, l)))
	for i := range 10_000 {
		name := quota.Name{Scope: quota.Tenant, Tenant: fmt.Sprintf("tenant-%d", i)}
		require.Nil(t, table.Take(noon.Add(time.Second), quota.Demand{Name: name, Limits: l, Bytes: 2000}))
		if i%50 == 0 {
			require.NotNil(t, table.Take(noon.Add(time.Second), bytesOf(1, l)), "it owes")
		}
	}
	assert.EqualValues(t, 10_001-100, table.Evicted())
}

func TestARefusalInWords(t *testing.T) {
	r := &quota.Refusal{Scope: quota.Tenant, Reason: quota.Bytes, Limit: 100, Wait: 1500 * time.Millisecond}
	assert.Equal(t, 2*time.Second, r.WholeSeconds().Wait)
	assert.Equal(t, 1, (&quota.Refusal{}).Seconds())
	assert.EqualError(t, r, "the quota of this tenant is used up (bytes_per_second: 100): send it again in 1.5s")
}

func TestOverrides(t *testing.T) {
	n := func(v int64) *int64 { return &v }
	day := 25 * time.Hour
	l := quota.Limits{BytesPerSecond: 1, ItemsPerSecond: 2, BytesPerDay: 3, Series: 4, Streams: 5}
	assert.Equal(t, l, (*quota.Override)(nil).Apply(l))
	assert.Equal(t, quota.Limits{BytesPerSecond: 10, BytesPerDay: 3, Series: 4, Streams: 5},
		(&quota.Override{BytesPerSecond: n(10), ItemsPerSecond: n(0)}).Apply(l))
	assert.NoError(t, (*quota.Override)(nil).Check())
	assert.True(t, (*quota.Override)(nil).Empty())
	assert.False(t, (&quota.Override{Series: n(0)}).Empty())
	err := (&quota.Override{BytesPerSecond: n(-1), Burst: &day, Streams: n(1 << 60)}).Check()
	assert.ErrorContains(t, err, "bytes_per_second: -1 is not between 0 (no limit) and")
	assert.ErrorContains(t, err, "burst: 25h0m0s is not between")
	assert.NoError(t, (&quota.Override{Series: n(5)}).Check())
	assert.ErrorContains(t, err, "streams: 1152921504606846976 is not between")
}

func ExampleTable_Take() {
	table := quota.NewTable(1000)
	limits := quota.Limits{BytesPerSecond: 1000}
	now := time.Now()
	for range 2 {
		refused := table.Take(now, quota.Demand{Name: quota.Name{Scope: quota.Tenant, Tenant: "acme"}, Limits: limits, Bytes: 3000})
		fmt.Println(refused == nil)
		if refused != nil {
			fmt.Println(refused)
		}
	}
	// Output:
	// true
	// false
	// the quota of this tenant is used up (bytes_per_second: 1000): send it again in 3s
}

// BenchmarkTake is a request with three accounts: key, tenant and service.
func BenchmarkTake(b *testing.B) {
	table := quota.NewSharedTable(100_000, "a", time.Second)
	l := quota.Limits{BytesPerSecond: 1 << 40, ItemsPerSecond: 1 << 40}
	demands := make([][]quota.Demand, 1000)
	for i := range demands {
		name := fmt.Sprintf("tenant-%d", i)
		demands[i] = []quota.Demand{
			{Name: quota.Name{Scope: quota.Key, Key: name}, Limits: l, Bytes: 1000, Items: 10},
			{Name: quota.Name{Scope: quota.Tenant, Tenant: name}, Limits: l, Bytes: 1000, Items: 10},
			{Name: quota.Name{Scope: quota.Service, Tenant: name, Service: "checkout"}, Limits: l, Bytes: 1000, Items: 10},
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if table.Take(time.Now(), demands[i%len(demands)]...) != nil {
			b.Fatal("refused")
		}
	}
}
