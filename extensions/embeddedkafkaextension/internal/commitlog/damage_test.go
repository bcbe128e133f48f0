package commitlog_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/commitlog"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/disk/disktest"
)

// damages are what may happen to a file between two starts.
var damages = []struct {
	name string
	do   func(rng *rand.Rand, content []byte) []byte // nil: the file is gone
}{
	{"a bit flips", func(rng *rand.Rand, c []byte) []byte {
		c[rng.IntN(len(c))] ^= 1 << rng.IntN(8)
		return c
	}},
	{"its end is cut off", func(rng *rand.Rand, c []byte) []byte { return c[:rng.IntN(len(c))] }},
	{"its last 37 bytes are cut off", func(_ *rand.Rand, c []byte) []byte { return c[:max(0, len(c)-37)] }},
	{"it is empty", func(_ *rand.Rand, c []byte) []byte { return c[:0] }},
	{"it is all zeros", func(_ *rand.Rand, c []byte) []byte { return make([]byte, len(c)) }},
	{"it is gone", func(*rand.Rand, []byte) []byte { return nil }},
	{"a part is zeros", func(rng *rand.Rand, c []byte) []byte {
		at := rng.IntN(len(c))
		clear(c[at:min(len(c), at+1+rng.IntN(200))])
		return c
	}},
	{"something stands behind it", func(rng *rand.Rand, c []byte) []byte {
		for range 1 + rng.IntN(200) {
			c = append(c, byte(rng.IntN(256)))
		}
		return c
	}},
}

// piece is a batch that was acknowledged.
type piece struct {
	next    int64
	value   string
	control bool
}

// pieces reads everything, control batches too.
func pieces(t *testing.T, p *commitlog.Partition) map[int64]piece {
	t.Helper()
	out := map[int64]piece{}
	from, _, end := p.Range()
	for from < end {
		r, err := p.Read(from, 300, false)
		require.NoError(t, err)
		require.NotEmpty(t, r.Batches, "a reader at %d waits for %d for ever", from, end)
		for raw := r.Batches; len(raw) > 0; {
			b, err := commitlog.Parse(raw)
			require.NoError(t, err)
			require.Greater(t, b.Next, from)
			out[b.First] = piece{b.Next, string(raw[61:b.Size]), b.Control()}
			raw, from = raw[b.Size:], b.Next
		}
	}
	return out
}

// fill writes plain batches, batches of an idempotent producer, and transactions that end either way.
func fill(t *testing.T, rng *rand.Rand, p *commitlog.Partition, name string, producer int64) {
	t.Helper()
	sequence, inTransaction := int32(0), int32(0)
	for i := range 30 + rng.IntN(30) {
		value := fmt.Sprintf("%s %d %*d", name, i, 1+rng.IntN(100), 0)
		n := 1 + rng.IntN(3)
		switch rng.IntN(3) {
		case 0:
			add(t, p, batch(value, n, -1, -1, -1, 0))
		case 1:
			add(t, p, batch(value, n, producer, 0, sequence, 0))
			sequence += int32(n)
		case 2:
			add(t, p, batch(value, n, producer+1, 0, inTransaction, transactional), commitlog.Marker(producer+1, 0, rng.IntN(2) == 0, 1000))
			inTransaction += int32(n)
		}
	}
}

type floor struct{ at int64 }

func (f *floor) reserve(at int64) error {
	f.at = at
	return nil
}

