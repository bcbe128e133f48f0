package quota_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/quota"
)

const interval = time.Second

// fleet is gateways with a topic between them: a published record reaches each other gateway after a different time, in order.
type fleet struct {
	tables []*quota.Table
	random *rand.Rand
	lag    time.Duration // the longest
	topic  arrivals
	last   []time.Time // by gateway: when the last record reached it
	cut    []bool      // by gateway: it reaches the topic no more
}

type arrival struct {
	at       time.Time
	order    int
	from, to int
	usage    []quota.Usage
}

type arrivals []arrival

func (a arrivals) Len() int { return len(a) }
func (a arrivals) Less(i, j int) bool {
	return a[i].at.Before(a[j].at) || a[i].at.Equal(a[j].at) && a[i].order < a[j].order
}
func (a arrivals) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *arrivals) Push(x any)   { *a = append(*a, x.(arrival)) }
func (a *arrivals) Pop() any {
	last := len(*a) - 1
	x := (*a)[last]
	*a = (*a)[:last]
	return x
}

func newFleet(n int, lag time.Duration) *fleet {
	f := &fleet{random: rand.New(rand.NewPCG(5, 6)), lag: lag, last: make([]time.Time, n), cut: make([]bool, n)}
	for i := range n {
		f.tables = append(f.tables, quota.NewSharedTable(10_000, gateway(i), interval))
	}
	return f
}

func gateway(i int) string { return fmt.Sprintf("gateway-%d", i) }

// publish lets a gateway write the topic.
func (f *fleet) publish(now time.Time, from int) {
	usage := f.tables[from].Publish(now)
	if f.cut[from] {
		return
	}
	for to := range f.tables {
		at := now.Add(time.Duration(f.random.Int64N(int64(f.lag) + 1)))
		if at.Before(f.last[to]) {
			at = f.last[to] // one partition: no record overtakes another
		}
		f.last[to] = at
		heap.Push(&f.topic, arrival{at, f.topic.Len(), from, to, usage})
	}
}

// read lets gateways read the records that have reached them.
func (f *fleet) read(now time.Time) {
	for f.topic.Len() > 0 && !f.topic[0].at.After(now) {
		a := heap.Pop(&f.topic).(arrival)
		if f.cut[a.to] {
			continue
		}
		f.tables[a.to].Alive(a.at, gateway(a.from))
		for _, u := range a.usage {
			f.tables[a.to].Learn(a.at, gateway(a.from), u)
		}
	}
}

// run steps through a time. send is called for each step; gateways publish once an interval, each at its own moment.
func (f *fleet) run(from time.Time, length time.Duration, send func(now time.Time)) time.Time {
	const step = 250 * time.Millisecond
	now := from
	for ; now.Sub(from) < length; now = now.Add(step) {
		f.read(now)
		for i := range f.tables {
			offset := time.Duration(i) * interval / time.Duration(len(f.tables))
			if now.Add(-offset).Truncate(interval) != now.Add(-offset-step).Truncate(interval) {
				f.publish(now, i)
			}
		}
		send(now)
	}
	return now
}

// Ten gateways share the quotas of a thousand tenants, whose senders offer ten times the quota through three gateways each. Half of the tenants'
// senders stay, and those of the others move every ten seconds. The admitted rate is within the bound of the README.
func TestTenGatewaysShareAThousandTenants(t *testing.T) {
	const gateways, tenants, rate, size, senders = 10, 1000, 4000, 250, 3
	const lag = 400 * time.Millisecond
	f := newFleet(gateways, lag)
	limits := quota.Limits{BytesPerSecond: rate, Burst: time.Second}
	passed := make([]int64, tenants)
	at := make([][senders]int, tenants)
	settle := func(tenant int) {
		for i := range at[tenant] {
			at[tenant][i] = f.random.IntN(gateways)
		}
	}
	for i := range tenants {
		settle(i)
	}
	moved := map[int]int64{}
	var begin time.Time // set once the gateways know of each other
	send := func(now time.Time) {
		for i := range tenants {
			name := quota.Name{Scope: quota.Tenant, Tenant: fmt.Sprint("tenant-", i)}
			if i%2 == 1 && now.Sub(begin)%(10*time.Second) == 0 && now.After(begin) {
				settle(i)
				moved[i]++
			}
			for s, g := range at[i] {
				// A quarter of a second of ten times the rate, from senders of which one sends more than the other two.
				for n := [senders]int{24, 12, 4}[s]; n > 0; n-- {
					if f.tables[g].Take(now, quota.Demand{Name: name, Limits: limits, Bytes: size}) != nil {
						break // the others would be refused as well
					}
					passed[i] += size
				}
			}
		}
	}
	const warm, length = 5 * time.Second, 30 * time.Second
	begin = f.run(noon, warm, func(time.Time) {})
	assert.Equal(t, gateways, f.tables[0].Gateways())
	f.run(begin, length, send)
	least, most := [2]float64{2, 2}, [2]float64{}
	for i, got := range passed {
		ratio := float64(got) / (rate * length.Seconds())
		least[i%2], most[i%2] = min(least[i%2], ratio), max(most[i%2], ratio)
		bound := rate*(length+time.Second).Seconds() + gateways*size + float64(moved[i])*rate*(interval+lag+time.Second).Seconds()
		assert.LessOrEqual(t, float64(got), bound, "tenant %d", i)
	}
	t.Logf("of the quota, senders that stay: %.3f to %.3f; that move: %.3f to %.3f", least[0], most[0], least[1], most[1])
	assert.Greater(t, least[0], 0.93)
	assert.Less(t, most[0], 1.02)
	assert.Greater(t, least[1], 0.65)
}

