package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/commitlog"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/disk/disktest"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/ledger"
)

func open(t *testing.T, fsys *disktest.FS) *ledger.Ledger {
	t.Helper()
	l, findings, err := ledger.Open(commitlog.Settings{FS: fsys, Directory: "/data/ledger", Now: func() time.Time { return time.UnixMilli(1) }})
	require.NoError(t, err)
	require.Empty(t, findings)
	return l
}

func newDisk(t *testing.T) *disktest.FS {
	t.Helper()
	fsys := disktest.New(1)
	require.NoError(t, fsys.MakeDirectory("/data"))
	require.NoError(t, fsys.SyncDirectory("/"))
	return fsys
}

func TestChangesSurviveAPowerCut(t *testing.T) {
	fsys := newDisk(t)
	l := open(t, fsys)
	one, two := ledger.Partition{Topic: "t", Index: 1}, ledger.Partition{Topic: "t", Index: 2}
	require.NoError(t, l.Write(
		ledger.Change{Topic: &ledger.Topic{Name: "t", Partitions: 3, Configs: map[string]string{"retention.ms": "-1"}}},
		ledger.Change{Topic: &ledger.Topic{Name: "gone", Partitions: 1}},
		ledger.Change{Group: "g", Offsets: []ledger.Offset{{Partition: one, Offset: 7}, {Partition: two, Offset: 9}, {Partition: ledger.Partition{Topic: "gone"}, Offset: 1}}},
		ledger.Change{Group: "h", Offsets: []ledger.Offset{{Partition: one, Offset: 5}}},
		ledger.Change{Transaction: &ledger.Transaction{ID: "x", Producer: 3, Epoch: 4, State: ledger.Commit, Partitions: []ledger.Partition{one}}},
		ledger.Change{Floor: &ledger.Floor{Partition: one, Floor: 1000}}))
	require.NoError(t, l.Write(ledger.Change{NoTopic: "gone"}, ledger.Change{Group: "g", Forget: []ledger.Partition{two}}))
	next := l.NextProducer()
	require.NoError(t, l.Write(ledger.Change{Producer: next + 10}))
	for range 3 { // Each start writes a snapshot.
		l.Abandon()
		fsys = fsys.PowerCut()
		l = open(t, fsys)
		assert.Equal(t, []ledger.Topic{{Name: "t", Partitions: 3, Configs: map[string]string{"retention.ms": "-1"}}}, l.Topics())
		offsets, ok := l.Offsets("g")
		assert.True(t, ok)
		assert.Equal(t, []ledger.Offset{{Partition: one, Offset: 7}}, offsets)
		assert.Equal(t, map[ledger.Partition]int64{one: 5}, l.Consumed())
		assert.Equal(t, []ledger.Transaction{{ID: "x", Producer: 3, Epoch: 4, State: ledger.Commit, Partitions: []ledger.Partition{one}}}, l.Transactions())
		assert.EqualValues(t, 1000, l.Floor(one))
		assert.Equal(t, next+10, l.NextProducer())
	}
}

// The size of a ledger depends only on its content, however long it runs and however often it starts.
func TestALedgerStaysSmall(t *testing.T) {
	fsys := newDisk(t)
	l := open(t, fsys)
	metadata := fmt.Sprintf("%01000d", 0)
	for i := range int64(10_000) {
		require.NoError(t, l.Write(ledger.Change{Group: "g", Offsets: []ledger.Offset{{Partition: ledger.Partition{Topic: "t"}, Offset: i, Metadata: &metadata}}}))
	}
	assert.Less(t, l.Bytes(), int64(10<<20))
	require.NoError(t, l.Close())
	for range 20 {
		fsys = fsys.Kill()
		l = open(t, fsys)
		require.NoError(t, l.Close())
	}
	l = open(t, fsys.Kill())
	assert.Less(t, l.Bytes(), int64(3<<20))
	offsets, _ := l.Offsets("g")
	assert.EqualValues(t, 9999, offsets[0].Offset)
}

// A ledger that is lost gives out other producer ids than the one before: partitions remember those.
func TestProducerIDsDoNotComeAgain(t *testing.T) {
	assert.NotEqual(t, open(t, newDisk(t)).NextProducer(), open(t, newDisk(t)).NextProducer())
}
