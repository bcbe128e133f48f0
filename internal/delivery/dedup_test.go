package delivery

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const testWindow = 10 * time.Minute

func idOf(n int) (id RecordID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n)+1)
	return id
}

// producers are one or two producers whose clocks can be set.
type producers struct {
	seen   *seen
	offset int64
}

func newProducers() *producers {
	return &producers{seen: newSeen(testWindow, 1_000_000, nil, newSteady(testWindow, time.Unix(0, 0), nil))}
}

func (p *producers) writes(id int, at time.Time) (again bool) {
	p.offset++
	return p.seen.repeats(SeenRecord{ID: idOf(id), Offset: p.offset, Time: at})
}

// checkpointed continues from a checkpoint.
func (p *producers) checkpointed(t *testing.T) *producers {
	t.Helper()
	c := &Checkpoint{Seen: p.seen.queue, SeenUntil: p.seen.clock.now, clocks: p.seen.clock.differing()}
	got, err := decodeCheckpoint(c.encode(), checkpointVersion)
	require.NoError(t, err)
	return &producers{seen: newSeen(testWindow, 1_000_000, got.Seen, newSteady(testWindow, got.SeenUntil, got.clocks)), offset: p.offset}
}

var noon = time.Unix(1_800_000_000, 0)

// A client repeats a request after a minute. In between, the clock of the producer was set, or another producer has another clock.
func TestRepetitionsAreFoundWhateverTheProducersClocksShow(t *testing.T) {
	for name, ahead := range map[string]func(second int) time.Duration{
		"steady":                          func(int) time.Duration { return 0 },
		"an hour forward":                 func(s int) time.Duration { return map[bool]time.Duration{true: time.Hour}[s > 30] },
		"an hour back":                    func(s int) time.Duration { return map[bool]time.Duration{true: -time.Hour}[s > 30] },
		"an hour forward and back":        func(s int) time.Duration { return map[bool]time.Duration{true: time.Hour}[s > 20 && s < 40] },
		"an hour back and forward":        func(s int) time.Duration { return map[bool]time.Duration{true: -time.Hour}[s > 20 && s < 40] },
		"forward and back all the time":   func(s int) time.Duration { return time.Duration(s%2) * time.Hour },
		"eight producers, an hour each":   func(s int) time.Duration { return time.Duration(s%8) * time.Hour },
		"an hour forward, for ten of 600": func(s int) time.Duration { return map[bool]time.Duration{true: time.Hour}[s > 45 && s < 56] },
	} {
		for _, restarts := range []bool{false, true} {
			p := newProducers()
			for s := range 600 {
				at := noon.Add(time.Duration(s)*time.Second + ahead(s))
				require.False(t, p.writes(s, at), "%s: record %d is new", name, s)
				if restarts && s%7 == 0 {
					p = p.checkpointed(t)
				}
				if s >= 60 {
					require.True(t, p.writes(s-60, at), "%s: second %d: a record of the last minute comes again", name, s)
				}
			}
		}
	}
}

// While the producers' clocks run steadily, the window is one of the journal's time, and records leave it.
func TestTheWindowIsOneOfTheJournalsTime(t *testing.T) {
	p := newProducers()
	for s := range 3600 {
		at := noon.Add(time.Duration(s) * time.Second)
		require.False(t, p.writes(s, at))
		assert.True(t, p.seen.clock.now.Equal(at))
		assert.Empty(t, p.seen.clock.differing())
		assert.LessOrEqual(t, len(p.seen.queue), 601)
	}
	assert.True(t, p.writes(3600-600, noon.Add(3600*time.Second)))
	assert.False(t, p.writes(3600-602, noon.Add(3600*time.Second)))
}

// The window holds a bounded number of records: beyond it a repetition counts again, although it comes soon.
func TestTheWindowIsBounded(t *testing.T) {
	p := newProducers()
	p.seen.max = 100
	for i := range 101 {
		assert.False(t, p.writes(i, noon))
	}
	assert.True(t, p.writes(2, noon), "one of the latest")
	assert.False(t, p.writes(0, noon), "101 records ago")
}

// Without new records, old ones leave the window too, but later: each gap counts as a tenth of the window.
func TestRecordsLeaveTheWindowOfAPartitionWithFewRecords(t *testing.T) {
	p := newProducers()
	for day := range 1000 {
		p.writes(day, noon.Add(time.Duration(day)*24*time.Hour))
		assert.LessOrEqual(t, len(p.seen.queue), clockSteps+1)
	}
}

// However the clocks run, a second reading from a checkpoint gives the same result for each record as the first, and the window is shorter
// by at most a tenth for each jump.
func TestASecondReadingSaysTheSame(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		p := newProducers()
		now, ahead, jumps := noon, time.Duration(0), 0
		written := map[int]time.Time{}
		var again *producers
		for n := range 400 {
			now = now.Add(time.Duration(rng.IntN(3000)) * time.Millisecond)
			if rng.IntN(100) == 0 {
				ahead, jumps = time.Duration(rng.IntN(14400)-7200)*time.Second, jumps+1
			}
			if rng.IntN(50) == 0 {
				again = p.checkpointed(t)
			}
			id := n
			if n > 0 && rng.IntN(3) == 0 {
				id = rng.IntN(n)
			}
			at := now.Add(ahead - time.Duration(rng.IntN(500))*time.Millisecond)
			is := p.writes(id, at)
			if first, ok := written[id]; !ok {
				require.False(t, is, "seed %d: record %d is new", seed, n)
			} else if now.Sub(first) < testWindow-time.Duration(jumps+1)*testWindow/clockSteps {
				require.True(t, is, "seed %d: record %d was written %s ago", seed, id, now.Sub(first))
			}
			if !is {
				written[id] = now
			}
			if again != nil {
				require.Equal(t, is, again.writes(id, at), "seed %d: record %d, read again", seed, n)
			}
		}
	}
}

// A release that does not know the clocks reads their entries as records that are never repeated.
func TestClocksInACheckpointAreEntriesOfItsRecords(t *testing.T) {
	p := newProducers()
	p.writes(1, noon)
	p.writes(2, noon.Add(time.Hour))
	p.writes(3, noon.Add(time.Second))
	c := &Checkpoint{Next: 3, Seen: p.seen.queue, SeenUntil: p.seen.clock.now, clocks: p.seen.clock.differing(), State: []byte("state")}
	require.Len(t, c.clocks, 2)
	data := c.encode()
	assert.EqualValues(t, 5, binary.LittleEndian.Uint32(data[20:]))
	got, err := decodeCheckpoint(data, checkpointVersion)
	require.NoError(t, err)
	assert.Equal(t, c.Seen, got.Seen)
	assert.Equal(t, c.clocks, got.clocks)
	assert.Equal(t, c.State, got.State)
}
