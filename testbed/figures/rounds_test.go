package figures_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/figures"
	"github.com/penstockhq/penstock/testbed/internal/measure"
)

func TestRoundsHaveMediansAndRatiosOfTheSameRound(t *testing.T) {
	r := figures.Rounds{Package: "extensions/kafka", Units: []string{"MB/s"}, Ours: "ours"}
	r.Add("goos: linux\nBenchmarkProduce/writers=16/theirs-2 \t 30000\t 5000 ns/op\t  10.00 MB/s\t 3 p99-µs\nBenchmarkProduce/writers=16/ours-2\t 30000\t 2000 ns/op\t  30.00 MB/s\nPASS\n")
	r.Add("BenchmarkProduce/writers=16/theirs-2 \t 30000\t 5000 ns/op\t  20.00 MB/s\nBenchmarkProduce/writers=16/ours-2\t 30000\t 2000 ns/op\t  40.00 MB/s\n")
	r.Add("BenchmarkProduce/writers=16/theirs \t 30000\t 5000 ns/op\t  8.00 MB/s\nBenchmarkProduce/writers=16/ours\t 30000\t 2000 ns/op\t  40.00 MB/s\n")
	require.ElementsMatch(t, []measure.Figure{
		{Name: "extensions/kafka/Produce/writers=16/ours", Unit: "MB/s", Median: 40, Low: 30, High: 40, Runs: 3},
		{Name: "extensions/kafka/Produce/writers=16/theirs", Unit: "MB/s", Median: 10, Low: 8, High: 20, Runs: 3},
		{Name: "extensions/kafka/Produce/writers=16/ours:theirs", Unit: "x-MB/s", Median: 3, Low: 2, High: 5, Runs: 3},
	}, r.Figures())
}

func TestRoundsCompareAnElementInTheMiddle(t *testing.T) {
	r := figures.Rounds{Package: "p", Units: []string{"ns/op"}, Ours: "queue"}
	r.Add("BenchmarkQueue/file/fsync-2\t 1\t 4 ns/op\nBenchmarkQueue/file/nosync-2\t 1\t 2 ns/op\nBenchmarkQueue/queue/nosync-2\t 1\t 3 ns/op\n")
	require.Contains(t, r.Figures(), measure.Figure{Name: "p/Queue/queue:file/nosync", Unit: "x-ns/op", Median: 1.5, Low: 1.5, High: 1.5, Runs: 1})
	require.Len(t, r.Figures(), 4)
}
