package corpus_test

import (
	"testing"

	"github.com/penstockhq/penstock/internal/cputime"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/corpus"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/detect"
)

// BenchmarkDetector measures each detector alone, and all, over lines of telemetry: megabytes per second of CPU.
func BenchmarkDetector(b *testing.B) {
	var lines []string
	size := 0
	for _, c := range corpus.Telemetry(3) {
		for range 20 {
			line := c.Next()
			lines = append(lines, line)
			size += len(line)
		}
	}
	measure := func(name string, set detect.Set) {
		s := detect.New(detect.Options{Detectors: set, Regions: []string{"US", "GB", "DE", "FR", "ES", "IT"}})
		b.Run(name, func(b *testing.B) {
			var spans []detect.Span
			start, n := cputime.Spent(), 0
			for b.Loop() {
				for _, line := range lines {
					spans = s.Scan(spans[:0], "", line)
				}
				n++
			}
			b.ReportMetric(float64(size)*float64(n)/float64(cputime.Spent()-start)*1e3, "MB/cpu-s")
		})
	}
	measure("all", detect.Precise)
	for _, name := range detect.Names() {
		k, _ := detect.KindOf(name)
		measure(name, detect.Set(0).With(k))
	}
}
