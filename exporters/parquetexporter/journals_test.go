package parquetexporter

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/lakestore"
)

// a journal delivers offsets 100 to 199 of partition 3.
type journal struct {
	h          *harness
	topic      byte // of its id; 0: the broker tells none
	generation uint32
	job        string
}

// deliver starts a collector, lets it write, and returns the generation that its files have and what it logged.
func (j journal) deliver(t *testing.T) (generation string, logged []string) {
	t.Helper()
	core, logs := observer.New(zap.WarnLevel)
	j.h.set.Logger = zap.New(core)
	s, err := delivery.NewSession(delivery.Settings{Label: "penstock.logs-3" + j.job, Topic: delivery.TopicID{j.topic}, Generation: j.generation, Next: 100})
	require.NoError(t, err)
	before := j.h.names(t)
	e := j.h.logs()
	deliver(t, e, s, 100)
	deliver(t, e, s, 100)
	require.NoError(t, e.Shutdown(context.Background()))
	for _, entry := range logs.All() {
		if strings.Contains(entry.Message, "journal") {
			logged = append(logged, entry.Message)
		}
	}
	for name, at := range j.h.names(t) {
		if before[name] != at {
			generation, _, _ = strings.Cut(strings.TrimPrefix(name, "penstock.logs-3"), "-00000000")
			break
		}
	}
	return generation, logged
}

// names returns when each file was written, which a replacement changes.
func (h *harness) names(t *testing.T) map[string]any {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(h.root, "logs", "*", "*", "*", "*.parquet"))
	require.NoError(t, err)
	written := map[string]any{}
	for _, f := range files {
		info, err := os.Stat(f)
		require.NoError(t, err)
		written[filepath.Base(f)+" "+filepath.Base(filepath.Dir(filepath.Dir(f)))] = info.ModTime()
	}
	return written
}

// Two journals give the same offsets to different records: two collectors with one lake, or one whose directory was removed.
func TestJournalsInOneLakeReplaceNoFileOfEachOther(t *testing.T) {
	h := newHarness(t)
	const begins, another = "The lake has files of another journal: this one's files get another generation", "Another journal writes into the lake"
	for _, c := range []struct {
		what string
		journal
		generation string
		logged     []string
	}{
		{"the first", journal{topic: 1}, "", nil},
		{"again", journal{topic: 1}, "", nil},
		{"another", journal{topic: 2}, "-g1", []string{begins}},
		{"the other again", journal{topic: 2}, "-g1", nil},
		{"the first beside it", journal{topic: 1}, "", []string{another}},
		{"a job of the other", journal{topic: 2, job: "@again"}, "@again-g1", nil},
		{"the other's log is cut", journal{topic: 2, generation: 1}, "-g2", []string{begins}},
		{"a third", journal{topic: 3}, "-g3", []string{begins}},
		{"a third, cut often", journal{topic: 3, generation: 6}, "-g6", nil},
		{"a fourth", journal{topic: 4}, "-g7", []string{begins}},
		{"a broker without ids", journal{generation: 9}, "-g9", nil},
		{"a job, which counts on its own, of the log that is cut", journal{topic: 2, job: "@later"}, "@later-g2", nil},
		{"a job of the log that is cut often", journal{topic: 3, job: "@later"}, "@later-g6", nil},
		{"a fifth, cut before", journal{topic: 5, generation: 12}, "-g12", nil},
		{"its job", journal{topic: 5, job: "@fill"}, "@fill-g12", nil},
		{"the fifth again", journal{topic: 5, generation: 12}, "-g12", nil},
		{"a job of a log without other files", journal{topic: 6, job: "@first"}, "@first-g13", []string{begins}},
	} {
		files := len(h.names(t))
		c.h = h
		generation, logged := c.deliver(t)
		assert.Equal(t, c.generation, generation, c.what)
		assert.Equal(t, c.logged, logged, c.what)
		if strings.Contains(c.what, "again") || strings.Contains(c.what, "beside") {
			assert.Len(t, h.names(t), files, c.what)
		} else {
			assert.Greater(t, len(h.names(t)), files, c.what)
		}
	}
}

// Keys of an object store that may not list are denied what is not there.
func TestALogIsClaimedByKeysThatMayNotList(t *testing.T) {
	dir, _, err := lakestore.Open(t.TempDir())
	require.NoError(t, err)
	store := deniesMissing{dir}
	for range 2 {
		has, made, err := claim(t.Context(), store, "_journals/a-g0.txt", "mine")
		require.NoError(t, err)
		assert.Equal(t, "mine", has)
		assert.True(t, made)
		require.NoError(t, dir.Remove(t.Context(), "_journals/a-g0.txt"))
	}
	_, err = dir.Create(t.Context(), "_journals/a-g0.txt", []byte("another's"))
	require.NoError(t, err)
	has, made, err := claim(t.Context(), store, "_journals/a-g0.txt", "mine")
	require.NoError(t, err)
	assert.Equal(t, "another's", has)
	assert.False(t, made)
}

// A lake needs no hard links, and no conditional writes.
func TestALogIsClaimedWithoutCreate(t *testing.T) {
	dir, _, err := lakestore.Open(t.TempDir())
	require.NoError(t, err)
	for _, text := range []string{"mine", "another's"} {
		has, made, err := claim(t.Context(), cannotCreate{dir}, "_journals/a-g0.txt", text)
		require.NoError(t, err)
		assert.Equal(t, "mine", has)
		assert.Equal(t, text == "mine", made)
	}
}

type cannotCreate struct{ lakestore.Store }

func (cannotCreate) Create(context.Context, string, []byte) (bool, error) {
	return false, &lakestore.IOError{Op: "create", Err: lakestore.ErrNoCreate}
}

type deniesMissing struct{ lakestore.Store }

func (d deniesMissing) Tail(ctx context.Context, path string, n int64) ([]byte, error) {
	tail, err := d.Store.Tail(ctx, path, n)
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.New("Access Denied.")
	}
	return tail, err
}
