package adminextension_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/extensions/adminextension"
	"github.com/penstockhq/penstock/internal/readmetest"
)

func TestReadmeExamplesLoad(t *testing.T) {
	assert.Len(t, readmetest.Load(t, "extensions", adminextension.NewFactory(), nil), 2)
}
