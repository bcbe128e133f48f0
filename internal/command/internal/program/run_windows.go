//go:build windows

package program

import (
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/otelcol"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
)

// Run runs the collector of set where Windows starts the process as a service, and answers the service control manager; otherwise it
// calls interactive.
func Run(set otelcol.CollectorSettings, interactive func() error) error {
	// The name may be empty: a service with its own process has only one.
	err := svc.Run("", otelcol.NewSvcHandler(set))
	if errors.Is(err, windows.ERROR_FAILED_SERVICE_CONTROLLER_CONNECT) {
		return interactive() // not started as a service
	}
	if err != nil {
		return fmt.Errorf("start as a Windows service: %w", err)
	}
	return nil
}
