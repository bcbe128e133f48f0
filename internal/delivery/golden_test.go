package delivery

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// goldenCheckpoint is the content of the newest of testdata/checkpoint-v*. Fields that a version does not have are zero there.
func goldenCheckpoint(t *testing.T) *Checkpoint {
	t.Helper()
	session, err := NewSession(Settings{Label: "penstock.metrics-3", Began: time.Unix(1_700_000_000, 5)})
	require.NoError(t, err)
	_, err = Join(session, "window_rollup/a", func() goldenState { return goldenState{bytes.Repeat([]byte("rollup"), 2_000)} })
	require.NoError(t, err)
	_, err = Join(session, "parquet", func() goldenState { return goldenState{[]byte(`{"root":"/lake"}`)} })
	require.NoError(t, err)
	var state bytes.Buffer
	require.NoError(t, session.Snapshot(&state))
	return &Checkpoint{
		Next: 1234, Ranges: []Bounds{{1234, 1300}, {1300, 1301}}, SeenUntil: time.Unix(1_700_000_100, 7),
		Seen:  []SeenRecord{{ID: RecordID([]byte("0123456789abcdef")), Offset: 1200, Time: time.Unix(1_700_000_090, 0)}},
		Topic: TopicID([]byte("fedcba9876543210")), LogGeneration: 3, Anchors: []Anchor{{Offset: 1233, Epoch: 2, Sum: 77}, {Offset: 1299, Epoch: 2, Sum: 78}},
		State: state.Bytes(),
	}
}

var goldenGeneration = Generation{Number: 7, Nonce: 0xABCDEF}

// The checkpoint of an earlier release can be read, state by state. PENSTOCK_WRITE_GOLDEN=1 writes the file of a new version; the others
// stay unchanged.
func TestGoldenCheckpoints(t *testing.T) {
	want := goldenCheckpoint(t)
	current := filepath.Join("testdata", "checkpoint-v"+string(rune('0'+checkpointVersion)))
	if os.Getenv("PENSTOCK_WRITE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(current, packRecords(want.Records(goldenGeneration)), 0o600))
	}
	require.FileExists(t, current, "a new version of the format has a file")
	files, err := filepath.Glob(filepath.Join("testdata", "checkpoint-v?"))
	require.NoError(t, err)
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			packed, err := os.ReadFile(path)
			require.NoError(t, err)
			restorer := newRestorer()
			for _, r := range unpackRecords(t, packed) {
				require.NoError(t, restorer.add(r))
			}
			found, err := restorer.result(false)
			require.NoError(t, err)
			require.NotNil(t, found.Checkpoint)
			assert.Equal(t, goldenGeneration, found.Generation)
			got := found.Checkpoint
			assert.Equal(t, want.Next, got.Next)
			assert.Equal(t, want.Ranges, got.Ranges)
			assert.True(t, want.SeenUntil.Equal(got.SeenUntil))
			assert.Equal(t, want.Seen, got.Seen)
			if filepath.Base(path) == "checkpoint-v1" { // a version that did not identify its log
				assert.Zero(t, got.Topic)
				assert.Zero(t, got.LogGeneration)
				assert.Empty(t, got.Anchors)
			} else {
				assert.Equal(t, want.Topic, got.Topic)
				assert.Equal(t, want.LogGeneration, got.LogGeneration)
				assert.Equal(t, want.Anchors, got.Anchors)
			}
			began, states, err := decode(got.State)
			require.NoError(t, err)
			assert.True(t, began.Equal(time.Unix(1_700_000_000, 5)))
			assert.Equal(t, map[string][]byte{"window_rollup/a": bytes.Repeat([]byte("rollup"), 2_000), "parquet": []byte(`{"root":"/lake"}`)}, states)
		})
	}
	// A format that changes without a new version is noticed.
	packed, err := os.ReadFile(current)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(packRecords(want.Records(goldenGeneration)), packed), "this release writes %s in another way: the format has changed and its version has not", current)
}

// goldenState is a state that is its own snapshot.
type goldenState struct{ b []byte }

func (s goldenState) Restore(io.Reader) error { return errors.New("not in this test") }
func (s goldenState) Advance(_ time.Time, _ bool, low time.Time) (bool, time.Time) {
	return false, low
}
func (s goldenState) Snapshot(w io.Writer) error  { _, err := w.Write(s.b); return err }
func (s goldenState) Flush(context.Context) error { return nil }
func (s goldenState) Adopt()                      {}

// packRecords writes each record as length and bytes of key and value.
func packRecords(records []StateRecord) (b []byte) {
	for _, r := range records {
		for _, part := range [][]byte{r.Key, r.Value} {
			b = append(binary.LittleEndian.AppendUint32(b, uint32(len(part))), part...)
		}
	}
	return b
}

func unpackRecords(t *testing.T, b []byte) (records []StateRecord) {
	t.Helper()
	take := func() []byte {
		require.GreaterOrEqual(t, len(b), 4)
		n := binary.LittleEndian.Uint32(b)
		part := b[4 : 4+n]
		b = b[4+n:]
		return part
	}
	for len(b) > 0 {
		records = append(records, StateRecord{Offset: int64(100 + len(records)), Key: take(), Value: take()})
	}
	return records
}
