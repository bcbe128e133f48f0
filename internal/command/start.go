package command

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/collector/otelcol"
)

// startGrace is how long a collector may continue to start after a signal to stop. A start that takes longer, for example because it reads a
// write-ahead log, is cut off.
const startGrace = time.Second

// newStart returns the RunE that starts the collector with the configuration in given, and stops it at SIGINT or SIGTERM.
//
// It replaces otelcol's, which listens for signals only after the health check has answered that everything is ready, so that a SIGTERM before that
// kills the process instead of stopping it.
func newStart(set otelcol.CollectorSettings, given *locations) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		set.ConfigProviderSettings.ResolverSettings.URIs = given.uris()
		if set.ConfigProviderSettings.ResolverSettings.DefaultScheme == "" {
			set.ConfigProviderSettings.ResolverSettings.DefaultScheme = "env" // like otelcol
		}
		set.DisableGracefulShutdown = true // this package handles signals
		collector, err := otelcol.NewCollector(set)
		if err != nil {
			return err
		}
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
		defer signal.Stop(signals)
		ended := make(chan struct{})
		defer close(ended)
		go shutdownAt(signals, collector, ended)
		return collector.Run(cmd.Context())
	}
}

// shutdownAt shuts collector down when a signal arrives. A signal during the start ends the process as if it were not handled, unless the start
// completes within startGrace. It returns when ended is closed.
func shutdownAt(signals <-chan os.Signal, collector *otelcol.Collector, ended <-chan struct{}) {
	var received os.Signal
	var late <-chan time.Time
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for collector.GetState() == otelcol.StateStarting {
		select {
		case <-ended:
			return
		case received = <-signals:
			if late == nil {
				late = time.After(startGrace)
			}
		case <-late:
			die(received)
			return
		case <-tick.C:
		}
	}
	if received == nil {
		select {
		case <-ended:
			return
		case <-signals:
		}
	}
	collector.Shutdown()
}

// die ends the process by the signal's default action, so that a supervisor sees the cause.
func die(received os.Signal) {
	signal.Reset(received)
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Signal(received)
	}
	if err != nil {
		os.Exit(1) // Windows sends no signals
	}
}
