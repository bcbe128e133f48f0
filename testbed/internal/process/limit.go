package process

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// FilesFail makes every write of the running child to a file fail (EFBIG), as on a full disk, until it is called with false or the child is
// restarted. Pipes and sockets continue to work.
func (p *Process) FilesFail(t testing.TB, fail bool) {
	t.Helper()
	var limit unix.Rlimit
	require.NoError(t, unix.Prlimit(p.Pid(), unix.RLIMIT_FSIZE, nil, &limit))
	limit.Cur = limit.Max
	if fail {
		limit.Cur = 0
	}
	require.NoError(t, unix.Prlimit(p.Pid(), unix.RLIMIT_FSIZE, &limit, nil))
}

// Use lets the next Begin start another binary.
func (p *Process) Use(binary string) { p.settings.Binary = binary }

// Ended says whether the child has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}
