package parse_test

import (
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/logvalue"
	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/parse"
)

// BenchmarkRecord measures a line through all detectors; `none` is text that fits none.
func BenchmarkRecord(b *testing.B) {
	for name, line := range map[string]string{
		"none":   "the quick brown fox jumps over the lazy dog, again and again, until the line has about as many bytes as lines of logs have, that is to say 150",
		"log4j":  "2026-11-24 05:00:00,250 ERROR [main] com.example.App - the request failed after a while",
		"access": `192.0.2.1 - alice [24/Nov/2026:06:00:00 +0100] "GET /a/b?c=d HTTP/1.1" 404 2326 "https://ref.example/" "curl/8.0"`,
		"json":   `{"time":"2026-11-24T05:00:01.123456789Z","level":"WARN","msg":"json","user":"u1","n":5,"path":"/a/b","status":200}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			r := plog.NewLogRecord()
			var p parse.Parser
			for b.Loop() {
				p.Record(line, -1, logvalue.Clock{Now: now}, r)
				r.Attributes().Clear()
			}
		})
	}
}
