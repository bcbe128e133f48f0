package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// The whole way: a log file is written and rotated, the agent reads it, the gateway stores it, DuckDB counts it. Both are stopped and
// started in the middle: by SIGTERM every line is there once, by SIGKILL none is missing.
func TestLogFileThroughAgentAndGatewayIntoTheLake(t *testing.T) {
	for _, kill := range []bool{false, true} {
		t.Run(fmt.Sprintf("kill=%v", kill), func(t *testing.T) {
			dir := t.TempDir()
			gateway := process.Start(t, process.Settings{Configs: []string{"profile:gateway"},
				Args: []string{"--set=exporters::parquet::max_age=1s"}})
			agent := process.Start(t, process.Settings{Configs: []string{"profile:agent"}, Env: map[string]string{
				"PENSTOCK_GATEWAY_ENDPOINT": gateway.GRPC(),
				"PENSTOCK_LOG_FILES":        filepath.Join(dir, "app.log*"),
				"PENSTOCK_STATSD_ENDPOINT":  freeport.One(t),
			}})
			const parts, perPart = 4, 5000
			for part := range parts {
				write(t, dir, part, perPart)
				switch {
				case part == 1 && kill:
					gateway.Kill()
					agent.Kill()
				case part == 1:
					gateway.Terminate(t)
					agent.Terminate(t)
				case part == 2:
					agent.Restart(t)
					gateway.Restart(t)
				}
			}
			ask.Eventually(t, func() error {
				if len(ask.LakeFiles(t, gateway.Lake(), "logs")) == 0 {
					return fmt.Errorf("the lake is empty")
				}
				rows, err := ask.SQL(t, `select count(*), count(distinct body) from `+ask.Lake(gateway.Lake(), "logs")+` where body like 'line %'`)
				if err != nil {
					return err
				}
				all, distinct := rows[0][0].(float64), rows[0][1].(float64)
				if distinct != parts*perPart || (!kill && all != distinct) {
					return fmt.Errorf("%v rows, %v distinct of %d", all, distinct, parts*perPart)
				}
				t.Logf("%v rows of %v lines", all, distinct)
				return nil
			})
			agent.Terminate(t)
			gateway.Terminate(t)
		})
	}
}

// write appends lines to app.log, and rotates it away in the middle.
func write(t *testing.T, dir string, part, lines int) {
	t.Helper()
	path := filepath.Join(dir, "app.log")
	for i := range lines {
		if i == lines/2 {
			require.NoError(t, os.Rename(path, fmt.Sprintf("%s.%d", path, part)))
		}
		file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		require.NoError(t, err)
		_, err = fmt.Fprintf(file, "line %d\n", part*lines+i)
		require.NoError(t, err)
		require.NoError(t, file.Close())
	}
}
