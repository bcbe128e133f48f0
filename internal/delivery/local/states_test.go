package local_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/delivery/deliverytest"
	"github.com/penstockhq/penstock/internal/delivery/local"
)

func TestTheLocalPartitionLivesFromOpenToShutdown(t *testing.T) {
	l := local.NewStates(component.MustNewID("adder"), func(*delivery.Session) *deliverytest.Adder { return deliverytest.NewAdder() })
	require.NoError(t, l.Shutdown(t.Context()))
	owner := local.Owner{ID: component.MustNewID("adder"), InstanceID: "here"}
	require.NoError(t, l.Open(t.Context(), componenttest.NewNopHost(), owner, local.Settings{Failed: func(local.Failure, error) {}}))
	a, journal, err := l.Of(context.Background())
	require.NoError(t, err)
	assert.False(t, journal)
	require.NoError(t, l.Shutdown(t.Context()))
	assert.Equal(t, 1, a.Closed)
	l.Each(func(*deliverytest.Adder) { t.Error("listed after its session") })
}
