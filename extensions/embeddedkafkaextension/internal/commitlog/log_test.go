package commitlog_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/commitlog"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/disk"
)

const directory = "/data/partitions/t-0"

// batch is a record batch of n records whose bytes are value; the log doesn't look at records.
func batch(value string, n int, producer int64, epoch int16, sequence int32, attributes uint16) []byte {
	raw := make([]byte, 61, 61+len(value))
	raw = append(raw, value...)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	raw[16] = 2
	binary.BigEndian.PutUint16(raw[21:], attributes)
	binary.BigEndian.PutUint32(raw[23:], uint32(n-1))
	binary.BigEndian.PutUint64(raw[27:], 1000)
	binary.BigEndian.PutUint64(raw[35:], 1000)
	binary.BigEndian.PutUint64(raw[43:], uint64(producer))
	binary.BigEndian.PutUint16(raw[51:], uint16(epoch))
	binary.BigEndian.PutUint32(raw[53:], uint32(sequence))
	binary.BigEndian.PutUint32(raw[57:], uint32(n))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

const transactional = 1 << 4

func plain(value string) []byte { return batch(value, 1, -1, -1, -1, 0) }

func settings(fsys disk.FS) commitlog.Settings {
	return commitlog.Settings{FS: fsys, Directory: directory, SegmentBytes: 600, Now: func() time.Time { return time.UnixMilli(5000) }}
}

func open(t *testing.T, fsys disk.FS) *commitlog.Partition {
	t.Helper()
	p, findings, err := commitlog.OpenPartition(settings(fsys))
	require.NoError(t, err)
	require.Empty(t, findings)
	return p
}

func enqueue(p *commitlog.Partition, raw []byte) *commitlog.Ticket {
	b, err := commitlog.Parse(raw)
	if err != nil {
		panic(err)
	}
	return p.Enqueue(slices.Clone(raw), b)
}

func commit(p *commitlog.Partition) {
	for p.Commit() {
	}
}

// add appends batches and returns their first offsets.
func add(t *testing.T, p *commitlog.Partition, batches ...[]byte) (offsets []int64) {
	t.Helper()
	var tickets []*commitlog.Ticket
	for _, raw := range batches {
		tickets = append(tickets, enqueue(p, raw))
	}
	commit(p)
	for _, ticket := range tickets {
		<-ticket.Done()
		require.NoError(t, ticket.Err)
		offsets = append(offsets, ticket.Offset)
	}
	return offsets
}

// content reads everything: values by first offset, control batches left out.
func content(p *commitlog.Partition) (map[int64]string, error) {
	out := map[int64]string{}
	from, _, _ := p.Range()
	for {
		r, err := p.Read(from, 100, false)
		if err != nil {
			return nil, err
		}
		if len(r.Batches) == 0 {
			return out, nil
		}
		for raw := r.Batches; len(raw) > 0; {
			b, err := commitlog.Parse(raw)
			if err != nil {
				return nil, err
			}
			if b.Next <= from {
				return nil, fmt.Errorf("offset %d comes again behind %d", b.First, from)
			}
			if !b.Control() {
				out[b.First] = string(raw[61:b.Size])
			}
			raw, from = raw[b.Size:], b.Next
		}
	}
}

func values(t *testing.T, p *commitlog.Partition) []string {
	t.Helper()
	all, err := content(p)
	require.NoError(t, err)
	var out []string
	for _, offset := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[offset])
	}
	return out
}

func end(p *commitlog.Partition) int64 {
	_, _, end := p.Range()
	return end
}

func TestARecordThatADuplicateSequenceBringsIsTakenOnce(t *testing.T) {
	fsys := newDisk(1)
	p := open(t, fsys)
	first := batch("a", 3, 7, 0, 0, 0)
	offsets := add(t, p, first, batch("b", 1, 7, 0, 3, 0), first)
	assert.Equal(t, []int64{0, 3, 0}, offsets)
	require.NoError(t, p.Close())

	p = open(t, fsys.Kill())
	again := enqueue(p, first)
	commit(p)
	require.NoError(t, again.Err)
	assert.True(t, again.Duplicate, "also after a restart")
	assert.Zero(t, again.Offset)
	hole := enqueue(p, batch("d", 1, 7, 0, 9, 0))
	old := enqueue(p, batch("e", 1, 7, -1, 0, 0))
	commit(p)
	require.ErrorIs(t, hole.Err, commitlog.ErrOutOfOrder)
	require.ErrorIs(t, old.Err, commitlog.ErrOldEpoch)
	assert.Equal(t, []string{"a", "b"}, values(t, p))
}

func TestTransactionsAreSeenWhenTheyAreCommitted(t *testing.T) {
	fsys := newDisk(1)
	p := open(t, fsys)
	add(t, p, batch("aborted", 1, 7, 0, 0, transactional), commitlog.Marker(7, 0, false, 1), batch("open", 2, 8, 0, 0, transactional), plain("x"))
	check := func(p *commitlog.Partition) {
		_, stable, end := p.Range()
		assert.Equal(t, []int64{2, 5}, []int64{stable, end})
		r, err := p.Read(0, 1000, true)
		require.NoError(t, err)
		assert.Equal(t, []commitlog.Aborted{{Producer: 7, First: 0, Last: 1}}, r.Aborted)
		assert.Equal(t, []commitlog.Open{{Producer: 8, First: 2}}, p.Open())
	}
	check(p)
	p.Abandon()
	p = open(t, fsys.Kill())
	check(p)
	add(t, p, commitlog.Marker(8, 0, true, 1))
	_, stable, end := p.Range()
	assert.Equal(t, end, stable)
}

func TestATrimIsRemembered(t *testing.T) {
	fsys := newDisk(1)
	p := open(t, fsys)
	for i := range 40 {
		add(t, p, plain(fmt.Sprint("value ", i)))
	}
	start, err := p.Trim(35)
	require.NoError(t, err)
	assert.EqualValues(t, 35, start)
	assert.LessOrEqual(t, len(p.Segments()), 2)
	_, err = p.Trim(99)
	require.ErrorIs(t, err, commitlog.ErrOutOfRange)
	_, err = p.Read(34, 100, false)
	require.ErrorIs(t, err, commitlog.ErrOutOfRange)
	require.NoError(t, p.Close())
	p = open(t, fsys.PowerCut())
	assert.Equal(t, []string{"value 35", "value 36", "value 37", "value 38", "value 39"}, values(t, p))
	_, err = p.Trim(40)
	require.NoError(t, err)
	assert.EqualValues(t, 40, end(p), "an empty log goes on where it was")
}

func TestTheLabelIsKept(t *testing.T) {
	fsys := newDisk(1)
	set := settings(fsys)
	set.Label = map[string]string{"topic": "t"}
	p, _, err := commitlog.OpenPartition(set)
	require.NoError(t, err)
	require.NoError(t, p.SetLabel(map[string]string{"topic": "u"}))
	p = open(t, fsys.PowerCut())
	var label map[string]string
	require.NoError(t, p.Label(&label))
	assert.Equal(t, map[string]string{"topic": "u"}, label)
}
