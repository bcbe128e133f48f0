package udpdropsextension_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/confmap"

	"github.com/penstockhq/penstock/extensions/udpdropsextension"
	"github.com/penstockhq/penstock/internal/readmetest"
)

func TestReadmeExampleLoads(t *testing.T) {
	assert.Len(t, readmetest.Load(t, "extensions", udpdropsextension.NewFactory(), nil), 1)
	assert.Error(t, confmap.NewFromStringMap(map[string]any{"interval": "1s"}).Unmarshal(udpdropsextension.NewFactory().CreateDefaultConfig()),
		"a key that does nothing is refused")
}
