package command_test

import (
	"context"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/collector/service/telemetry"

	"github.com/penstockhq/penstock/internal/command"
)

// ready is an extension that is notified when everything is ready, like a health check.
type ready struct {
	atReady func() error
	shut    bool
}

func (r *ready) Start(context.Context, component.Host) error { return nil }
func (r *ready) Ready() error                                { return r.atReady() }
func (r *ready) NotReady() error                             { return nil }
func (r *ready) Shutdown(context.Context) error              { r.shut = true; return nil }

// A supervisor that sees a healthy collector may end it at once.
func TestASignalAtTheMomentOfHealthShutsDown(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(s.String(), func(t *testing.T) {
			self, err := os.FindProcess(os.Getpid())
			require.NoError(t, err)
			health := &ready{atReady: func() error { return self.Signal(s) }}
			kind, nop := component.MustNewType("ready"), component.MustNewType("nop")
			set := otelcol.CollectorSettings{
				BuildInfo: component.BuildInfo{Command: "penstock"},
				Factories: func() (otelcol.Factories, error) {
					return otelcol.Factories{
						Telemetry: telemetry.NewFactory(func() component.Config { return &struct{}{} }),
						Receivers: map[component.Type]receiver.Factory{nop: receivertest.NewNopFactory()},
						Exporters: map[component.Type]exporter.Factory{nop: exportertest.NewNopFactory()},
						Extensions: map[component.Type]extension.Factory{kind: extension.NewFactory(kind, func() component.Config { return &struct{}{} },
							func(context.Context, extension.Settings, component.Config) (extension.Extension, error) {
								return health, nil
							},
							component.StabilityLevelStable)},
					}, nil
				},
			}
			set.ConfigProviderSettings.ResolverSettings.ProviderFactories = []confmap.ProviderFactory{yamlprovider.NewFactory(), envprovider.NewFactory()}
			cmd := command.New(set)
			cmd.SetArgs([]string{"--config", "yaml:{extensions: {ready: {}}, receivers: {nop: {}}, exporters: {nop: {}}, service: {extensions: [ready], pipelines: {logs: {receivers: [nop], exporters: [nop]}}}}"})
			require.NoError(t, cmd.ExecuteContext(t.Context()))
			assert.True(t, health.shut)
		})
	}
}