// TestDamageTakesWhatItHitsAndSaysSo damages one file of a log that was closed, or whose process was killed. Exactly the unreadable records are
// named, to the offset; new records are delivered after all earlier ones.
func TestDamageTakesWhatItHitsAndSaysSo(t *testing.T) {
	for _, how := range []string{"closed", "killed"} {
		for seed := range uint64(250) {
			rng := rand.New(rand.NewPCG(seed, 2))
			fsys := newDisk(seed)
			var reserved floor
			set := settings(fsys)
			set.Reserve = reserved.reserve
			p, _, err := commitlog.OpenPartition(set)
			require.NoError(t, err)
			fill(t, rng, p, "old", 7)
			if rng.IntN(3) == 0 {
				_, err := p.Trim(int64(rng.IntN(10)))
				require.NoError(t, err)
			}
			before, last := pieces(t, p), end(p)
			start, _, _ := p.Range()
			if how == "closed" {
				require.NoError(t, p.Close())
			} else {
				p.Abandon()
			}
			fsys = fsys.Kill()
			what := damage(rng, fsys)
			if !t.Run(fmt.Sprintf("%s/%d", how, seed), func(t *testing.T) {
				t.Log(what)
				set.FS, set.Floor = fsys, reserved.at
				checkDamage(t, set, fsys, rng, before, start, last)
			}) {
				return
			}
		}
	}
}

// damage does something to one file, or takes all of them away, and says what.
func damage(rng *rand.Rand, fsys *disktest.FS) string {
	files := fsys.Files()
	if rng.IntN(20) == 0 {
		fsys.RemoveAll(directory)
		return "the directory is gone"
	}
	name := files[rng.IntN(len(files))]
	if rng.IntN(3) == 0 { // The last segment is where most can go wrong.
		name = lastSegment(files)
	}
	content := fsys.Content(name)
	if len(content) == 0 {
		fsys.Set(name, nil)
		return name + ": it is gone"
	}
	d := damages[rng.IntN(len(damages))]
	fsys.Set(name, d.do(rng, content))
	return name + ": " + d.name
}

func lastSegment(files []string) (last string) {
	for _, name := range files {
		if strings.HasSuffix(name, ".dat") && (len(name) > len(last) || len(name) == len(last) && name > last) {
			last = name
		}
	}
	return last
}

// checkDamage opens the log again and compares it with its former content.
func checkDamage(t *testing.T, set commitlog.Settings, fsys *disktest.FS, rng *rand.Rand, before map[int64]piece, start, last int64) {
	t.Helper()
	p, findings, err := commitlog.OpenPartition(set)
	require.NoError(t, err)
	after := pieces(t, p)
	more, err := p.Maintain()
	require.NoError(t, err)
	findings = append(findings, more...)
	lost := int64(0)
	for offset, was := range before {
		if is, ok := after[offset]; ok {
			assert.Equal(t, was.value, is.value, "offset %d", offset)
			continue
		}
		if was.control && len(after) > 0 { // Written again after the missing records, if it ended anything that is left.
			_, stable, end := p.Range()
			assert.Equal(t, end, stable)
		}
		lost += was.next - max(offset, start)
		assert.True(t, slices.ContainsFunc(findings, func(f commitlog.Finding) bool { return f.First <= max(offset, start) && was.next <= f.Next }),
			"offsets %d to %d are gone, and that is not said: %v", offset, was.next, findings)
	}
	said, atMost := int64(0), false
	for _, f := range findings {
		t.Log(f)
		said += f.Lost()
		atMost = atMost || f.AtMost
	}
	if !atMost {
		assert.Equal(t, lost, said, "as many as are gone are named")
	}
	assert.GreaterOrEqual(t, end(p), last, "the log goes on behind all that there was")

	commit(p)
	fill(t, rng, p, "new", 17)
	all := pieces(t, p)
	for offset, is := range all {
		if was, ok := before[offset]; ok {
			assert.Equal(t, was.value, is.value, "offset %d has a second content", offset)
		}
	}
	p.Abandon()
	set.FS = fsys.Kill()
	p, findings, err = commitlog.OpenPartition(set)
	require.NoError(t, err)
	assert.Empty(t, findings, "what is known is not said again")
	assert.Equal(t, all, pieces(t, p))
	_, stable, end := p.Range()
	assert.Equal(t, end, stable)
}

