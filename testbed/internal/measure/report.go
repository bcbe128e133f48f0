package measure

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Figure is the result of one benchmark in several interleaved runs. Its JSON form is one line of the file that `make figures` collects.
type Figure struct {
	Name   string  `json:"name"` // package and benchmark, such as guard/Pipeline/series=10000
	Unit   string  `json:"unit"`
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	Runs   int     `json:"runs"`
}

// Report reports the median of values, one value a run, as a metric of the benchmark. When the environment variable
// FIGURES names a file, it also appends a Figure to that file. There must be at least one value.
func Report(b *testing.B, values []float64, unit string) {
	b.Helper()
	b.ReportMetric(Median(values), unit)
	path := os.Getenv("FIGURES")
	if path == "" {
		return
	}
	line, err := json.Marshal(Figure{
		Name: benchmarked(b) + "/" + strings.TrimPrefix(b.Name(), "Benchmark"), Unit: unit,
		Median: Median(values), Low: slices.Min(values), High: slices.Max(values), Runs: len(values),
	})
	require.NoError(b, err)
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	require.NoError(b, err)
	_, err = file.Write(append(line, '\n'))
	require.NoError(b, err)
	require.NoError(b, file.Close())
}

// benchmarked returns the folder of the running test, which is its package's: guard for testbed/bench/guard.
func benchmarked(b *testing.B) string {
	folder, err := os.Getwd()
	require.NoError(b, err)
	return folder[strings.LastIndexByte(folder, os.PathSeparator)+1:]
}
