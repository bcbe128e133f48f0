package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/objects"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// A reader knows only the catalog's address. It prints, by service and batch of records, rows and different records; then the parts of the table.
const tableScript = `
import sys, json, collections
from pyiceberg.catalog import load_catalog
catalog = load_catalog("lake", type="rest", uri=sys.argv[1])
if ("lake", "logs") not in catalog.list_tables("lake"):
    print(json.dumps({"rows": [], "files": []}))
    sys.exit()
table = catalog.load_table("lake.logs")
found = table.scan(row_filter="service_name >= 'load' and time > '2020-01-01T00:00:00+00:00'", selected_fields=("service_name", "body")).to_arrow().to_pylist()
rows = collections.defaultdict(list)
for r in found:
    if r["body"].startswith("id "):
        rows[r["service_name"], int(r["body"][3:]) // 10].append(r["body"])
files = {table.metadata_location} | {m.metadata_file for m in table.metadata.metadata_log}
for s in table.metadata.snapshots:
    files.add(s.manifest_list)
    files |= {m.manifest_path for m in s.manifests(table.io)}
print(json.dumps({"rows": [[s, b, len(r), len(set(r))] for (s, b), r in rows.items()], "files": sorted(files)}))
`

type tableAnswer struct {
	Rows  [][]any
	Files []string
}

func askTable(t *testing.T, p *process.Process, env []string) (a tableAnswer, err error) {
	t.Helper()
	cmd := exec.Command(ask.Python(t), "-W", "ignore", "-c", tableScript, "http://"+p.Admin()+"/iceberg")
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := err.(*exec.ExitError); ok {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return a, err
	}
	return a, json.Unmarshal(out, &a)
}

// The gateway is killed while it writes files and commits them; the table has each acknowledged record once, and its directory has what the table needs.
func TestTheTableHasEachRowOnce(t *testing.T) {
	t.Run("on disk", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		killWithTable(t, map[string]string{"PENSTOCK_LAKE_URL": dir}, nil, func() (names []string) {
			entries, err := os.ReadDir(dir + "/_iceberg/logs/metadata")
			require.NoError(t, err)
			for _, e := range entries {
				names = append(names, "file://"+dir+"/_iceberg/logs/metadata/"+e.Name())
			}
			return names
		})
	})
	t.Run("in an object store", func(t *testing.T) {
		t.Parallel()
		store := objects.Start(t, 3)
		store.Faults(0.1)
		killWithTable(t, store.Env(), []string{"AWS_ACCESS_KEY_ID=key", "AWS_SECRET_ACCESS_KEY=secret"}, func() (names []string) {
			store.Faults(0)
			for _, name := range store.Names(t, "_iceberg/logs/") {
				names = append(names, "s3://"+objects.Bucket+"/some/lake/"+name)
			}
			return names
		})
	})
}

func killWithTable(t *testing.T, env map[string]string, readerEnv []string, names func() []string) {
	p := process.New(t, process.Settings{Env: env, Args: []string{
		"--set=receivers::kafka_replay/lake::follow::range::max_wait=50ms", "--set=extensions::lake::tables::every=1s", "--set=extensions::lake::tables::sweep=2s", "--set=extensions::lake::lease=3s",
		"--set=exporters::parquet::retry_on_failure::initial_interval=50ms", "--set=exporters::parquet::retry_on_failure::max_interval=200ms",
	}})
	p.Begin(t)
	p.AwaitHealthy(t)
	var loads []*send.Load
	for i := range 2 {
		load := send.StartLoadOf(fmt.Sprint("load", i), p.HTTP(), 2, 10)
		load.Await(t, 300)
		ask.Eventually(t, func() error { // the committer is at work
			n, err := ask.Metric(p.Telemetry(), "otelcol_extension_lake_table_commits", "logs")
			if err == nil && n < 2 {
				err = fmt.Errorf("%v commits", n)
			}
			return err
		})
		p.Kill()
		load.Stop()
		loads = append(loads, load)
		p.Restart(t)
	}
	var answer tableAnswer
	reconcile := func() (err error) {
		answer, err = askTable(t, p, readerEnv)
		if err != nil {
			return err
		}
		for i, load := range loads {
			rows, distinct := map[int]int{}, map[int]int{}
			for _, r := range answer.Rows {
				if r[0] == fmt.Sprint("load", i) {
					rows[int(r[1].(float64))], distinct[int(r[1].(float64))] = int(r[2].(float64)), int(r[3].(float64))
				}
			}
			doubled, _, err := load.Reconcile(rows, distinct)
			if err != nil {
				return err
			}
			if doubled > 0 {
				return fmt.Errorf("load %d: %d records are there twice", i, doubled)
			}
		}
		return nil
	}
	ask.Eventually(t, reconcile)

	// One more commit, and the remains of the killed ones are gone.
	last := send.StartLoadOf("load2", p.HTTP(), 1, 10)
	last.Await(t, 10)
	last.Stop()
	loads = append(loads, last)
	ask.Eventually(t, reconcile)
	p.Terminate(t)
	known := map[string]bool{}
	for _, name := range answer.Files {
		known[name] = true
	}
	unknown, all := 0, names()
	assert.Greater(t, len(all), 10)
	for _, name := range all {
		if !known[name] {
			unknown++
		}
	}
	// A commit after the last look of the reader makes a version, a list and up to three manifests.
	assert.LessOrEqual(t, unknown, 10, "files of the metadata that no version needs")
}
