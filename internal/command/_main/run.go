package main

import (
	"go.opentelemetry.io/collector/otelcol"

	"github.com/penstockhq/penstock/internal/command"
)

// run replaces the one that ocb generates in main_others.go and main_windows.go: `make build` copies this file.
func run(params otelcol.CollectorSettings) error {
	return command.Run(params)
}