// While no gateway reaches the topic, the shares stay unchanged; a single gateway that disappears loses its share to the others.
func TestASilentTopicAndASilentGateway(t *testing.T) {
	const rate = 1000
	f := newFleet(2, 0)
	limits := quota.Limits{BytesPerSecond: rate}
	var passed [2]int64
	send := func(now time.Time) {
		for g := range passed {
			if g == 1 && f.cut[1] && !f.cut[0] {
				continue // it is gone
			}
			for f.tables[g].Take(now, bytesOf(10, limits)) == nil {
				passed[g] += 10
			}
		}
	}
	now := f.run(noon, 20*time.Second, send)
	passed = [2]int64{}
	f.cut = []bool{true, true}
	now = f.run(now, 30*time.Second, send)
	assert.InEpsilon(t, 30*rate, passed[0]+passed[1], 0.05)
	f.cut = []bool{false, true}
	now = f.run(now, 10*time.Second, send)
	assert.Equal(t, 1, f.tables[0].Gateways())
	passed = [2]int64{}
	f.run(now, 30*time.Second, send)
	assert.InEpsilon(t, 30*rate, passed[0], 0.02)
}

// The bytes of a day are those of all gateways, and a restarted gateway continues from its former usage.
func TestADayOfSeveralGateways(t *testing.T) {
	f := newFleet(2, 0)
	limits := quota.Limits{BytesPerDay: 1000}
	now := f.run(noon, 5*time.Second, func(time.Time) {})
	require.Nil(t, f.tables[0].Take(now, bytesOf(400, limits)))
	require.Nil(t, f.tables[1].Take(now, bytesOf(400, limits)))
	written := [2][]quota.Usage{f.tables[0].Publish(now), f.tables[1].Publish(now)}
	again := quota.NewSharedTable(10, gateway(0), interval)
	for g, usage := range written {
		for _, u := range usage {
			again.Learn(now, gateway(g), u)
			f.tables[1].Learn(now, gateway(g), u)
		}
	}
	again.Alive(now, gateway(0))
	assert.NotNil(t, f.tables[1].Take(now, bytesOf(201, limits)))
	assert.NotNil(t, again.Take(now, bytesOf(201, limits)))
	assert.Nil(t, again.Take(now, bytesOf(200, limits)))
}

// An account that was dropped after its usage was published is published once more, as nothing.
func TestADroppedAccountGivesItsPartBack(t *testing.T) {
	table := quota.NewSharedTable(1, "a", interval)
	limits := quota.Limits{BytesPerSecond: 1000}
	require.Nil(t, table.Take(noon, bytesOf(900, limits)))
	out := table.Publish(noon)
	require.Len(t, out, 1)
	assert.Equal(t, acme, out[0].Name)
	assert.Positive(t, out[0].Bytes)
	other := quota.Name{Scope: quota.Tenant, Tenant: "other"}
	require.Nil(t, table.Take(noon, quota.Demand{Name: other, Limits: limits, Bytes: 1}))
	assert.Equal(t, quota.Usage{Name: acme, Day: out[0].Day}, table.Publish(noon)[0])
	assert.Nil(t, quota.NewTable(1).Publish(noon))
}
