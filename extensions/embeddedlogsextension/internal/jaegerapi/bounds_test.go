package jaegerapi

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// Milliseconds that are no time of the store are refused like such microseconds: as nanoseconds they would be another time.
func TestTimesBeyondTheStoreAreRefused(t *testing.T) {
	_, err := parseTime(url.Values{"end": {"9000000000001"}}, "end")
	require.ErrorContains(t, err, "unable to parse param 'end'")
	last, err := parseTime(url.Values{"end": {"9000000000000"}}, "end")
	require.NoError(t, err)
	assert.Equal(t, last, time.Unix(0, last.UnixNano()))
}

// One trace alone may have more spans than are looked at.
func TestTheGraphOfServicesIsBounded(t *testing.T) {
	g := newGraph(0)
	g.most = 3
	for i := range 6 {
		require.NoError(t, g.add("one", fmt.Sprint(i%3), "", "shop"))
	}
	require.ErrorAs(t, g.add("one", "3", "", "shop"), new(*store.CostError))
	assert.Len(t, g.of, 3)
}