// The table of the issue, for the log itself.
func TestKnownDamages(t *testing.T) {
	write := func(t *testing.T, n int) (*disktest.FS, *commitlog.Partition) {
		fsys := newDisk(1)
		p := open(t, fsys)
		for i := range n {
			add(t, p, plain(fmt.Sprintf("value %2d", i)))
		}
		return fsys, p
	}
	reopen := func(t *testing.T, fsys *disktest.FS) (*commitlog.Partition, []commitlog.Finding) {
		p, findings, err := commitlog.OpenPartition(settings(fsys))
		require.NoError(t, err)
		return p, findings
	}
	t.Run("one flipped bit in the last batch after a clean stop", func(t *testing.T) {
		fsys, p := write(t, 5)
		require.NoError(t, p.Close())
		fsys = fsys.Kill()
		name := filepath.Join(directory, "0.dat")
		raw := fsys.Content(name)
		raw[len(raw)-3] ^= 4
		fsys.Set(name, raw)
		p, findings := reopen(t, fsys)
		require.Len(t, findings, 1)
		assert.Equal(t, "/data/partitions/t-0/0.dat: 69 bytes fail their checksum; it held offsets 4 to 4 (1 records), "+
			"written after 1970-01-01T00:00:01Z; readers continue after them", findings[0].String())
		assert.Equal(t, []int64{6}, add(t, p, plain("new")), "offset 5 holds what leads readers past the gap")
		assert.Equal(t, []string{"value  0", "value  1", "value  2", "value  3", "new"}, values(t, p))
		assert.EqualValues(t, 1, p.Epoch(), "the log is another one from here on")
	})
	t.Run("the last segment is moved away", func(t *testing.T) {
		fsys, p := write(t, 12)
		p.Abandon()
		fsys = fsys.Kill()
		fsys.Set(lastSegment(fsys.Files()), nil)
		p, findings := reopen(t, fsys)
		require.Len(t, findings, 1)
		assert.EqualValues(t, []int64{8, 12}, []int64{findings[0].First, findings[0].Next})
		assert.False(t, findings[0].AtMost)
		assert.Equal(t, []int64{13}, add(t, p, plain("new")))
	})
	t.Run("the end of a transaction is cut", func(t *testing.T) {
		fsys, p := write(t, 0)
		add(t, p, batch("checkpoint", 1, 8, 0, 0, transactional), commitlog.Marker(8, 0, true, 1000))
		require.NoError(t, p.Close())
		fsys = fsys.Kill()
		name := filepath.Join(directory, "0.dat")
		raw := fsys.Content(name)
		fsys.Set(name, raw[:len(raw)-37])
		p, findings := reopen(t, fsys)
		require.Len(t, findings, 1)
		assert.Zero(t, findings[0].Lost())
		_, stable, end := p.Range()
		assert.Equal(t, []int64{2, 2}, []int64{stable, end}, "it is committed")
		assert.Equal(t, []string{"checkpoint"}, values(t, p))
	})
	t.Run("a torn write", func(t *testing.T) {
		fsys, p := write(t, 3)
		p.Abandon()
		fsys = fsys.Kill()
		name := filepath.Join(directory, "0.dat")
		fsys.Set(name, append(fsys.Content(name), plain("never answered")[:50]...))
		p, findings := reopen(t, fsys)
		require.Len(t, findings, 1)
		assert.Equal(t, "/data/partitions/t-0/0.dat: 50 bytes at the end are an incomplete batch, which was never acknowledged; they are cut off", findings[0].String())
		assert.Equal(t, []int64{3}, add(t, p, plain("new")))
	})
	t.Run("a flipped bit that is met while it is read", func(t *testing.T) {
		fsys, p := write(t, 12)
		name := filepath.Join(directory, "0.dat")
		raw := fsys.Content(name)
		raw[len(raw)/2+65] ^= 1
		fsys.Set(name, raw)
		got := values(t, p)
		assert.Len(t, got, 11)
		findings, err := p.Maintain()
		require.NoError(t, err)
		require.Len(t, findings, 1)
		assert.EqualValues(t, 1, findings[0].Lost())
		p.Abandon()
		p = open(t, fsys.Kill())
		assert.Equal(t, got, values(t, p))
	})
}
