//go:build unix

package tail_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/join"
	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/tail"
)

// bench is a set that follows a directory. The test controls the time.
type bench struct {
	t       *testing.T
	dir     string
	include []string
	limit   int
	hold    bool // the last line of each file stays undelivered, like one that waits for its trace
	set     *tail.Set
	now     time.Time
	got     []string
	parts   map[string][]int
	events  []string // kind and base name
	lost    int64
}

func newBench(t *testing.T) *bench {
	dir := t.TempDir()
	b := &bench{t: t, dir: dir, include: []string{filepath.Join(dir, "*.log*")}, limit: 1 << 20, now: time.Unix(1_000_000, 0)}
	b.open(nil)
	return b
}

func (b *bench) open(positions []tail.Position) {
	b.set, b.parts = tail.NewSet(b.include, nil, positions, nil), map[string][]int{}
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) write(name, text string) {
	b.t.Helper()
	file, err := os.OpenFile(b.path(name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	require.NoError(b.t, err)
	_, err = file.WriteString(text)
	require.NoError(b.t, err)
	require.NoError(b.t, file.Close())
}

func (b *bench) rename(from, to string) {
	b.t.Helper()
	require.NoError(b.t, os.Rename(b.path(from), b.path(to)))
}

// copytruncate does what logrotate does under this name.
func (b *bench) copytruncate(from, to string) {
	b.t.Helper()
	text, err := os.ReadFile(b.path(from))
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(b.path(to), text, 0o600))
	require.NoError(b.t, os.Truncate(b.path(from), 0))
}

var kinds = map[tail.Kind]string{tail.Started: "started", tail.Resumed: "resumed", tail.Copied: "copied", tail.Alike: "alike", tail.Found: "found",
	tail.Truncated: "truncated", tail.Skipped: "skipped", tail.Lost: "lost", tail.Forgotten: "forgotten", tail.Unmatched: "unmatched", tail.Held: "held", tail.Blind: "blind"}

func (b *bench) note(e tail.Event) {
	b.events = append(b.events, kinds[e.Kind]+" "+filepath.Base(e.Path))
	b.lost += e.Bytes
}

// poll looks for files and reads them.
func (b *bench) poll() {
	b.t.Helper()
	b.now = b.now.Add(time.Second)
	b.set.Poll(b.now, b.note)
	var buffer tail.Buffer
	for _, f := range b.set.Files() {
		held := f.ReadTo()
		err := f.Read(&buffer, b.limit, false, func(line join.Line) bool {
			held = line.Start
			b.got = append(b.got, line.Text)
			b.parts[filepath.Base(f.Path)] = append(b.parts[filepath.Base(f.Path)], line.Part)
			return true
		})
		require.NoError(b.t, err)
		if !b.hold {
			held = f.ReadTo()
		}
		f.Delivered(held)
	}
}

// later polls n times, a second apart.
func (b *bench) later(n int) {
	b.t.Helper()
	for range n {
		b.poll()
	}
}

// restart ends the process and starts another one.
func (b *bench) restart(while func()) {
	b.t.Helper()
	b.set.AbandonCopies(b.note)
	b.set.Finish()
	pieces, err := b.set.Changed()
	require.NoError(b.t, err)
	b.set.Saved()
	b.set.Close()
	var all []tail.Position
	for _, piece := range pieces {
		positions, err := tail.DecodeShard(piece)
		require.NoError(b.t, err)
		all = append(all, positions...)
	}
	while()
	b.open(all)
}

func numbered(from, to int) string {
	var text strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&text, "line %d\n", i)
	}
	return text.String()
}

// exactly requires that lines from 0 to n have been read, each once.
func (b *bench) exactly(n int) {
	b.t.Helper()
	counts := map[string]int{}
	for _, line := range b.got {
		counts[line]++
	}
	for i := range n {
		require.Equal(b.t, 1, counts[fmt.Sprintf("line %d", i)], "line %d; %v", i, b.events)
	}
	require.Len(b.t, b.got, n)
}

