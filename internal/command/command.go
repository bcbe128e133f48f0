package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/collector/otelcol"

	"github.com/penstockhq/penstock/internal/command/internal/program"
	_ "github.com/penstockhq/penstock/internal/command/internal/quiet" // filters a line that a library logs before main
	"github.com/penstockhq/penstock/internal/command/internal/sources"
	"github.com/penstockhq/penstock/internal/command/internal/tapped"
	"github.com/penstockhq/penstock/internal/umask"
)

// configFlag is the flag of the collector that names a configuration.
const configFlag = "config"

// The collector's own help of print-config names a feature gate that does not exist any more.
const (
	printShort = "Prints the merged configuration, with every default"
	printLong  = `Prints the merged configuration: all files, profiles and --set, with every default. --mode redacted (the default)
hides secrets, --mode unredacted shows them. --format json is not stable between releases.`
)

// start is one way to start, for people who don't know any.
type start struct{ args, does string }

var starts = []start{
	{"--config profile:standalone", "everything on this machine; needs no other service"},
	{"--config profile:agent", "reads this machine's logs and metrics, sends them to a gateway"},
	{"--config profile:gateway", "receives from agents and SDKs, writes to the configured stores"},
	{"--config my-config.yaml", "your own configuration"},
}

// New returns the root command of the distribution: otelcol's, with a message about what to type if the collector needs a configuration and gets
// none, and a help text that begins with the common cases.
//
// Before it starts or validates, it checks the whole configuration and reports mistakes in terms of the user's own files and variables.
func New(set otelcol.CollectorSettings) *cobra.Command {
	given := &locations{defaults: set.ConfigProviderSettings.ResolverSettings.URIs}
	reader := sources.NewReader(given.uris)
	resolver := &set.ConfigProviderSettings.ResolverSettings
	resolver.ProviderFactories = reader.Wrap(resolver.ProviderFactories)
	root := otelcol.NewCommand(set)
	root.Short = set.BuildInfo.Description
	root.Example = examples(root)
	root.Args = noStrangers
	root.SetUsageFunc(usage)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return pointToHelp(cmd, err) })
	given.record(root)
	root.RunE = newStart(set, given)
	check(root, set, reader, given, false)
	for _, cmd := range root.Commands() {
		given.record(cmd)
		switch cmd.Name() {
		case validateName:
			check(cmd, set, reader, given, true)
		case "print-config":
			cmd.Short, cmd.Long = printShort, printLong
		}
	}
	root.AddCommand(newRepairCommand(), newKeysCommand(), newVerifyCommand(), newTapCommand(), newTopCommand())
	for _, cmd := range root.Commands() {
		explainArgs(cmd)
	}
	if len(set.ConfigProviderSettings.ResolverSettings.URIs) == 0 {
		needConfig(root)
		for _, cmd := range root.Commands() {
			if cmd.Flags().Lookup(configFlag) != nil {
				needConfig(cmd)
			}
		}
	}
	return root
}

// Run is the program: it parses and executes the process's arguments, and returns when that is done. Cobra has already printed the returned error.
// If Windows starts the process as a service, Run is the collector.
func Run(set otelcol.CollectorSettings) error {
	umask.Close() // before anything is written, whatever the configuration says
	set.Factories = tapped.Factories(set.Factories)
	return program.Run(set, func() error { return New(set).Execute() })
}

// explainArgs makes cmd and its commands say where their help is if they get other arguments than they take.
func explainArgs(cmd *cobra.Command) {
	if takes := cmd.Args; takes != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := takes(cmd, args); err != nil {
				return pointToHelp(cmd, err)
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		explainArgs(sub)
	}
}

// pointToHelp adds to an error about cmd's flags or arguments where its help is.
func pointToHelp(cmd *cobra.Command, err error) error {
	return fmt.Errorf("%w\n\n%s --help lists its flags and arguments", err, cmd.CommandPath())
}

// needConfig makes cmd say what to type if it is called without a configuration.
func needConfig(cmd *cobra.Command) {
	next := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !cmd.Flags().Changed(configFlag) {
			return fmt.Errorf("no configuration is given. Type one of these:\n\n%s\n\n%s --help lists all flags and commands",
				examples(cmd), cmd.Root().Name())
		}
		return next(cmd, args)
	}
}

// noStrangers refuses arguments of the root command: an argument that isn't a flag is a command that doesn't exist.
func noStrangers(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	similar := ""
	if names := cmd.SuggestionsFor(args[0]); len(names) > 0 {
		similar = " (did you mean " + strings.Join(names, " or ") + "?)"
	}
	return fmt.Errorf("there is no command %q%s. Name a configuration with --config:\n\n%s\n\n%s --help lists all flags and commands",
		args[0], similar, examples(cmd), cmd.Name())
}

// examples lists the ways to start as calls of cmd, in two columns.
func examples(cmd *cobra.Command) string {
	lines := make([]string, len(starts))
	for i, s := range starts {
		lines[i] = fmt.Sprintf("  %s %-27s  %s", cmd.CommandPath(), s.args, s.does)
	}
	return strings.Join(lines, "\n")
}
