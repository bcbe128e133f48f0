// Package disk is a small file system for a test, which can fill up, or fail like a disk. It needs root.
package disk

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Disk is mounted at Dir until the test ends.
type Disk struct {
	Dir   string
	image string // of an ext4; empty: memory
}

// Memory mounts a file system of that many bytes at dir. Its content outlives processes.
func Memory(t testing.TB, dir string, bytes int64) *Disk {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", bytes)), "mounting a file system needs root")
	d := &Disk{Dir: dir}
	t.Cleanup(func() { d.unmount() })
	return d
}

// File mounts an ext4 of so many bytes, in a file, at dir.
func File(t testing.TB, dir string, bytes int64) *Disk {
	t.Helper()
	d := &Disk{Dir: dir, image: filepath.Join(t.TempDir(), "image")}
	require.NoError(t, os.WriteFile(d.image, nil, 0o600))
	require.NoError(t, os.Truncate(d.image, bytes))
	run(t, "mkfs.ext4", "-q", "-F", d.image)
	require.NoError(t, os.MkdirAll(dir, 0o700))
	d.mount(t)
	t.Cleanup(func() { d.unmount() })
	return d
}

// Fail makes the file system of File behave like one whose disk fails on Linux: read-only at once, also for open files. Unsynced data is gone, as
// after a power cut. It stays so until Repair.
func (d *Disk) Fail(t testing.TB) {
	t.Helper()
	run(t, "mount", "-o", "remount,abort", d.Dir)
}

// Repair mounts the file system again. No file of it may be open.
func (d *Disk) Repair(t testing.TB) {
	t.Helper()
	require.NoError(t, syscall.Unmount(d.Dir, 0))
	d.mount(t)
}

// Fill takes all space that is left, until Free.
func (d *Disk) Fill(t testing.TB) {
	t.Helper()
	f, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	require.NoError(t, err)
	for block := make([]byte, 1<<20); len(block) > 0; {
		if n, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		} else {
			require.Positive(t, n)
		}
	}
	require.NoError(t, f.Close())
}

// Free gives back what Fill has taken.
func (d *Disk) Free(t testing.TB) {
	t.Helper()
	require.NoError(t, os.Remove(d.ballast()))
}

func (d *Disk) ballast() string { return filepath.Join(d.Dir, ".ballast-of-the-test") }

func (d *Disk) mount(t testing.TB) {
	t.Helper()
	run(t, "mount", "-o", "loop", d.image, d.Dir)
}

func (d *Disk) unmount() { _ = syscall.Unmount(d.Dir, syscall.MNT_DETACH) }

func run(t testing.TB, command ...string) {
	t.Helper()
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	require.NoError(t, err, "%q says: %s", command, out)
}
