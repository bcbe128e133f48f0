//go:build windows

package command

import (
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/otelcol"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
)

// Run is the program. When Windows starts it as a service it answers the service control manager; otherwise it reads the
// arguments of the process, does what they say, and returns when that is done.
func Run(set otelcol.CollectorSettings) error {
	// The name may be empty: a service of a process of its own has only one.
	err := svc.Run("", otelcol.NewSvcHandler(set))
	if errors.Is(err, windows.ERROR_FAILED_SERVICE_CONTROLLER_CONNECT) {
		return runInteractive(set) // not started as a service
	}
	if err != nil {
		return fmt.Errorf("start as a Windows service: %w", err)
	}
	return nil
}
