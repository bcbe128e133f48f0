package smoke_test

import (
	"bytes"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/process"
)

var update = flag.Bool("update", false, "write what validate says of testdata/wrong instead of comparing it")

// What people type wrong: a file each in testdata/wrong, with what `penstock validate` says of it beside it. The first lines of a file
// can be `# args: ...` (default: the profile standalone and this file) and `# env: NAME=value ...`.
func TestWhatPeopleTypeWrong(t *testing.T) {
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 100)
	binary := process.Binary(t)
	for _, path := range files {
		file := filepath.Base(path)
		t.Run(strings.TrimSuffix(file, ".yaml"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			args := "--config profile:standalone --config " + file
			env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "PENSTOCK_DATA_DIR=" + t.TempDir()}
			for line := range strings.SplitSeq(string(text), "\n") {
				if rest, ok := strings.CutPrefix(line, "# args: "); ok {
					args = strings.ReplaceAll(rest, "FILE", file)
				} else if rest, ok := strings.CutPrefix(line, "# env: "); ok {
					env = append(env, strings.Fields(rest)...)
				}
			}
			cmd := exec.CommandContext(t.Context(), binary, append([]string{"validate"}, strings.Fields(args)...)...)
			cmd.Dir, cmd.Env = filepath.Dir(path), env
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
				require.NoError(t, err)
			}
			// What a profile consists of is not what this test is about.
			printed := regexp.MustCompile(`Checked: .* in (\d{2,}) pipelines.*`).ReplaceAllString(out.String(), "Checked: ...")
			said := fmt.Sprintf("%sexit %d\n", printed, cmd.ProcessState.ExitCode())
			golden := strings.TrimSuffix(path, ".yaml") + ".txt"
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(said), 0o600))
				return
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), said)
			assert.NotContains(t, said, "me:secret@", "a message must not repeat a password")
			for _, internal := range []string{"decoding failed", "unmarshal the configuration", "processor.Config", "mapstructure"} {
				assert.NotContains(t, said, internal, "the decoder's words mean nothing to a user")
			}
		})
	}
}

// A null section adds nothing to the profile's: what runs is the same as without it.
func TestANullSectionKeepsTheProfile(t *testing.T) {
	printed := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), process.Binary(t), append([]string{"print-config", "--config", "profile:standalone"}, args...)...)
		cmd.Dir = "testdata/wrong"
		out, err := cmd.Output()
		require.NoError(t, err)
		return string(out)
	}
	want := printed()
	assert.Contains(t, want, "nesting_limit")
	for _, file := range []string{"null-listeners", "null-scrubber", "null-guard", "null-everything", "null-pipeline"} {
		assert.Equal(t, want, printed("--config", file+".yaml"), file)
	}
	assert.Equal(t, want, printed("--set=processors::cardinality_guard/tsdb="))
}

// A start that fails for a port or a directory names the variable to change, and who holds the port.
func TestAStartThatFailsNamesTheVariable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, c := range []struct{ variable, value, says string }{
		{"PENSTOCK_OTLP_GRPC_ENDPOINT", l.Addr().String(), "receivers::otlp cannot listen on " + l.Addr().String()},
		{"PENSTOCK_OTLP_HTTP_ENDPOINT", l.Addr().String(), "receivers::otlp cannot listen on "},
		{"PENSTOCK_HEALTH_ENDPOINT", l.Addr().String(), "extensions::health_check cannot listen on "},
		{"PENSTOCK_ADMIN_ENDPOINT", l.Addr().String(), "extensions::admin cannot listen on "},
		{"PENSTOCK_KAFKA_ENDPOINT", l.Addr().String(), "extensions::embedded_kafka cannot listen on "},
		{"PENSTOCK_TSDB_ENDPOINT", l.Addr().String(), "extensions::embedded_tsdb cannot listen on "},
		{"PENSTOCK_QUERY_ENDPOINT", l.Addr().String(), "extensions::embedded_logs cannot listen on "},
		{"PENSTOCK_TELEMETRY_PORT", port, "service::telemetry cannot listen on "},
		{"PENSTOCK_DATA_DIR", filepath.Join(file, "data"), "PENSTOCK_DATA_DIR decides where this is"},
	} {
		p := process.New(t, process.Settings{Env: map[string]string{c.variable: c.value}})
		p.Begin(t)
		assert.Equal(t, 1, p.Wait(t), c.variable)
		assert.Contains(t, p.Log(), c.says, c.variable)
		if c.variable != "PENSTOCK_DATA_DIR" {
			assert.Contains(t, p.Log(), fmt.Sprintf("(process %d) uses the port", os.Getpid()), c.variable)
			assert.Contains(t, p.Log(), "choose another address with "+c.variable, c.variable)
		}
	}
}

// The storage engine of embedded_logs reads a variable of the environment that turns its fsync off: a start with it is refused.
func TestAStartWithoutFsyncIsRefused(t *testing.T) {
	p := process.New(t, process.Settings{Env: map[string]string{"DISABLE_FSYNC_FOR_TESTING": "true"}})
	p.Begin(t)
	assert.Equal(t, 1, p.Wait(t))
	assert.Contains(t, p.Log(), "embedded_logs")
	assert.Contains(t, p.Log(), "DISABLE_FSYNC_FOR_TESTING=true")
}
