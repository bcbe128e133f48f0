package command

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.opentelemetry.io/collector/otelcol"

	"github.com/penstockhq/penstock/internal/command/internal/mistakes"
	"github.com/penstockhq/penstock/internal/command/internal/sources"
)

const (
	validateName = "validate"
	setFlag      = "set"
)

// locations are the sources on the command line, in the form in which the collector passes them to its resolver.
type locations struct {
	defaults      []string
	configs, sets []string
}

func (l *locations) uris() []string {
	if len(l.configs)+len(l.sets) == 0 {
		return l.defaults
	}
	return append(append([]string{}, l.configs...), l.sets...)
}

// record makes the flags of cmd report their values to l. The collector does not export them.
func (l *locations) record(cmd *cobra.Command) {
	if f := cmd.Flags().Lookup(configFlag); f != nil {
		f.Value = reportingValue{f.Value, func(v string) { l.configs = append(l.configs, v) }}
	}
	if f := cmd.Flags().Lookup(setFlag); f != nil {
		f.Value = reportingValue{f.Value, func(v string) {
			key, value, _ := strings.Cut(v, "=")
			l.sets = append(l.sets, "yaml:"+strings.TrimSpace(strings.ReplaceAll(key, ".", "::"))+": "+strings.TrimSpace(value))
		}}
	}
}

// reportingValue is a flag's value that reports what it is set to.
type reportingValue struct {
	pflag.Value
	add func(string)
}

func (v reportingValue) Set(text string) error {
	err := v.Value.Set(text)
	if err == nil {
		v.add(text)
	}
	return err
}

// check makes cmd look for mistakes before its work, and print what was checked if checking is all of its work.
func check(cmd *cobra.Command, set otelcol.CollectorSettings, reader *sources.Reader, given *locations, validate bool) {
	next := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		report, err := mistakes.Find(cmd.Context(), set, reader, given.uris())
		if err != nil {
			return err
		}
		for _, warning := range report.Warnings {
			cmd.PrintErrln("warning:", warning)
		}
		if err := report.Err(); err != nil {
			return err
		}
		if !validate && len(report.Silent) > 0 {
			return errors.New(strings.Join(report.Silent, "; "))
		}
		if err := next(cmd, args); err != nil {
			return report.Explain(err)
		}
		if validate {
			_, err = fmt.Fprintln(cmd.OutOrStdout(), report.Checked)
		}
		return err
	}
}