// Lines held back at the truncation have been emitted by then: the copy continues after them.
func TestACopyGoesOnBehindWhatWasRead(t *testing.T) {
	for _, lines := range []int{1, 3, 200} {
		for _, held := range []bool{false, true} {
			b := newBench(t)
			b.hold = held
			b.write("app.log", numbered(0, lines))
			b.poll()
			b.write("app.log", numbered(lines, lines+2)) // not read before the truncation
			b.copytruncate("app.log", "app.log.1")
			b.write("app.log", numbered(lines+2, lines+3))
			b.later(8)
			b.exactly(lines + 3)
			assert.Zero(t, b.lost)
		}
	}
}

// logrotate's copy is seen before the truncation.
func TestACopyIsSeenBeforeTheCut(t *testing.T) {
	b := newBench(t)
	b.hold = true
	b.write("app.log", numbered(0, 1))
	b.poll()
	require.NoError(t, os.WriteFile(b.path("app.log.1"), []byte(numbered(0, 1)), 0o600))
	b.later(3)
	require.NoError(t, os.Truncate(b.path("app.log"), 0))
	b.later(3)
	b.exactly(1)
}

// The file is truncated and grows again while lines of it are in flight: nothing of the new text is skipped.
func TestACutWhileLinesAreOnTheirWay(t *testing.T) {
	b := newBench(t)
	b.write("app.log", numbered(0, 10))
	b.set.Poll(b.now, b.note)
	f := b.set.Files()[0]
	var buffer tail.Buffer
	require.NoError(t, f.Read(&buffer, b.limit, false, func(line join.Line) bool { b.got = append(b.got, line.Text); return true }))
	b.copytruncate("app.log", "app.log.1")
	b.write("app.log", numbered(10, 50))
	assert.False(t, f.Delivered(f.ReadTo()), "the file no longer has what was delivered")
	b.later(8)
	b.exactly(50)
}

func TestRotatedTwiceWhileNothingReads(t *testing.T) {
	for _, pattern := range []string{"*.log*", "app.log"} {
		b := newBench(t)
		b.include = []string{b.path(pattern)}
		b.open(nil)
		b.write("app.log", numbered(0, 5))
		b.poll()
		b.restart(func() {
			b.write("app.log", numbered(5, 10))
			b.rename("app.log", "app.log.1")
			b.write("app.log", numbered(10, 15))
			b.rename("app.log.1", "app.log.2")
			b.rename("app.log", "app.log.1")
			b.write("app.log", numbered(15, 20))
		})
		b.later(3)
		if pattern == "*.log*" {
			b.exactly(20)
			continue
		}
		assert.Len(t, b.got, 15, "the first file is found by its inode; no pattern leads to the second, which nothing has ever seen")
		assert.Contains(t, b.events, "found app.log.2")
		assert.Contains(t, b.events, "lost app.log.1")
		assert.EqualValues(t, len(numbered(10, 15)), b.lost)
	}
}

// While the pipeline accepts nothing a file appears and disappears. A scout holds it.
func TestRotatedTwiceWhileThePipelineTakesNothing(t *testing.T) {
	b := newBench(t)
	b.include = []string{b.path("app.log")}
	b.open(nil)
	b.write("app.log", numbered(0, 5))
	b.poll()
	b.write("app.log", numbered(5, 10))
	b.rename("app.log", "app.log.1")
	b.write("app.log", numbered(10, 12))
	b.set.Scout(b.note)
	b.write("app.log", numbered(12, 15))
	require.NoError(t, os.Remove(b.path("app.log.1")))
	require.NoError(t, os.Remove(b.path("app.log")))
	b.write("app.log", numbered(15, 20))
	b.set.Scout(b.note)
	b.later(3)
	b.exactly(20)
	assert.Zero(t, b.lost)
}

