package smoke

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// Journals of two machines give equal offsets to different records, and so does one that begins anew because its directory was removed. In one lake none
// replaces a file of another.
func TestJournalsThatShareALakeLoseNothing(t *testing.T) {
	lake := t.TempDir()
	begin := func() *process.Process {
		return process.Start(t, process.Settings{Env: map[string]string{"PENSTOCK_LAKE_URL": lake},
			Args: []string{soonInTheLake}})
	}
	rows := int64(0)
	write := func(p *process.Process) {
		t.Helper()
		answer, err := send.Logs(p.HTTP(), send.LogBatch("shared", int(rows), 10))
		require.NoError(t, err)
		require.Equal(t, 200, answer.Status, answer.Body)
		rows += 10
		ask.AwaitLakeRows(t, lake, map[string]int64{"logs": rows})
	}
	first, second := begin(), begin()
	for range 2 {
		write(first)
		write(second)
	}
	first.Terminate(t)
	second.Terminate(t)
	anew := begin() // with a directory of its own, as after the removal of the first one's
	write(anew)
	write(anew)
	anew.Terminate(t)
	assert.Equal(t, rows, ask.LakeRows(t, lake, "logs"))
	assert.Contains(t, second.Log()+anew.Log(), "The lake has files of another journal")
	first.Restart(t)
	ask.Eventually(t, func() error {
		if !strings.Contains(first.Log(), "Another journal writes into the lake") {
			return errors.New("it does not tell of the other journals")
		}
		return nil
	})
	first.Terminate(t)
	assert.Equal(t, rows, ask.LakeRows(t, lake, "logs"))
}
