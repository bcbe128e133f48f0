package broker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/broker"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/commitlog"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/disk/disktest"
)

const stateTopic = "t.state"

// inMemory are the settings of a broker on a file system in memory; its lock is on disk.
func inMemory(t *testing.T, fsys *disktest.FS) broker.Settings {
	set := settings(t.TempDir())
	set.FS, set.SegmentBytes, set.MaxBytes, set.TrimInterval = fsys, 1<<10, 1<<20, time.Hour
	return set
}

// kept is a topic with records and one with checkpoints, and their acknowledged content.
type kept struct {
	values      map[int64]string // of the topic, by offset
	checkpoints map[int64]string
	end         int64 // of the topic
	stateEnd    int64
}

// writeJournal writes records, and checkpoints in transactions.
func writeJournal(t *testing.T, r *running, name string, j *kept) {
	t.Helper()
	c := r.client(t)
	put := func(c *kgo.Client, into map[int64]string, topic, value string) {
		rec := &kgo.Record{Topic: topic, Value: []byte(value)}
		require.NoError(t, c.ProduceSync(t.Context(), rec).FirstErr())
		into[rec.Offset] = value
	}
	tx := r.client(t, kgo.TransactionalID("x"))
	for i := range 8 {
		put(c, j.values, topic, fmt.Sprintf("%s %d %0300d", name, i, i))
		if i%2 == 0 {
			require.NoError(t, tx.BeginTransaction())
			put(tx, j.checkpoints, stateTopic, fmt.Sprintf("%s checkpoint %d %0100d", name, i, i))
			require.NoError(t, tx.EndTransaction(t.Context(), kgo.TryCommit))
		}
	}
	commit(t, r, 3)
}

// readTo reads a topic's committed records up to its end, as ReadAll does.
func readTo(t *testing.T, r *running, topic string) (got map[int64]string, end int64) {
	t.Helper()
	c := r.client(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond))
	ends, err := kadm.NewClient(c).ListEndOffsets(t.Context(), topic)
	require.NoError(t, err)
	stables, err := kadm.NewClient(c).ListCommittedOffsets(t.Context(), topic)
	require.NoError(t, err)
	last, _ := ends.Lookup(topic, 0)
	stable, _ := stables.Lookup(topic, 0)
	require.Equal(t, last.Offset, stable.Offset, "%s: no transaction is open", topic)
	got = map[int64]string{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	starts, err := kadm.NewClient(c).ListStartOffsets(t.Context(), topic)
	require.NoError(t, err)
	start, _ := starts.Lookup(topic, 0)
	for next := start.Offset; next < last.Offset; {
		fetches := c.PollFetches(ctx)
		require.NoError(t, fetches.Err(), "%s: at %d of %d", topic, next, last.Offset)
		fetches.EachRecord(func(rec *kgo.Record) {
			next = rec.Offset + 1
			if !rec.Attrs.IsControl() {
				got[rec.Offset] = string(rec.Value)
			}
		})
	}
	return got, last.Offset
}

// TestDamagedDirectories damages any one file of a broker's directory, after a clean stop and after a kill. The broker starts; only records in the
// damaged place are unreadable, named to the offset; new records are delivered.
func TestDamagedDirectories(t *testing.T) {
	for _, how := range []string{"closed", "killed"} {
		fsys := disktest.New(1)
		set := inMemory(t, fsys)
		r := open(t, set)
		j := &kept{values: map[int64]string{}, checkpoints: map[int64]string{}}
		adm := kadm.NewClient(r.client(t))
		_, err := adm.CreateTopic(t.Context(), 1, 1, nil, topic)
		require.NoError(t, err)
		keep := "-1"
		_, err = adm.CreateTopic(t.Context(), 1, 1, map[string]*string{"retention.ms": &keep}, stateTopic)
		require.NoError(t, err)
		writeJournal(t, r, "old", j)
		_, j.end = readTo(t, r, topic)
		_, j.stateEnd = readTo(t, r, stateTopic)
		if how == "closed" {
			r.close()
		} else {
			r.abandon(t)
		}
		left := fsys.Kill()
		for seed := range uint64(200) {
			if !t.Run(fmt.Sprintf("%s/%d", how, seed), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 3))
				damaged := left.Copy()
				t.Log(damageFile(rng, damaged))
				checkJournal(t, damaged, set.Directory, j)
			}) {
				return
			}
		}
	}
}