// What was unread when it disappeared is counted, as far as it was seen.
func TestLostBytesAreCounted(t *testing.T) {
	t.Run("deleted while nothing reads", func(t *testing.T) {
		b := newBench(t)
		b.hold = true
		b.write("app.log", numbered(0, 2))
		b.poll()
		b.restart(func() { require.NoError(t, os.Remove(b.path("app.log"))) })
		b.poll()
		assert.Contains(t, b.events, "lost app.log")
		assert.EqualValues(t, len("line 1\n"), b.lost)
	})
	t.Run("truncated while nothing reads", func(t *testing.T) {
		b := newBench(t)
		b.write("app.log", numbered(0, 2))
		b.poll()
		b.restart(func() {
			require.NoError(t, os.Truncate(b.path("app.log"), 0))
			b.write("app.log", "new\n")
		})
		b.later(12)
		assert.Contains(t, b.events, "truncated app.log")
		assert.Contains(t, b.events, "lost app.log", "it can have had more")
		assert.Equal(t, []string{"line 0", "line 1", "new"}, b.got)
	})
	t.Run("truncated before it was read", func(t *testing.T) {
		b := newBench(t)
		b.write("app.log", numbered(0, 2))
		b.poll()
		b.write("app.log", numbered(2, 3))
		b.set.Poll(b.now.Add(time.Second), b.note) // seen, not read
		require.NoError(t, os.Truncate(b.path("app.log"), 0))
		b.write("app.log", "new\n")
		b.later(12)
		assert.EqualValues(t, len("line 2\n"), b.lost)
	})
	t.Run("truncated when all was read", func(t *testing.T) {
		b := newBench(t)
		b.write("app.log", numbered(0, 2))
		b.poll()
		require.NoError(t, os.Truncate(b.path("app.log"), 0))
		b.write("app.log", "new\n")
		b.later(12)
		assert.NotContains(t, b.events, "lost app.log")
		assert.Equal(t, []string{"line 0", "line 1", "new"}, b.got)
	})
}

// Reading of a file that matches no pattern any more stops; one that can't be checked keeps its position.
func TestPatternsThatChange(t *testing.T) {
	b := newBench(t)
	b.write("a.log", numbered(0, 2))
	b.write("b.log", numbered(2, 4))
	b.poll()
	b.restart(func() {
		b.write("a.log", "hidden\n")
		b.include = []string{b.path("b.log"), b.path("c.txt")}
		b.write("c.txt", numbered(4, 5))
	})
	b.later(3)
	b.exactly(5)
	assert.Contains(t, b.events, "unmatched a.log")
	assert.Zero(t, b.lost)
}

func TestAnUnreadableFileKeepsItsPosition(t *testing.T) {
	if os.Geteuid() == 0 {
		// root can read everything; a path through a file simulates a directory that can't be entered.
		b := newBench(t)
		require.NoError(t, os.Mkdir(b.path("sub"), 0o700))
		b.include = []string{b.path("sub/*.log")}
		b.open(nil)
		b.write("sub/app.log", numbered(0, 2))
		b.poll()
		b.restart(func() {
			b.rename("sub", "away")
			b.write("sub", "")
		})
		b.poll()
		require.NoError(t, os.Remove(b.path("sub")))
		b.rename("away", "sub")
		b.write("sub/app.log", numbered(2, 3))
		b.later(2)
		b.exactly(3)
		return
	}
	b := newBench(t)
	b.write("app.log", numbered(0, 2))
	b.poll()
	b.restart(func() { require.NoError(t, os.Chmod(b.path("app.log"), 0)) })
	b.poll()
	assert.Contains(t, b.events, "skipped app.log")
	require.NoError(t, os.Chmod(b.path("app.log"), 0o600))
	b.write("app.log", numbered(2, 3))
	b.later(2)
	b.exactly(3)
}

