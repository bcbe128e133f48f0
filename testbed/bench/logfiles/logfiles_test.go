package logfiles

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/measure"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// linesPerRun is how many lines a run reads.
const linesPerRun = 400_000

const pipeline = `
receivers:
  %s
exporters:
  nop:
extensions:
  health_check: {endpoint: "${env:PENSTOCK_HEALTH_ENDPOINT}"}
  file_storage: {directory: "%s"}
service:
  extensions: [health_check, file_storage]
  telemetry:
    logs: {level: warn}
    metrics:
      readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: "${env:PENSTOCK_TELEMETRY_PORT}"}}}}]
  pipelines:
    logs: {receivers: [%s], exporters: [nop]}
`

// upstream is file_log as its README begins; parsed adds what makes records of the kind of line that log_files makes.
const (
	ours     = `log_files: {include: ["%s"], storage: file_storage}`
	upstream = `file_log: {include: ["%s"], start_at: beginning, storage: file_storage, operators: [%s]}`
)

// kind is one kind of line.
type kind struct {
	line      func(i int) string
	operators string // of file_log, to make a comparable record
}

var kinds = map[string]kind{
	"text": {func(i int) string {
		return fmt.Sprintf("2026-11-24 05:00:00,%03d INFO [worker-%d] com.example.kitchen.Kettle - order %d of customer %d was boiled and poured after %d ms of waiting for water", i%1000, i%16, i, i*7919%100000, i%977)
	}, `{type: regex_parser, regex: '^(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) (?P<level>\w+)', timestamp: {parse_from: attributes.time, layout: '%Y-%m-%d %H:%M:%S,%L'}, severity: {parse_from: attributes.level}}`},
	"json": {func(i int) string {
		return fmt.Sprintf(`{"time":"2026-11-24T05:00:00.%03dZ","level":"info","msg":"an order was boiled and poured","order":%d,"customer":%d,"worker":"worker-%d","wait_ms":%d}`, i%1000, i, i*7919%100000, i%16, i%977)
	}, `{type: json_parser, timestamp: {parse_from: attributes.time, layout_type: gotime, layout: '2006-01-02T15:04:05.999Z07:00'}, severity: {parse_from: attributes.level}}, {type: move, from: attributes.msg, to: body}`},
}

// BenchmarkReaders reads the same lines with log_files, with file_log that passes lines as they are, and with file_log that parses them.
// The ratios are lines for a second of CPU: above 1, log_files reads more.
func BenchmarkReaders(b *testing.B) {
	for name, k := range kinds {
		b.Run(name, func(b *testing.B) {
			var text bytes.Buffer
			for i := range linesPerRun {
				text.WriteString(k.line(i))
				text.WriteByte('\n')
			}
			var mine, overPlain, overParsed []float64
			for b.Loop() {
				own := spend(b, text.Bytes(), ours, "log_files")
				plain := spend(b, text.Bytes(), strings.Replace(upstream, "[%s]", "[]", 1), "file_log")
				parsed := spend(b, text.Bytes(), strings.Replace(upstream, "[%s]", "["+strings.ReplaceAll(k.operators, "%", "%%")+"]", 1), "file_log")
				mine = append(mine, own.Seconds()*1e9/linesPerRun)
				overPlain = append(overPlain, plain.Seconds()/own.Seconds())
				overParsed = append(overParsed, parsed.Seconds()/own.Seconds())
			}
			measure.Report(b, mine, "cpu-ns/line")
			measure.Report(b, overPlain, "x-plain")
			measure.Report(b, overParsed, "x-parsed")
		})
	}
}

// spend lets a new process read text and returns the CPU that this took.
func spend(b *testing.B, text []byte, receiver, id string) time.Duration {
	b.Helper()
	dir := b.TempDir()
	path := filepath.Join(dir, "pipeline.yaml")
	conf := fmt.Sprintf(pipeline, fmt.Sprintf(receiver, filepath.Join(dir, "*.log")), dir, id)
	require.NoError(b, os.WriteFile(path, []byte(conf), 0o600))
	require.NoError(b, os.WriteFile(filepath.Join(dir, "app.txt"), text, 0o600))
	p := process.Start(b, process.Settings{Configs: []string{path}})
	before := p.CPUSoFar(b)
	require.NoError(b, os.Rename(filepath.Join(dir, "app.txt"), filepath.Join(dir, "app.log")))
	tick := time.NewTicker(time.Second) // each look costs CPU too
	defer tick.Stop()
	for n := 0.0; n < linesPerRun; <-tick.C {
		var err error
		n, err = ask.Metric(p.Telemetry(), "otelcol_receiver_accepted_log_records")
		require.NoError(b, err)
	}
	spent := p.CPUSoFar(b) - before
	p.Terminate(b)
	return spent
}
