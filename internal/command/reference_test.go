package command_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/otelcol"

	"github.com/penstockhq/penstock/internal/command"
)

const referencePage = "../../docs/reference.md"

// TestTheReferenceIsWhatIsDeclared makes docs/reference.md out of the commands and of what every component's metadata declares, and
// compares. PENSTOCK_WRITE_GOLDEN=1 writes the page.
func TestTheReferenceIsWhatIsDeclared(t *testing.T) {
	page := "# Reference\n\n`make generate` writes this page from what the code declares, and a test compares.\n" +
		"[The profiles](../providers/profileprovider/README.md) list the environment variables; [admin](../extensions/adminextension/README.md) says what a route needs.\n\n" +
		commands() + metrics(t)
	if os.Getenv("PENSTOCK_WRITE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(referencePage, []byte(page), 0o644))
	}
	written, err := os.ReadFile(referencePage)
	require.NoError(t, err)
	require.Equal(t, page, string(written), "make generate writes it")
}

// commands describes each command with its own flags.
func commands() string {
	var out strings.Builder
	out.WriteString("## Commands\n\n| Command | Does | Flags of its own |\n|---|---|---|\n")
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Hidden {
			return
		}
		if cmd.Runnable() {
			var flags []string
			cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { flags = append(flags, "`--"+f.Name+"`") })
			fmt.Fprintf(&out, "| `%s` | %s | %s |\n", cmd.CommandPath(), oneLine(cmd.Short), strings.Join(flags, " "))
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(command.New(otelcol.CollectorSettings{BuildInfo: component.BuildInfo{Command: "penstock", Description: "starts the collector"}}))
	return out.String()
}

var (
	documented = regexp.MustCompile(`(?m)^### (otelcol_\S+)\n\n(.+)\n\n\|.*\n\|.*\n\| (\S+) \| (\S+) \|`)
	reasons    = regexp.MustCompile(`(?m)^\| reason \|.*\| Str: (.*?) \|`)
)

// metrics lists the metrics that the documentation of each component has, which mdatagen writes.
func metrics(t *testing.T) string {
	t.Helper()
	paths, err := filepath.Glob("../../*/*/documentation.md")
	require.NoError(t, err)
	var lines []string
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		folder := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../../")
		found := documented.FindAllStringSubmatchIndex(string(text), -1)
		for i, at := range found {
			end := len(text)
			if i+1 < len(found) {
				end = found[i+1][0]
			}
			field := func(n int) string { return string(text[at[2*n]:at[2*n+1]]) }
			why := ""
			if r := reasons.FindStringSubmatch(string(text[at[0]:end])); r != nil {
				why = strings.ReplaceAll(r[1], "``", "`")
			}
			lines = append(lines, fmt.Sprintf("| `%s` | %s | %s | %s | %s | [%s](../%s/documentation.md) |",
				field(1), field(4), strings.Trim(field(3), "{}"), oneLine(field(2)), why, filepath.Base(folder), folder))
		}
	}
	require.Greater(t, len(lines), 100, "the components are not where this test looks for them")
	slices.Sort(lines)
	return "\n## Metrics of the collector itself\n\nAs `http://127.0.0.1:8888/metrics` names them.\n\n" +
		"| Metric | Kind | Unit | What | Reasons | Component |\n|---|---|---|---|---|---|\n" + strings.Join(lines, "\n") + "\n"
}

func oneLine(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}
