//go:build !windows

package command

import "go.opentelemetry.io/collector/otelcol"

// Run is the program: it reads the arguments of the process, does what they say, and returns when that is done. Cobra
// has printed the error that it returns.
func Run(set otelcol.CollectorSettings) error {
	return runInteractive(set)
}
