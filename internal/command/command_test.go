package command_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/otelcol"

	"github.com/penstockhq/penstock/internal/command"
	"github.com/penstockhq/penstock/providers/profileprovider"
)

// call runs the command line `penstock args...` with a collector that has profiles and no component, and returns all it prints.
func call(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return callWith(t, otelcol.CollectorSettings{}, args...)
}

func callWith(t *testing.T, set otelcol.CollectorSettings, args ...string) (string, error) {
	t.Helper()
	set.BuildInfo = component.BuildInfo{Command: "penstock", Description: "a collector", Version: "1.2.3"}
	set.Factories = func() (otelcol.Factories, error) { return otelcol.Factories{}, nil }
	set.ConfigProviderSettings.ResolverSettings.ProviderFactories = []confmap.ProviderFactory{profileprovider.NewFactory(), envprovider.NewFactory()}
	cmd := command.New(set)
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(append([]string{}, args...))
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestWithoutConfigurationItSaysWhatToType(t *testing.T) {
	for _, tt := range []struct {
		args []string
		says string
	}{
		{nil, "penstock --config profile:standalone"},
		{[]string{"--set", "service.telemetry.logs.level=debug"}, "penstock --config profile:standalone"},
		{[]string{"validate"}, "penstock validate --config profile:standalone"},
		{[]string{"print-config"}, "penstock print-config --config profile:standalone"},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			printed, err := call(t, tt.args...)
			require.Error(t, err)
			assert.Contains(t, printed, tt.says)
			assert.Contains(t, printed, "penstock --help")
			assert.NotContains(t, printed, "config flag must be provided", "the collector's own error says nothing that helps")
			assert.NotContains(t, printed, "feature-gates")
		})
	}
}

// A distribution can have its own configuration that --config replaces.
func TestADefaultConfigurationIsEnough(t *testing.T) {
	var set otelcol.CollectorSettings
	set.ConfigProviderSettings.ResolverSettings.URIs = []string{"profile:bogus"}
	printed, err := callWith(t, set)
	require.Error(t, err)
	assert.Contains(t, printed, `there is no profile "bogus"`)
}

// The examples are profiles that exist.
func TestExamplesExist(t *testing.T) {
	printed, _ := call(t)
	profiles := profileprovider.NewFactory().Create(confmap.ProviderSettings{})
	found := 0
	for word := range strings.FieldsSeq(printed) {
		if strings.HasPrefix(word, "profile:") {
			_, err := profiles.Retrieve(context.Background(), word, nil)
			if err != nil { // a gateway has nowhere to write to until a variable is set
				assert.NotContains(t, err.Error(), "no profile")
			}
			found++
		}
	}
	assert.Equal(t, 3, found)
}

func TestAConfigurationReachesTheCollector(t *testing.T) {
	printed, err := call(t, "--config", "profile:bogus")
	require.Error(t, err)
	assert.Contains(t, printed, `there is no profile "bogus"`)
	assert.NotContains(t, printed, "Type one of these")
}

func TestAWordThatIsNoCommand(t *testing.T) {
	for _, tt := range []struct{ word, says string }{
		{"profile:standalone", "Name a configuration with --config"},
		{"standalone", "penstock --config profile:standalone"},
		{"component", "did you mean components?"},
	} {
		printed, err := call(t, tt.word)
		require.Error(t, err)
		assert.Contains(t, printed, `there is no command "`+tt.word+`"`)
		assert.Contains(t, printed, tt.says)
	}
}

func TestMistakesInFlagsAndArgumentsPointToTheHelp(t *testing.T) {
	for help, args := range map[string][]string{
		"penstock --help":              {"--nonsense"},
		"penstock validate --help":     {"validate", "extra"},
		"penstock print-config --help": {"print-config", "--nonsense"},
		"penstock keys --help":         {"keys", "nonsense"},
		"penstock top --help":          {"top", "extra"},
	} {
		printed, err := call(t, args...)
		require.Error(t, err)
		assert.Contains(t, printed, help, args)
	}
}

// The collector's own help names a gate that is on by default.
func TestTheHelpOfPrintConfigNamesNoGate(t *testing.T) {
	printed, err := call(t, "print-config", "--help")
	require.NoError(t, err)
	assert.NotContains(t, printed, "otelcol.printInitialConfig")
}

func TestHelpBeginsWithWhatPeopleLookFor(t *testing.T) {
	printed, err := call(t, "--help")
	require.NoError(t, err)
	last := -1
	for _, part := range []string{
		"a collector", "Usage:", "Examples:", "penstock --config profile:standalone", "Flags:", "--config location", "--set key=value",
		"Commands:", "components", "featuregate", "print-config", "repair", "validate", "Feature gates", "--feature-gates list",
	} {
		at := strings.Index(printed, part)
		require.Greater(t, at, last, "%q must follow what is before it in:\n%s", part, printed)
		last = at
	}
	assert.NotContains(t, printed, "confmap.", "no list of gates")
	for line := range strings.Lines(printed) {
		assert.LessOrEqual(t, len(line), 120, line)
	}
}

func TestHelpOfACommand(t *testing.T) {
	printed, err := call(t, "validate", "--help")
	require.NoError(t, err)
	assert.Contains(t, printed, "penstock validate [flags]")
	assert.Less(t, strings.Index(printed, "--config location"), strings.Index(printed, "Feature gates"))
}

func TestTheCollectorsCommandsStay(t *testing.T) {
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"--version"}, "penstock version 1.2.3"},
		{[]string{"components"}, "scheme: profile"},
	} {
		printed, err := call(t, tt.args...)
		require.NoError(t, err, tt.args)
		assert.Contains(t, printed, tt.says)
	}
	for _, args := range [][]string{{"validate", "--config", "profile:bogus"}, {"print-config", "--config", "profile:bogus"}} {
		printed, err := call(t, args...)
		require.Error(t, err)
		assert.Contains(t, printed, `there is no profile "bogus"`, args)
	}
}
