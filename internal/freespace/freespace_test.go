package freespace_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/freespace"
)

func TestCheckSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		state freespace.State
		is    error
		says  string
	}{
		{state: freespace.State{Free: 256 << 20, Total: 1 << 30}},
		{state: freespace.State{Free: 12 << 20, Total: 100 << 30}, is: freespace.ErrFull, says: "disk full: 12 MiB free of 100 GiB (256 MiB are kept free: disk_reserve)"},
		{state: freespace.State{Total: 1 << 30}, is: freespace.ErrFull, says: "disk full: 0 B free of 1024 MiB"},
		{state: freespace.State{Free: 1 << 30, Total: 1 << 30, ReadOnly: true}, is: freespace.ErrReadOnly, says: `file system is read-only: "/data"`},
	} {
		err := freespace.NewChecker("/data", 256<<20, 0, func(string) (freespace.State, error) { return c.state, nil }).Check()
		require.ErrorIs(t, err, c.is)
		if c.is != nil {
			assert.ErrorContains(t, err, c.says)
		}
	}
}

func TestLookKnowsTheFileSystem(t *testing.T) {
	s, err := freespace.Look(t.TempDir())
	require.NoError(t, err)
	assert.Positive(t, s.Total)
	assert.LessOrEqual(t, s.Free, s.Total)
	assert.False(t, s.ReadOnly)
}
