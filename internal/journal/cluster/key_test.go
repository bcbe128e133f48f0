package cluster_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/journal/cluster"
)

func ownKey(b byte) []byte { return bytes.Repeat([]byte{b}, cluster.MinKey) }

// Gateways that begin at once agree on one key, and later ones get it whatever they bring.
func TestGatewaysAgreeOnOneKey(t *testing.T) {
	config, c := kafka(t)
	_, _, err := cluster.Ensure(t.Context(), c, "p", journal.Metrics, topics())
	require.NoError(t, err)
	none, err := cluster.Key(t.Context(), c, "p", nil)
	require.NoError(t, err)
	assert.Nil(t, none, "who only looks records none")

	got := make([][]byte, 8)
	var all errgroup.Group
	for i := range got {
		gateway := client(t, &config)
		all.Go(func() (err error) {
			got[i], err = cluster.Key(t.Context(), gateway, "p", ownKey(byte(i)))
			return err
		})
	}
	require.NoError(t, all.Wait())
	for _, key := range got {
		assert.Equal(t, got[0], key)
	}
	for _, own := range [][]byte{nil, ownKey(99)} {
		again, err := cluster.Key(t.Context(), c, "p", own)
		require.NoError(t, err)
		assert.Equal(t, got[0], again)
	}
	layout, err := cluster.ReadLayout(t.Context(), c, "p", journal.Metrics)
	require.NoError(t, err)
	assert.Equal(t, int32(4), layout.Partitions, "the layout is still there")
}

// A record that holds no key counts for nothing, and a key that is too short is not recorded.
func TestARecordWithoutAKeyIsPassedOver(t *testing.T) {
	_, c := kafka(t)
	_, _, err := cluster.Ensure(t.Context(), c, "p", journal.Logs, topics())
	require.NoError(t, err)
	for _, value := range []string{"", "no JSON", `{"secret":"c2hvcnQ="}`} {
		require.NoError(t, c.ProduceSync(t.Context(), &kgo.Record{Topic: "p.layout", Key: []byte("hash_key"), Value: []byte(value)}).FirstErr())
	}
	_, err = cluster.Key(t.Context(), c, "p", []byte("short"))
	require.ErrorContains(t, err, "a key of 5 bytes is too short")
	key, err := cluster.Key(t.Context(), c, "p", ownKey(7))
	require.NoError(t, err)
	assert.Equal(t, ownKey(7), key)
}

// Before the journal has its topics there is nowhere to record a key.
func TestNoKeyWithoutAJournal(t *testing.T) {
	_, c := kafka(t)
	_, err := cluster.Key(t.Context(), c, "p", ownKey(1))
	require.ErrorContains(t, err, "p.layout")
}
