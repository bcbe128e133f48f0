package parquetexporter_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/penstockhq/penstock/exporters/parquetexporter"
)

// keeperHost has an extension that keeps one lake.
type keeperHost struct {
	component.Host
	root string
}

func (h keeperHost) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{component.MustNewID("other"): nil, component.MustNewID("lake"): h}
}
func (keeperHost) Start(context.Context, component.Host) error { return nil }
func (keeperHost) Shutdown(context.Context) error              { return nil }
func (h keeperHost) KeepsLake(root string) bool                { return root == h.root }

// A lake that no extension keeps is never merged, and retention is off: the exporter says so at the start.
func TestALakeThatNobodyKeeps(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		host component.Host
		want int
	}{
		"no lake extension":        {componenttest.NewNopHost(), 1},
		"one that keeps another":   {keeperHost{componenttest.NewNopHost(), "/other"}, 1},
		"one that keeps this lake": {keeperHost{componenttest.NewNopHost(), dir}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := parquetexporter.NewFactory()
			config := f.CreateDefaultConfig().(*parquetexporter.Config)
			config.URL = dir
			set := exportertest.NewNopSettings(f.Type())
			core, logs := observer.New(zap.WarnLevel)
			set.Logger = zap.New(core)
			e, err := f.CreateLogs(t.Context(), set, config)
			require.NoError(t, err)
			require.NoError(t, e.Start(t.Context(), c.host))
			require.NoError(t, e.Shutdown(t.Context()))
			assert.Len(t, logs.FilterMessageSnippet("No lake extension of this process keeps the lake").All(), c.want)
		})
	}
}
