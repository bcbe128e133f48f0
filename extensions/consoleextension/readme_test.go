package consoleextension_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/extensions/consoleextension"
	"github.com/penstockhq/penstock/internal/readmetest"
)

func TestReadmeExamplesLoad(t *testing.T) {
	assert.Len(t, readmetest.Load(t, "extensions", consoleextension.NewFactory(), nil), 1)
}
