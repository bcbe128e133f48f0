//go:build linux && amd64

package clock_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/clock"
)

// The test program is the child: it answers each line with its time and how long it runs.
func TestMain(m *testing.M) {
	if os.Getenv("CLOCK_CHILD") == "" {
		os.Exit(m.Run())
	}
	began := time.Now()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(time.Now().Unix(), time.Since(began).Nanoseconds())
	}
}

func TestTheClockOfOneProcessJumpsBothWaysAndBack(t *testing.T) {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "CLOCK_CHILD=1")
	in, err := child.StdinPipe()
	require.NoError(t, err)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = child.Wait()
	})
	answers := bufio.NewReader(out)
	var elapsed int64
	off := func() time.Duration {
		_, err := io.WriteString(in, "\n")
		require.NoError(t, err)
		line, err := answers.ReadString('\n')
		require.NoError(t, err)
		var unix, now int64
		_, err = fmt.Fscan(strings.NewReader(line), &unix, &now)
		require.NoError(t, err)
		assert.Greater(t, now, elapsed, "the monotonic clock goes on")
		assert.Less(t, now, int64(time.Hour))
		elapsed = now
		return time.Until(time.Unix(unix, 0)).Round(time.Minute)
	}
	require.Zero(t, off())
	for _, by := range []time.Duration{time.Hour, -time.Hour, 0, -48 * time.Hour} {
		require.NoError(t, clock.Set(child.Process.Pid, by))
		assert.Equal(t, by, off())
	}
}
