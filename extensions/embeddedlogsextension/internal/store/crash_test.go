//go:build linux

package store_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

const (
	crashLog    = "penstock.logs-0/x/0"
	crashRows   = 5 // of a record
	crashEnv    = "PENSTOCK_TEST_CRASH_DIRECTORY"
	crashBehind = 3 // records that a second delivery brings beyond what the first began
)

// recordAt is the record at an offset: always the same rows, of two streams, one of which is new every seventh record. One row lies a day back.
func recordAt(offset int64) plog.Logs {
	ld := plog.NewLogs()
	for s, n := range []int{crashRows - 2, 2} {
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", []string{"steady", fmt.Sprint("new-", offset/7)}[s])
		records := rl.ScopeLogs().AppendEmpty().LogRecords()
		for i := range n {
			lr := records.AppendEmpty()
			t := crashTime.Add(time.Duration(offset) * time.Millisecond)
			if s == 1 && i == 1 {
				t = t.Add(-24 * time.Hour)
			}
			lr.SetTimestamp(pcommon.NewTimestampFromTime(t))
			lr.Body().SetStr(fmt.Sprintf("record %d row %d", offset, i))
		}
	}
	return ld
}

var crashTime = time.Now().Truncate(time.Hour).Add(-time.Hour)

func addAt(ctx context.Context, s *store.Store, offset int64, known func(int) bool) error {
	_, err := s.AddLogs(ctx, recordAt(offset), store.Batch{At: store.Position{Log: crashLog, Offset: offset}, Received: time.Now(),
		TenantOf: func(pcommon.Map) string { return "acme" }, Known: known})
	return err
}

// TestMain is also the process that is stopped in the middle: it adds records and says what it has begun, and what is durable, as a follower
// does that saves a checkpoint.
func TestMain(m *testing.M) {
	dir := os.Getenv(crashEnv)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := addForEver(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func addForEver(dir string) error {
	s, err := store.Open(quietSettings(dir))
	if err != nil {
		return err
	}
	var mu sync.Mutex
	next := int64(0)
	go func() {
		for {
			mu.Lock()
			until := next
			mu.Unlock()
			if err := s.Flush(context.Background()); err != nil {
				os.Exit(1)
			}
			fmt.Println("durable", until)
			time.Sleep(rand.N(60 * time.Millisecond))
		}
	}()
	for {
		fmt.Println("begun", next+1)
		if err := addAt(context.Background(), s, next, nil); err != nil {
			return err
		}
		mu.Lock()
		next++
		mu.Unlock()
		time.Sleep(rand.N(2 * time.Millisecond))
	}
}

// adder is the process that adds.
type adder struct {
	cmd *exec.Cmd

	mu             sync.Mutex
	begun, durable int64 // guarded by mu
}

func startAdder(t *testing.T, dir string) *adder {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	a := &adder{cmd: exec.Command(self)}
	a.cmd.Env = append(os.Environ(), crashEnv+"="+dir)
	a.cmd.Stderr = os.Stderr
	out, err := a.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, a.cmd.Start())
	t.Cleanup(func() {
		_ = a.cmd.Process.Kill()
		_ = a.cmd.Wait() // it was killed
	})
	go a.read(out)
	return a
}

func (a *adder) read(out io.Reader) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		what, number, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			continue
		}
		a.mu.Lock()
		if what == "begun" {
			a.begun = n
		} else {
			a.durable = n
		}
		a.mu.Unlock()
	}
}

func (a *adder) said() (begun, durable int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.begun, a.durable
}

// A process that adds records is stopped at random moments, and its directory is copied as a kill would leave it. In each copy, what the store
// has behind the checkpoint is asked for and only the rest is added: then every row is there once, and its stream too.
func TestEveryRowIsThereOnceAfterAKill(t *testing.T) {
	dir := t.TempDir()
	a := startAdder(t, filepath.Join(dir, "live"))
	require.Eventually(t, func() bool { _, durable := a.said(); return durable > 0 }, time.Minute, time.Millisecond)
	var waiting sync.WaitGroup
	var there atomic.Int64
	places := make(chan struct{}, 16) // A repair waits for the engine's next look at its tasks, a second at most.
	for moment := range crashMoments {
		time.Sleep(rand.N(20 * time.Millisecond)) // a random moment is the point
		_, checkpoint := a.said()                 // what was said before the stop is what a follower has saved
		require.NoError(t, a.cmd.Process.Signal(syscall.SIGSTOP))
		awaitStopped(t, a.cmd.Process.Pid)
		at := filepath.Join(dir, fmt.Sprint("copy-", moment))
		require.NoError(t, os.CopyFS(at, os.DirFS(filepath.Join(dir, "live"))))
		begun, _ := a.said()
		require.NoError(t, a.cmd.Process.Signal(syscall.SIGCONT))
		places <- struct{}{}
		waiting.Go(func() {
			defer func() { <-places }()
			there.Add(int64(goOn(t, at, checkpoint, begun+crashBehind)))
			assert.NoError(t, os.RemoveAll(at))
		})
	}
	require.NoError(t, a.cmd.Process.Kill())
	waiting.Wait()
	t.Logf("%d moments, %d rows were there behind a checkpoint", crashMoments, there.Load())
}

// goOn goes on from a checkpoint up to an offset, and looks at what the store has then. It returns how many rows were there behind the
// checkpoint.
func goOn(t *testing.T, dir string, checkpoint, until int64) int {
	s, err := store.Open(quietSettings(dir))
	if !assert.NoError(t, err) {
		return 0
	}
	defer func() { assert.NoError(t, s.Close()) }()
	known, err := s.Known(t.Context(), store.Logs, crashLog, checkpoint, until)
	if !assert.NoError(t, err) {
		return 0
	}
	for offset := checkpoint; offset < until; offset++ {
		assert.NoError(t, addAt(t.Context(), s, offset, known.At(offset)))
	}
	assert.NoError(t, s.Flush(t.Context()))
	rows, seen := 0, map[string]bool{}
	assert.NoError(t, s.Run(t.Context(), store.Query{Text: "* | fields penstock_offset, penstock_index, _stream", View: everything}, func(b *store.Block) error {
		offsets, indexes := b.Column(store.OffsetField), b.Column(store.IndexField)
		for i := range b.Len() {
			rows++
			seen[offsets[i]+"/"+indexes[i]] = true
		}
		return nil
	}))
	var missing []string
	for offset := range until {
		for index := range crashRows {
			if at := fmt.Sprint(offset, "/", index); !seen[at] {
				missing = append(missing, at)
			}
		}
	}
	assert.Empty(t, missing, "rows that are not there: offset and place; checkpoint %d, until %d, %s", checkpoint, until, filepath.Base(dir))
	assert.Equal(t, len(seen), rows, "rows that are there twice")
	return known.Len()
}
