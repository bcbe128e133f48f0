package lokiexporter

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/pushrequest"
)

// Attributes of one name get names of their own, in an entry and in its scope. A hostile client can send thousands of them: if the search for a free name began anew
// for each, this would take minutes.
func TestManyAttributesOfOneName(t *testing.T) {
	const n = 30_000
	cfg := createDefaultConfig().(*Config)
	cfg.Limits.MetadataPairs, cfg.Limits.MetadataBytes = 2*n, 100*n
	tr := newTranslator(cfg, newPolicy(cfg), nil)
	tr.reset(time.Now())
	for range 2 {
		tr.sharedVersion++
		tr.generation++
		tr.body, tr.pairs, tr.bytes, tr.shared = nil, 0, 0, tr.shared[:0]
		for range n {
			tr.share("a.b", "v")
			tr.put("a_b", "v")
		}
		last := fmt.Sprint("a_b_", n)
		assert.Equal(t, last, tr.shared[n-1].name.text)
		assert.Equal(t, n, tr.pairs)
		assert.Contains(t, string(tr.body), string(pushrequest.AppendPair(nil, last, "v")))
	}
}
