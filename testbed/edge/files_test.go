package edge

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/gateway"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// The chain of log files: the gateway answers with each status, takes longer than the agent waits, and disappears; the file is rotated each time, by
// renaming and by copytruncate, and the agent is killed in between. Every line arrives, and none is a dead letter.
func TestFilesThroughStatusesSlownessAndRotation(t *testing.T) {
	g := gateway.New(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "app.log")
	p := process.Start(t, process.Settings{Configs: []string{"profile:agent"},
		Args: []string{"--set=exporters::otlp_grpc/files::compression=gzip", "--set=exporters::otlp_grpc/files::timeout=1s",
			"--set=exporters::otlp_grpc/files::retry_on_failure::initial_interval=100ms", "--set=exporters::otlp_grpc/files::retry_on_failure::max_interval=200ms",
			"--set=exporters::otlp_grpc/files::sending_queue::batch::flush_timeout=50ms", "--set=exporters::otlp_grpc/gateway::compression=gzip",
			"--set=extensions::dead_letter::retry_interval=200ms", "--set=receivers::log_files::flush_timeout=100ms"},
		Env: map[string]string{"PENSTOCK_GATEWAY_ENDPOINT": g.Address, "PENSTOCK_STATSD_ENDPOINT": freeport.One(t),
			"PENSTOCK_LOG_FILES": filepath.Join(dir, "app.log*")}})
	sent := 0
	write := func(n int) {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		require.NoError(t, err)
		for range n {
			_, err = fmt.Fprintf(file, "id %d\n", sent)
			require.NoError(t, err)
			sent++
		}
		require.NoError(t, file.Close())
	}
	asked := func(n int) {
		ask.Eventually(t, func() error {
			if got := g.Asked(); got < n {
				return fmt.Errorf("%d of %d requests", got, n)
			}
			return nil
		})
	}
	round := 0
	turn := func(decide gateway.Decide) {
		g.Decide(decide)
		write(50)
		asked(3)
		if round++; round%3 == 0 {
			p.Kill()
		}
		write(10)
		to := fmt.Sprintf("%s.%d", path, round)
		if round%2 == 0 {
			require.NoError(t, os.Rename(path, to))
		} else {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(to, text, 0o600))
			require.NoError(t, os.Truncate(path, 0))
		}
		write(10)
		if round%3 == 0 {
			p.Restart(t)
		}
	}
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		if code != codes.InvalidArgument && code != codes.AlreadyExists { // verdicts on the data
			turn(func(context.Context, []string) error { return status.Error(code, "not now") })
		}
	}
	turn(func(ctx context.Context, _ []string) error { // slower than the agent waits
		<-ctx.Done()
		return ctx.Err()
	})
	g.Stop(t)
	write(50)
	p.Kill()
	p.Restart(t)
	g.Start(t)
	g.Decide(nil)
	doubled := whole(t, g, sent)
	t.Logf("%d lines, %d came twice", sent, doubled)
	assert.Empty(t, deadLetters(t, p))
	p.Terminate(t)
}
