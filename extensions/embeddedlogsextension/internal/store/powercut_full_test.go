//go:build linux && full

package store_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// memory is a file system on which an fsync costs nothing. What it would have done is recorded all the same.
const memory = "/dev/shm"

// hooked is what (*os.File).Sync becomes.
const hooked = `
// SyncHook, unless nil, is called in the place of every fsync of a file, and gets it. It is set before there are any.
var SyncHook func(f *File, fsync func() error) error

// Sync is fsync, or what SyncHook makes of it.
func (f *File) Sync() error {
	if hook := SyncHook; hook != nil {
		return hook(f, f.fsync)
	}
	return f.fsync()
}
`

// Neither the engine nor the standard library tells what it fsyncs, so the test of power cuts is built with a package os that does: go build takes
// another text of one of its files from an overlay. All that the store is made of is compiled again for it, which takes minutes the first time.
func TestPowerCuts(t *testing.T) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	original := filepath.Join(strings.TrimSpace(string(root)), "src", "os", "file_posix.go")
	text, err := os.ReadFile(original)
	require.NoError(t, err)
	changed := strings.Replace(string(text), "func (f *File) Sync() error {", "func (f *File) fsync() error {", 1)
	require.NotEqual(t, string(text), changed, "%s has no Sync", original)
	replacement := filepath.Join(t.TempDir(), "file_posix.go")
	require.NoError(t, os.WriteFile(replacement, []byte(changed+hooked), 0o600))
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: replacement}})
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "overlay.json")
	require.NoError(t, os.WriteFile(path, overlay, 0o600))
	run := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-timeout", "60m", "-v", "-tags", "powercut", "-overlay", path, "-run", "^TestEveryRowIsThereOnceAfterAPowerCut$", ".")
	run.Env = append(os.Environ(), "DISABLE_FSYNC_FOR_TESTING=false") // the engine fsyncs nothing in a test unless it is told so
	if info, err := os.Stat(memory); err == nil && info.IsDir() {
		run.Env = append(run.Env, "TMPDIR="+memory)
	}
	out, err := run.CombinedOutput()
	t.Logf("%s", out)
	require.NoError(t, err)
}
