package smoke

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/process"
)

// `penstock` alone says what to type.
func TestCommandWithoutConfiguration(t *testing.T) {
	for _, args := range [][]string{nil, {"validate"}, {"print-config"}} {
		printed, code := call(t, args...)
		assert.Equal(t, 1, code, printed)
		assert.Contains(t, printed, strings.Join(append([]string{"penstock"}, args...), " ")+" --config profile:standalone")
		assert.NotContains(t, printed, "at least one config flag")
	}
}

// The help text begins with our flags and commands. Feature gates are for few, and come last.
func TestCommandHelp(t *testing.T) {
	printed, code := call(t, "--help")
	require.Zero(t, code, printed)
	gates := strings.Index(printed, "feature-gates")
	require.Positive(t, gates)
	for _, word := range []string{"penstock --config profile:standalone", "--config location", "--set key=value", "--version", "components", "validate"} {
		at := strings.Index(printed, word)
		assert.True(t, 0 <= at && at < gates, "%q is missing or behind the feature gates:\n%s", word, printed)
	}
	assert.Less(t, len(printed), 4000, "the help fits on a screen or two")
}

// The collector's own commands are what they are without ours.
func TestCommandsOfTheCollector(t *testing.T) {
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"--version"}, "penstock version "},
		{[]string{"components"}, "name: kafka_replay"},
		{[]string{"featuregate"}, "Stage"},
		{[]string{"validate", "--config", "profile:standalone"}, ""},
		{[]string{"print-config", "--config", "profile:agent"}, "pii_scrubber"},
	} {
		printed, code := call(t, tt.args...)
		assert.Zero(t, code, printed)
		assert.Contains(t, printed, tt.says, tt.args)
	}
}

// call runs the binary with args to its end.
func call(t *testing.T, args ...string) (printed string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), process.Binary(t), args...)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(out), exit.ExitCode()
	}
	require.NoError(t, err)
	return string(out), 0
}
