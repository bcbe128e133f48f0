package room_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/room"
)

func TestCheckSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		state room.State
		is    error
		says  string
	}{
		{state: room.State{Free: 256 << 20, Total: 1 << 30}},
		{state: room.State{Free: 12 << 20, Total: 100 << 30}, is: room.ErrFull, says: "disk full: 12 MiB free of 100 GiB (256 MiB are kept free: disk_reserve)"},
		{state: room.State{Total: 1 << 30}, is: room.ErrFull, says: "disk full: 0 B free of 1024 MiB"},
		{state: room.State{Free: 1 << 30, Total: 1 << 30, ReadOnly: true}, is: room.ErrReadOnly, says: `file system is read-only: "/data"`},
	} {
		err := room.NewGuard("/data", 256<<20, 0, func(string) (room.State, error) { return c.state, nil }).Check()
		require.ErrorIs(t, err, c.is)
		if c.is != nil {
			assert.ErrorContains(t, err, c.says)
		}
	}
}

func TestLookKnowsTheFileSystem(t *testing.T) {
	s, err := room.Look(t.TempDir())
	require.NoError(t, err)
	assert.Positive(t, s.Total)
	assert.LessOrEqual(t, s.Free, s.Total)
	assert.False(t, s.ReadOnly)
}
