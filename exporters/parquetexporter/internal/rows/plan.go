package rows

import (
	"cmp"
	"slices"
	"time"
)

const hourNano = uint64(time.Hour)

// Rows whose time lies outside [2000-01-01, 2100-01-01) go to the partition of 1970-01-01 00h, the place of the undated: a broken
// clock must not make a directory an hour. Bounds are fixed, so that a batch is divided the same way whenever it is written.
var (
	minHour = hourOf(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
	maxHour = hourOf(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))
)

func hourOf(t time.Time) int64 { return t.Unix() / 3600 }

// undated is the hour of the partition for rows without a usable time.
const undated int64 = 0

// plausible says whether an hour can be that of an event.
func plausible(hour int64) bool { return hour >= minHour && hour < maxHour }

// eventDay returns the day of a time in ns, in days since 1970; ok is false for a time that no event can have.
func eventDay(time uint64) (day int32, ok bool) {
	hour := int64(time / hourNano)
	return int32(hour / 24), plausible(hour)
}

// Partition is a set of rows that becomes one file.
type Partition struct {
	Tenant string
	Hour   time.Time // start of the hour, UTC; 1970-01-01 00:00 for undated rows
	Rows   int
	begin  int // in plan.order
}

// Plan says which rows go into which file and in which order. It depends on the batch alone.
type Plan struct {
	Partitions []Partition
	// Implausible rows have a time before 2000 or after 2099; they are in the partition of 1970-01-01.
	Implausible int
	// Folded rows are there too, because the batch has more partitions than its limit.
	Folded int
	// NoPoints is the number of metrics without a data point. They hold no data and are not written.
	NoPoints int
	// Misnamed rows are the default tenant's, because their resource names a tenant that can't be one.
	Misnamed int
}

// orderKey sorts one row. Rows of equal partition, rank and time keep their order.
type orderKey struct {
	rank uint64 // partition << 32 | rank of service (and metric)
	time uint64 // event time, ns since 1970
	row  int32
}

// planner collects rows and divides them.
type planner struct {
	Plan
	order   []orderKey
	tenants []string
	byName  map[string]int32
	// first is the first row of the resource whose rows are added, and misnamed says that its tenant can't be one.
	first    int
	misnamed bool
}

type partitionKey struct {
	tenant int32
	hour   int64
}

func (p *planner) reset() {
	*p = planner{order: p.order[:0], byName: map[string]int32{}}
}

// tenant returns the index of a tenant's name.
func (p *planner) tenant(name string) int32 {
	i, ok := p.byName[name]
	if !ok {
		i = int32(len(p.tenants))
		p.tenants = append(p.tenants, name)
		p.byName[name] = i
	}
	return i
}

// begins says that the rows which follow are another resource's.
func (p *planner) begins(misnamed bool) {
	if p.misnamed {
		p.Misnamed += len(p.order) - p.first
	}
	p.first, p.misnamed = len(p.order), misnamed
}

// add appends a row with its event time.
func (p *planner) add(time uint64) {
	p.order = append(p.order, orderKey{time: time, row: int32(len(p.order))})
}

// divide assigns partitions and sorts. At most limit hours, over all tenants, keep a partition of their own, those with most
// rows; the others are folded into their tenant's undated partition. So there are at most limit + tenants files.
func (p *planner) divide(limit int, originOf func(row int32) (tenant int32, rank uint32)) {
	p.begins(false)
	counts := map[partitionKey]int{}
	keys := make([]partitionKey, len(p.order))
	for i, o := range p.order {
		tenant, _ := originOf(o.row)
		hour := int64(o.time / hourNano)
		if !plausible(hour) {
			hour = undated
			p.Implausible++
		}
		keys[i] = partitionKey{tenant, hour}
		counts[keys[i]]++
	}
	p.Folded = fold(counts, limit)

	index := make(map[partitionKey]uint64, len(counts))
	for i, k := range p.sorted(counts) {
		index[k] = uint64(i)
		p.Partitions = append(p.Partitions, Partition{
			Tenant: p.tenants[k.tenant], Hour: time.Unix(k.hour*3600, 0).UTC(), Rows: counts[k],
		})
	}
	var last partitionKey
	var lastIndex uint64
	for i := range p.order {
		if k := keys[i]; i == 0 || k != last {
			at, kept := index[k]
			if !kept {
				at = index[partitionKey{k.tenant, undated}]
			}
			last, lastIndex = k, at
		}
		_, rank := originOf(p.order[i].row)
		p.order[i].rank = lastIndex<<32 | uint64(rank)
	}
	slices.SortFunc(p.order, func(a, b orderKey) int {
		if a.rank != b.rank {
			return cmp.Compare(a.rank, b.rank)
		}
		if a.time != b.time {
			return cmp.Compare(a.time, b.time)
		}
		return cmp.Compare(a.row, b.row)
	})
	begin := 0
	for i := range p.Partitions {
		p.Partitions[i].begin = begin
		begin += p.Partitions[i].Rows
	}
}

// fold moves all but the largest limit dated partitions into undated ones and returns the number of rows moved.
func fold(counts map[partitionKey]int, limit int) (rows int) {
	dated := make([]partitionKey, 0, len(counts))
	for k := range counts {
		if k.hour != undated {
			dated = append(dated, k)
		}
	}
	if len(dated) <= limit {
		return 0
	}
	slices.SortFunc(dated, func(a, b partitionKey) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(b.hour, a.hour), cmp.Compare(a.tenant, b.tenant))
	})
	for _, k := range dated[limit:] {
		n := counts[k]
		delete(counts, k)
		counts[partitionKey{k.tenant, undated}] += n
		rows += n
	}
	return rows
}

// sorted returns the partitions by tenant's name and hour.
func (p *planner) sorted(counts map[partitionKey]int) []partitionKey {
	keys := make([]partitionKey, 0, len(counts))
	for k := range counts {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b partitionKey) int {
		return cmp.Or(cmp.Compare(p.tenants[a.tenant], p.tenants[b.tenant]), cmp.Compare(a.hour, b.hour))
	})
	return keys
}

// rank numbers items in sort order; equal items share a number.
func rank[T any](items []T, compare func(a, b T) int) []uint32 {
	at := make([]int, len(items))
	for i := range at {
		at[i] = i
	}
	slices.SortFunc(at, func(a, b int) int { return compare(items[a], items[b]) })
	ranks := make([]uint32, len(items))
	var n uint32
	for i, j := range at {
		if i > 0 && compare(items[at[i-1]], items[j]) != 0 {
			n++
		}
		ranks[j] = n
	}
	return ranks
}
