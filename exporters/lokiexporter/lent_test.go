package lokiexporter

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/lenttest"
)

// The texts of a batch can share the memory of a request, as those of the journal do. After a push the exporter keeps none of it, neither in streams nor in names.
func TestAPushKeepsNoText(t *testing.T) {
	e := start(t, nil, func(c *Config) {
		c.Labels = append(c.Labels, LabelConfig{Name: "app", Record: []string{"app"}})
	})
	ld, memory := lenttest.Logs()
	require.NoError(t, e.ConsumeLogs(t.Context(), ld))
	lenttest.Forgotten(t, memory)
	runtime.KeepAlive(e)
}
