package command

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// gatesFlag is the collector's flag for feature gates. Its default lists all gates, two screens of them.
const gatesFlag = "feature-gates"

// width is the number of characters at which the help text of a flag is wrapped.
const width = 110

// usage prints how to call cmd: examples, commands, its flags, and feature gates last, without their list.
func usage(cmd *cobra.Command) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage:\n  %s\n", cmd.UseLine())
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "  %s <command>\n", cmd.CommandPath())
	}
	if cmd.HasExample() {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
	}
	own, gates := splitFlags(cmd.LocalFlags())
	if own.HasAvailableFlags() {
		fmt.Fprintf(&b, "\nFlags:\n%s", own.FlagUsagesWrapped(width))
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\nCommands:\n")
		table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() || sub.Name() == "help" {
				fmt.Fprintf(table, "  %s\t%s\n", sub.Name(), sub.Short)
			}
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	if inherited := cmd.InheritedFlags(); inherited.HasAvailableFlags() {
		fmt.Fprintf(&b, "\nFlags of every command:\n%s", inherited.FlagUsagesWrapped(width))
	}
	if gates != nil {
		fmt.Fprintf(&b, "\nFeature gates (%s featuregate lists them):\n%s", cmd.Root().Name(), gates.FlagUsagesWrapped(width))
	}
	_, err := fmt.Fprint(cmd.OutOrStderr(), b.String())
	return err
}

// splitFlags separates the flag for feature gates from the others. gates is nil if flags has none.
func splitFlags(flags *pflag.FlagSet) (own, gates *pflag.FlagSet) {
	own = pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.VisitAll(func(f *pflag.Flag) {
		f = plain(f)
		if f.Name != gatesFlag {
			own.AddFlag(f)
			return
		}
		gates = pflag.NewFlagSet("", pflag.ContinueOnError)
		gates.AddFlag(f)
	})
	return own, gates
}

// plain returns f as the help shows it. The collector's flags come from the standard library: they have a value of type
// "value" and print lists as defaults.
func plain(f *pflag.Flag) *pflag.Flag {
	shown := *f
	switch f.Name {
	case configFlag:
		shown.DefValue = ""
		shown.Usage = "`location` of a configuration: profile:standalone, a file, env:NAME or yaml:text. May be repeated; later ones win."
	case "set":
		shown.DefValue = ""
		shown.Usage = "one `key=value` of the configuration, for example processors.memory_limiter.limit_mib=512. May be repeated; wins over --config."
	case gatesFlag:
		shown.DefValue = ""
		shown.Usage = "`list` of gates, separated by commas; a minus before a name switches it off."
	}
	return &shown
}
