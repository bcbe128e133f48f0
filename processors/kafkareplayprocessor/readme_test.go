package kafkareplayprocessor_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/internal/readmetest"
	kafkareplay "github.com/penstockhq/penstock/processors/kafkareplayprocessor"
)

func TestReadmeExamplesLoad(t *testing.T) {
	assert.Len(t, readmetest.Load(t, "processors", kafkareplay.NewFactory(), nil), 2)
}