func (r *running) abandon(t *testing.T) {
	t.Helper()
	r.closed = true
	require.NoError(t, r.Abandon())
}

// damageFile does something to one file and says what.
func damageFile(rng *rand.Rand, fsys *disktest.FS) string {
	files := fsys.Files()
	name := files[rng.IntN(len(files))]
	content := fsys.Content(name)
	if len(content) == 0 {
		fsys.Set(name, nil)
		return name + ": it is gone"
	}
	what := ""
	switch rng.IntN(6) {
	case 0, 1:
		what = "a bit flips"
		content[rng.IntN(len(content))] ^= 1 << rng.IntN(8)
	case 2:
		what = "its last 37 bytes are cut off"
		content = content[:max(0, len(content)-37)]
	case 3:
		what = "it is empty"
		content = content[:0]
	case 4:
		what = "it is all zeros"
		clear(content)
	case 5:
		what, content = "it is gone", nil
	}
	fsys.Set(name, content)
	return name + ": " + what
}

func checkJournal(t *testing.T, fsys *disktest.FS, directory string, j *kept) {
	t.Helper()
	set := inMemory(t, fsys)
	set.Directory = directory
	r := open(t, set)
	values, end := readTo(t, r, topic)
	checkpoints, stateEnd := readTo(t, r, stateTopic)
	require.NoError(t, r.Maintain())
	findings := r.findings()
	for _, f := range findings {
		t.Log(f)
	}
	compare(t, j.values, values, findings, topic)
	compare(t, j.checkpoints, checkpoints, findings, stateTopic)
	assert.GreaterOrEqual(t, end, j.end)
	assert.GreaterOrEqual(t, stateEnd, j.stateEnd)

	more := &kept{values: map[int64]string{}, checkpoints: map[int64]string{}}
	writeJournal(t, r, "new", more)
	for offset := range more.values {
		assert.GreaterOrEqual(t, offset, j.end, "a reader that was at the end gets it")
	}
	r.abandon(t)
	set.FS = fsys.Kill()
	r = open(t, set)
	assert.Empty(t, r.findings(), "it is not said again")
	for name, want := range map[string]map[int64]string{topic: more.values, stateTopic: more.checkpoints} {
		got, _ := readTo(t, r, name)
		for offset, value := range want {
			assert.Equal(t, value, got[offset])
		}
	}
	r.close()
}

// compare says that got is want but for what findings name, and that they name no more.
func compare(t *testing.T, want, got map[int64]string, findings []commitlog.Finding, topic string) {
	t.Helper()
	in := func(f commitlog.Finding, offset int64) bool { return f.First <= offset && offset < f.Next }
	findings = slices.DeleteFunc(slices.Clone(findings), func(f commitlog.Finding) bool {
		return !strings.Contains(f.File, string(filepath.Separator)+topic+"-0")
	})
	for offset, value := range want {
		if is, ok := got[offset]; ok {
			assert.Equal(t, value, is, "offset %d of %s", offset, topic)
			assert.False(t, slices.ContainsFunc(findings, func(f commitlog.Finding) bool { return in(f, offset) }), "offset %d of %s is there", offset, topic)
		} else {
			assert.True(t, slices.ContainsFunc(findings, func(f commitlog.Finding) bool { return in(f, offset) }), "offset %d of %s is gone, and that is not said", offset, topic)
		}
	}
}
