//go:build !windows

package program

import "go.opentelemetry.io/collector/otelcol"

// Run calls interactive.
func Run(_ otelcol.CollectorSettings, interactive func() error) error {
	return interactive()
}
