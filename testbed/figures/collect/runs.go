package main

import "strings"

// run is the benchmarks of one package.
type run struct {
	folder string   // in the repository
	bench  string   // which, as go test -bench takes it
	time   string   // how long each, as -benchtime takes it: 5x is five pairs where the benchmark itself alternates
	needs  []string // arguments of make for what must be there first
	tags   string   // of the build
	// Of benchmarks beside the code, which may not import measure, the printed output counts. They run several times in turn.
	rounds int
	units  []string // those that the report keeps
	ours   string   // the element of the name that is compared with its siblings: see figures.Rounds
}

const (
	binary = "build"
	kafka  = "kafka"
)

var runs = []run{
	{folder: "testbed/bench/asking", bench: ".", time: "5x", needs: []string{binary}},
	{folder: "testbed/bench/guard", bench: "Pipeline", time: "5x"},
	{folder: "testbed/bench/guard", bench: "StreamKey", time: "9x"},
	{folder: "testbed/bench/journal", bench: "Write|Clients|CPU", time: "5x", needs: []string{binary, kafka}},
	{folder: "testbed/bench/journal", bench: "Checkpoint", time: "3x"},
	{folder: "testbed/bench/lake", bench: ".", time: "5x", needs: []string{binary}},
	{folder: "testbed/bench/ledger", bench: ".", time: "7x", needs: []string{binary}},
	{folder: "testbed/bench/logfiles", bench: ".", time: "5x", needs: []string{binary}},
	{folder: "testbed/bench/logstores", bench: ".", time: "1x", needs: []string{binary, "-C testbed/backends victorialogs loki"}, tags: "full"},
	{folder: "testbed/bench/loki", bench: ".", time: "1x", needs: []string{binary, "-C testbed/backends loki"}, tags: "full"},
	{folder: "testbed/bench/pii", bench: "Lines|Record", time: "9x"},
	{folder: "testbed/bench/quota", bench: ".", time: "9x", needs: []string{binary}},
	{folder: "testbed/bench/remotewrite", bench: ".", time: "5x"},
	{folder: "testbed/bench/replay", bench: ".", time: "7x"},
	{folder: "testbed/bench/rollup", bench: "Against", time: "5x"},
	{folder: "testbed/bench/rollup", bench: "Linear|Bytes", time: "1x"},
	{folder: "testbed/bench/sidebyside", bench: ".", time: "3x", needs: []string{binary, "-C testbed/backends otelcol"}},

	{folder: "exporters/parquetexporter/internal/rows", bench: "LongLogs|SameColumns", time: "2x", rounds: 5, units: []string{"us/row", "rows/cpu-s", "B/row"}},
	{folder: "exporters/parquetexporter/internal/rows", bench: "^Benchmark(Logs|Traces|Metrics)$", time: "2x", rounds: 5, units: []string{"rows/cpu-s", "B/row"}, ours: "parquet"},
	{folder: "extensions/apikeyauthextension", bench: "Authenticate", time: "1s", rounds: 5, units: []string{"cpu-ns/op"}},
	{folder: "extensions/embeddedkafkaextension/internal/broker", bench: "Produce/writers=(16|256)", time: "30000x", rounds: 5, units: []string{"MB/s", "cpu-µs/op", "p99-µs"}, ours: "penstock"},
	{folder: "extensions/embeddedlogsextension/internal/store", bench: "AddLogs", time: "1x", rounds: 5, units: []string{"cpu-ns/row", "B/row"}},
	{folder: "extensions/lakeextension/internal/keeper", bench: "Merge", time: "2x", rounds: 5, units: []string{"cpu-ns/row"}},
	{folder: "extensions/nestinglimitextension/internal/cost", bench: "Request", time: "1s", rounds: 5, units: []string{"cpu-ns/op"}, ours: "look"},
	{folder: "extensions/queuestorageextension", bench: "Queue", time: "1s", rounds: 5, units: []string{"cpu-ns/op", "allocs/op"}, ours: "queue_storage"},
	{folder: "extensions/quotaextension", bench: "Request", time: "1s", rounds: 5, units: []string{"cpu-ns/op"}},
	{folder: "internal/command/internal/tapped", bench: "Closed", time: "1s", rounds: 5, units: []string{"cpu-ns/op"}},
	{folder: "internal/journal", bench: "Records", time: "1s", rounds: 5, units: []string{"cpu-ns/op"}},
	{folder: "internal/tap", bench: "Closed", time: "1s", rounds: 5, units: []string{"cpu-ns/op"}},
	{folder: "processors/cardinalityguardprocessor", bench: "Admitted|Folded", time: "1s", rounds: 5, units: []string{"cpu-ns/point"}},
	{folder: "processors/piiscrubberprocessor/internal/corpus", bench: "Detector", time: "1s", rounds: 5, units: []string{"MB/cpu-s"}},
	{folder: "processors/windowrollupprocessor", bench: "Close", time: "2x", rounds: 5, units: []string{"close-cpu-ns/stream", "save-cpu-ns/stream", "send-cpu-ns/stream", "saved-B/stream"}},
	{folder: "receivers/statsdserverreceiver/internal/aggregate", bench: "Add", time: "1s", rounds: 5, units: []string{"cpu-ns/op"}},
	{folder: "receivers/syslogserverreceiver/internal/message", bench: "Parse", time: "1s", rounds: 5, units: []string{"cpu-ns/op"}},
}

// chosen returns the runs whose folder contains one of the names: bench/lake, piiscrubber; all of them if there is no name.
func chosen(names []string) []run {
	if len(names) == 0 {
		return runs
	}
	var some []run
	for _, r := range runs {
		for _, name := range names {
			if strings.Contains(r.folder, strings.Trim(name, "/")) {
				some = append(some, r)
				break
			}
		}
	}
	return some
}

// module is the folder of the Go module that a folder belongs to.
func (r run) module() string {
	for _, module := range []string{"testbed", "internal/command"} {
		if strings.HasPrefix(r.folder, module+"/") {
			return module
		}
	}
	return "."
}
