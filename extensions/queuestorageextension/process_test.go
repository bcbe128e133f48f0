package queuestorageextension_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/extensions/queuestorageextension"
)

const (
	directoryVariable = "QUEUE_STORAGE_TEST_DIRECTORY" // set: this process is the child
	roundVariable     = "QUEUE_STORAGE_TEST_ROUND"     // 0: deliver everything, then end
	perRound          = 40
	sentinel          = 1 << 40
)

// Real processes on a real file, killed with SIGKILL: at once after they begin, so in the middle of recovery, or anywhere later.
func TestKill9(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	dir := t.TempDir()
	book := &ledger{delivered: make(map[int64]int)}
	const rounds = 16
	for round := 1; round <= rounds; round++ {
		lines, kill := startChild(t, dir, round)
		for range (round * 7) % 23 {
			if !lines.Scan() {
				break
			}
			book.note(lines.Text())
		}
		kill()
		for lines.Scan() { // answered before the end
			book.note(lines.Text())
		}
	}
	lines, _ := startChild(t, dir, 0)
	for lines.Scan() {
		book.note(lines.Text())
	}
	for _, id := range deliveries(t, dir) {
		book.delivered[id]++
	}
	lost, doubled := book.lostAndDoubled()
	assert.Zero(t, lost)
	assert.LessOrEqual(t, doubled, rounds*consumers)
	assert.NotEmpty(t, book.accepted)
	t.Logf("%d accepted, %d lost, %d doubled in %d kills", len(book.accepted), lost, doubled, rounds)
}

func TestASecondProcessIsToldWhoHasTheDirectory(t *testing.T) {
	dir := t.TempDir()
	lines, kill := startChild(t, dir, 1)
	require.True(t, lines.Scan())
	require.Equal(t, "started", lines.Text())
	pid, err := os.ReadFile(filepath.Join(dir, "owner.lock"))
	require.NoError(t, err)

	ext := newExtension(t, dir)
	err = ext.Start(t.Context(), componenttest.NewNopHost())
	assert.EqualError(t, err, fmt.Sprintf("directory: %q is in use by another collector or queue_storage (process %s); "+
		"each needs its own directory", dir, strings.TrimSpace(string(pid))))
	assert.NoError(t, ext.Shutdown(t.Context()))

	kill()
	for lines.Scan() {
		continue
	}
	require.NoError(t, ext.Start(t.Context(), componenttest.NewNopHost()), "the lock ends with the process")
	second := newExtension(t, dir)
	assert.ErrorContains(t, second.Start(t.Context(), componenttest.NewNopHost()), "in use", "in one process too")
	assert.NoError(t, ext.Shutdown(t.Context()))
	assert.NoError(t, second.Start(t.Context(), componenttest.NewNopHost()))
	assert.NoError(t, second.Shutdown(t.Context()))
}

// TestChild is the process that the tests above kill. It writes "started", then "accepted <id>" for each answered request, to its
// standard output, and delivers into a file. In rounds its sink hangs on some requests.
func TestChild(t *testing.T) {
	dir := os.Getenv(directoryVariable)
	if dir == "" {
		t.Skip("the child of TestKill9")
	}
	round, err := strconv.Atoi(os.Getenv(roundVariable))
	require.NoError(t, err)
	sink, err := os.OpenFile(filepath.Join(dir, "delivered"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	require.NoError(t, err)
	drained := make(chan struct{})
	logs := newExporter(t, false, func(ctx context.Context, batch plog.Logs) error {
		for _, id := range ids(batch) {
			if round > 0 && (id+int64(round))%7 == 0 {
				<-ctx.Done()
				return ctx.Err()
			}
			if _, err := fmt.Fprintf(sink, "%d\n", id); err != nil {
				return err
			}
			if id == sentinel {
				close(drained)
			}
		}
		return nil
	})
	ext := newExtension(t, dir)
	require.NoError(t, ext.Start(t.Context(), componenttest.NewNopHost()))
	say(t, "started")
	require.NoError(t, logs.Start(t.Context(), hostWith{componenttest.NewNopHost(), ext.(storage.Extension)}))
	if round > 0 {
		for _, id := range sequence(int64(round)*perRound, perRound) {
			require.NoError(t, logs.ConsumeLogs(t.Context(), request(id)))
			say(t, fmt.Sprintf("accepted %d", id))
		}
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed
		return
	}
	require.NoError(t, logs.ConsumeLogs(t.Context(), request(sentinel)))
	<-drained // and with it all that was before it in the queue
	require.NoError(t, logs.Shutdown(context.Background()))
	require.NoError(t, ext.Shutdown(context.Background()))
}

func say(t *testing.T, line string) {
	t.Helper()
	_, err := os.Stdout.WriteString(line + "\n")
	require.NoError(t, err)
}

// note takes a line of the child.
func (l *ledger) note(line string) {
	var id int64
	if _, err := fmt.Sscanf(line, "accepted %d", &id); err == nil {
		l.accepted = append(l.accepted, id)
	}
}

// startChild starts this test binary as a child process, and returns the lines that it writes and a function that kills it.
func startChild(t *testing.T, dir string, round int) (lines *bufio.Scanner, kill func()) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	child := exec.Command(self, "-test.run=^TestChild$")
	child.Env = append(os.Environ(), directoryVariable+"="+dir, fmt.Sprintf("%s=%d", roundVariable, round))
	child.Stderr = os.Stderr
	_, err = child.StdinPipe() // open until the child ends
	require.NoError(t, err)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	t.Cleanup(func() {
		_ = child.Process.Kill()
		_ = child.Wait() // killed, most of them
	})
	return bufio.NewScanner(out), func() { require.NoError(t, child.Process.Kill()) }
}

func deliveries(t *testing.T, dir string) []int64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "delivered"))
	require.NoError(t, err)
	var all []int64
	for line := range strings.Lines(string(text)) {
		id, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
		require.NoError(t, err)
		all = append(all, id)
	}
	return all
}

func newExtension(t *testing.T, dir string) extension.Extension {
	t.Helper()
	factory := queuestorageextension.NewFactory()
	cfg := factory.CreateDefaultConfig().(*queuestorageextension.Config)
	cfg.Directory = dir
	ext, err := factory.Create(t.Context(), extensiontest.NewNopSettings(factory.Type()), cfg)
	require.NoError(t, err)
	return ext
}
