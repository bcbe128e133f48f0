package lake

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNamesOfRanges(t *testing.T) {
	const dir = "traces/date=2026-11-29/hour=02/tenant=a"
	for name, want := range map[string]*part{
		"eu.prod.traces-12-00000000000000000007-00000000000000000019-3.parquet":                      {topic: "eu.prod.traces", partition: 12, first: 7, next: 19},
		"eu-1.traces-0-00000000000000000000-18446744073709551615-0.parquet.damaged-20261129T020304Z": {topic: "eu-1.traces", next: 1<<64 - 1},
		"penstock.traces-0-00000000000000000000-00000000000000000006-refilled-0.parquet":             {topic: "penstock.traces", next: 6},
		"eu-g2.traces-3-g17-00000000000000000007-00000000000000000019-0.parquet":                     {topic: "eu-g2.traces", partition: 3, first: 7, next: 19, generation: 17},
		"penstock.traces-0@fill-1-g2-00000000000000000000-00000000000000000006-0.parquet":            {topic: "penstock.traces", next: 6, generation: 2},
		"8a590be68b5fd70bc0c2fd57459091af.parquet":                                                   nil,
		"penstock.traces-0-0-6-0.parquet":                                                            nil,
		"penstock.traces-0-00000000000000000000-00000000000000000006.parquet":                        nil,
	} {
		p, ok := parseName(dir + "/" + name)
		require.Equal(t, want != nil, ok, name)
		assert.Equal(t, "traces", p.signal)
		assert.Equal(t, dir, p.dir)
		if ok {
			assert.Equal(t, *want, part{topic: p.topic, partition: p.partition, first: p.first, next: p.next, generation: p.generation}, name)
			assert.LessOrEqual(t, len(p.job(time.Now())), 40)
		}
	}
}