// A preallocated file, and the hole of a writer that continues at its old offset.
func TestZeros(t *testing.T) {
	b := newBench(t)
	b.limit = 4096
	file, err := os.Create(b.path("ahead.log"))
	require.NoError(t, err)
	require.NoError(t, file.Truncate(1000))
	_, err = file.WriteAt([]byte("line 0\n"), 0)
	require.NoError(t, err)
	b.later(2)
	_, err = file.WriteAt([]byte("line 1\n"), 7)
	require.NoError(t, err)
	require.NoError(t, os.Chtimes(b.path("ahead.log"), b.now, b.now)) // a filesystem's clock can be coarse
	b.later(2)
	b.exactly(2)

	_, err = file.WriteAt([]byte("line 2\n"), 100_000)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	b.later(2)
	b.exactly(3)
	for _, parts := range b.parts {
		assert.NotContains(t, parts, 1, "zeros are no pieces of a line")
	}
}

// The number of a piece survives a restart, so that the rest of a long line is not mistaken for a line.
func TestPiecesGoOnAfterARestart(t *testing.T) {
	b := newBench(t)
	b.limit = 100
	b.write("app.log", strings.Repeat("x", 250))
	b.poll()
	b.restart(func() { b.write("app.log", strings.Repeat("y", 100)+"\nline\n") })
	b.parts = map[string][]int{"app.log": {1, 2}}
	b.poll()
	assert.Equal(t, []int{1, 2, 3, 4, 0}, b.parts["app.log"])
	assert.Equal(t, strings.Repeat("x", 250)+strings.Repeat("y", 100), strings.Join(b.got[:4], ""))
}

// A file that shrinks is read again from its beginning: its lines can be new ones.
func TestAFileThatShrinks(t *testing.T) {
	b := newBench(t)
	b.write("app.log", numbered(0, 10))
	b.poll()
	require.NoError(t, os.Truncate(b.path("app.log"), int64(len(numbered(0, 3)))))
	b.write("app.log", "new\n")
	b.later(2)
	assert.Equal(t, append(strings.Split(strings.TrimSpace(numbered(0, 10)), "\n"), "line 0", "line 1", "line 2", "new"), b.got)
	assert.Contains(t, b.events, "truncated app.log")
}

// A second file with the same text is read, once it is certain that it is not a copy in progress.
func TestEqualFilesThatAppear(t *testing.T) {
	b := newBench(t)
	b.write("a.log", numbered(0, 300))
	b.poll()
	b.write("b.log", numbered(0, 300))
	b.poll()
	assert.Len(t, b.got, 300)
	b.later(8)
	assert.Len(t, b.got, 600)
	assert.Contains(t, b.events, "alike b.log")
}

func TestLinksAndLoops(t *testing.T) {
	b := newBench(t)
	b.include = []string{filepath.Join(b.dir, "**", "*.log")}
	b.open(nil)
	require.NoError(t, os.Mkdir(b.path("sub"), 0o700))
	b.write("sub/app.log", numbered(0, 2))
	require.NoError(t, os.Symlink(b.dir, b.path("sub/loop")))
	require.NoError(t, os.Symlink(b.path("sub/app.log"), b.path("link.log")))
	require.NoError(t, os.Link(b.path("sub/app.log"), b.path("hard.log")))
	require.NoError(t, os.Symlink(b.path("self.log"), b.path("self.log")))
	b.later(3)
	b.exactly(2)
}

// The process runs out of handles: no file is considered lost, and everything is read once there are handles again.
func TestTooManyOpenFiles(t *testing.T) {
	b := newBench(t)
	b.write("app.log", numbered(0, 2))
	b.poll()
	b.write("app.log", numbered(2, 4))
	b.write("new.log", numbered(4, 6))
	var hogs []*os.File
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before))
	low := before
	low.Cur = 64
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low))
	for {
		hog, err := os.Open(b.dir)
		if err != nil {
			break
		}
		hogs = append(hogs, hog)
	}
	b.now = b.now.Add(time.Second)
	b.set.Poll(b.now, b.note)
	for _, hog := range hogs {
		require.NoError(t, hog.Close())
	}
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before))
	b.later(2)
	b.exactly(6)
	assert.NotContains(t, b.events, "lost app.log")
	assert.Contains(t, b.events, "blind .")
}
