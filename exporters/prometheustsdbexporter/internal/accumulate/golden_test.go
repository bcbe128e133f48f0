package accumulate_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/accumulate"
)

// A state written by this release continues from its file as from memory; [TestFormerStates] reads those of earlier releases. A format
// that changes without a new version fails here. PENSTOCK_WRITE_GOLDEN=1 writes the file of a new version.
func TestGoldenState(t *testing.T) {
	whole := accumulate.New(set)
	apply(whole, delta(p{"a", 1, 5}, p{"b", 2, 7}, p{"a", 3, 6}))
	whole.Apply(latency(1, point{count: 3, sum: 2.5, bounds: []float64{1}, counts: []uint64{2, 1}}), batch())
	var b bytes.Buffer
	require.NoError(t, whole.Snapshot(&b))
	current := filepath.Join("testdata", fmt.Sprintf("v%d.state", b.Bytes()[0]))
	if os.Getenv("PENSTOCK_WRITE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(current, b.Bytes(), 0o600))
	}
	raw, err := os.ReadFile(current)
	require.NoError(t, err, "a new version of the format has a file")
	restored := accumulate.New(set)
	require.NoError(t, restored.Restore(bytes.NewReader(raw)))
	restored.Adopt()
	var results [][]string
	var counts []uint64
	for _, s := range []*accumulate.State{whole, restored} {
		got, why := apply(s, delta(p{"a", 2, 1}, p{"a", 4, 1}, p{"b", 3, 1}, p{"a", 1, 5}))
		md := latency(2, point{count: 3, sum: 2.5, bounds: []float64{1}, counts: []uint64{2, 1}})
		s.Apply(md, batch())
		counts = append(counts, histograms(md).At(0).Count())
		results = append(results, append(got, fmt.Sprint(why)))
	}
	assert.Equal(t, results[0], results[1])
	assert.EqualValues(t, []uint64{6, 6}, counts)
}
