package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/objects"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// lakePlace is where a lake lies, and how a test looks at it while no gateway runs.
type lakePlace struct {
	env    map[string]string               // of the gateway
	root   string                          // of the lake, as tables name it
	reader map[string]string               // properties of PyIceberg's file access
	local  func(t *testing.T) (dir string) // a directory with the files of the lake
	faults func(part float64)              // so many requests fail
	met    func() map[string]int           // faults so far
}

func onDisk(t *testing.T) lakePlace {
	dir := t.TempDir()
	return lakePlace{env: map[string]string{"PENSTOCK_LAKE_URL": dir}, root: "file://" + dir, local: func(*testing.T) string { return dir },
		faults: func(float64) {}, met: func() map[string]int { return nil }}
}

func inStore(t *testing.T, seed uint64) lakePlace {
	store := objects.Start(t, seed)
	return lakePlace{env: store.Env(), root: "s3://" + objects.Bucket + "/some/lake", faults: store.Faults, met: store.Met,
		reader: map[string]string{"s3.endpoint": store.URL, "s3.access-key-id": "key", "s3.secret-access-key": "secret", "s3.region": "us-east-1", "s3.force-virtual-addressing": "false"},
		local: func(t *testing.T) string {
			dir, err := os.MkdirTemp(t.TempDir(), "lake")
			require.NoError(t, err)
			store.Download(t, dir)
			return dir
		}}
}

// The gateway is killed while it writes files of past hours, merges them, recompresses them, commits all that to tables and removes expired files.
// At any moment, a reader of the table and one that reads the changes have no row twice, and no earlier row is missing; in the end both have each
// acknowledged record once, and no file is left over.
func TestMergesSurviveKills(t *testing.T) {
	t.Run("on disk", func(t *testing.T) {
		t.Parallel()
		killMerging(t, onDisk(t), 2, 1, &killed{})
	})
	t.Run("in an object store", func(t *testing.T) {
		t.Parallel()
		killMerging(t, inStore(t, 5), 2, 2, &killed{})
	})
}

// lakeScript looks at a lake through the metadata of the table of logs and through the README's exact glob.
const lakeScript = `
import sys, json, glob, os, re, duckdb
from pyiceberg.table import StaticTable
dir, root, reader, sql = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), sys.argv[4]
db = duckdb.connect()
db.execute("SET enable_progress_bar = false")
def count(texts):
    n = {}
    for service, body in texts:
        if service.startswith("load") and body.startswith("id "):
            n.setdefault((service, int(body[3:]) // 10), []).append(body)
    return [[s, b, len(r), len(set(r))] for (s, b), r in n.items()]
out = {"Table": [], "Glob": [], "Plain": [], "Files": [], "Unneeded": []}
if glob.glob(dir + "/logs/*/*/*/*.parquet"):
    plain = "SELECT service_name, body FROM read_parquet('%s/logs/*/*/*/*.parquet', union_by_name=true)" % dir
    out["Plain"] = count(db.execute(plain).fetchall())
    if glob.glob(dir + "/_compacted/logs/**/*.json", recursive=True):
        *before, last = [s for s in sql.split(";") if s.strip()]
        for s in before: db.execute(s)
        out["Glob"] = count(db.execute("SELECT service_name, body FROM read_parquet(getvariable('files'), union_by_name=true)").fetchall())
    else:
        out["Glob"] = out["Plain"]
versions = [(int(re.search(r"/v(\d+)\.metadata", f)[1]), f) for f in glob.glob(dir + "/_iceberg/logs/metadata/v*.metadata.json")]
if versions:
    newest = max(versions)[1]
    table = StaticTable.from_metadata(newest.replace(dir, root), properties=reader)
    out["Files"] = sorted(t.file.file_path[len(root) + 1:] for t in table.scan().plan_files())
    gone = [f for f in out["Files"] if not os.path.exists(dir + "/" + f)]
    assert not gone, "the table names files that are gone: %s" % gone
    rows = table.scan(selected_fields=("service_name", "body")).to_arrow().to_pylist()
    out["Table"] = count((r["service_name"] or "", r["body"] or "") for r in rows)
    needed = {newest} | {m.metadata_file.replace(root, dir) for m in table.metadata.metadata_log}
    for s in table.metadata.snapshots:
        needed.add(s.manifest_list.replace(root, dir))
        needed |= {m.manifest_path.replace(root, dir) for m in s.manifests(table.io)}
    out["Unneeded"] = sorted(f for f in glob.glob(dir + "/_iceberg/logs/metadata/*") if f not in needed)
print(json.dumps(out))
`

// counts are rows and different rows, by service and batch.
type counts map[string]map[int][2]int

func (c *counts) UnmarshalJSON(text []byte) error {
	var rows [][]any
	if err := json.Unmarshal(text, &rows); err != nil {
		return err
	}
	*c = counts{}
	for _, r := range rows {
		service := r[0].(string)
		if (*c)[service] == nil {
			(*c)[service] = map[int][2]int{}
		}
		(*c)[service][int(r[1].(float64))] = [2]int{int(r[2].(float64)), int(r[3].(float64))}
	}
	return nil
}

// once checks that no row is stored twice, and that all rows of an earlier check still exist.
func (c counts) once(t *testing.T, who string, before counts) {
	t.Helper()
	for service, batches := range c {
		for batch, n := range batches {
			assert.Equal(t, n[1], n[0], "%s: rows of batch %d of %s, and different ones", who, batch, service)
		}
	}
	for service, batches := range before {
		for batch, n := range batches {
			assert.GreaterOrEqual(t, c[service][batch][1], n[1], "%s: batch %d of %s was there before", who, batch, service)
		}
	}
}

// reconcile says whether each acknowledged record is there once.
func (c counts) reconcile(loads []*send.Load) error {
	for i, load := range loads {
		rows, distinct := map[int]int{}, map[int]int{}
		for batch, n := range c[fmt.Sprint("load", i)] {
			rows[batch], distinct[batch] = n[0], n[1]
		}
		doubled, _, err := load.Reconcile(rows, distinct)
		if err != nil {
			return fmt.Errorf("load %d: %w", i, err)
		}
		if doubled > 0 {
			return fmt.Errorf("load %d: %d rows are there twice", i, doubled)
		}
	}
	return nil
}

// look is what readers see of a lake, and what lies in it.
type look struct {
	Table, Glob, Plain counts
	Files, Unneeded    []string
	dir                string
}

// look fails on disk where a file that was listed is deleted before it is opened; not while no gateway runs.
func (p lakePlace) look(t *testing.T) (l look, err error) {
	t.Helper()
	l.dir = p.local(t)
	reader := p.reader
	if reader == nil {
		reader = map[string]string{}
	}
	properties, err := json.Marshal(reader)
	require.NoError(t, err)
	sql := strings.ReplaceAll(block(t, "../../extensions/lakeextension/README.md", "sql"), "'lake/", "'"+l.dir+"/")
	out, err := exec.Command(ask.Python(t), "-W", "ignore", "-c", lakeScript, l.dir, p.root, string(properties), sql).CombinedOutput()
	if err != nil {
		return l, fmt.Errorf("%w: %s", err, out)
	}
	return l, json.Unmarshal(out, &l)
}

// lying lists the files below some directories of the lake.
func (l look) lying(t *testing.T, dirs ...string) (names []string) {
	t.Helper()
	for _, d := range dirs {
		err := filepath.WalkDir(filepath.Join(l.dir, d), func(path string, e os.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				names = append(names, strings.TrimPrefix(path, l.dir+"/"))
			}
			return nil
		})
		require.NoError(t, err)
	}
	return names
}

// moment describes what the gateway was doing when it was killed, according to its files.
func (l look) moment(t *testing.T) (all []string) {
	if len(l.lying(t, "_compacting")) > 0 {
		all = append(all, "merged file not visible")
	}
	for _, batches := range l.Plain {
		for _, n := range batches {
			if n[0] != n[1] && !slices.Contains(all, "merged files not deleted") {
				all = append(all, "merged files not deleted")
			}
		}
	}
	if len(l.Unneeded) > 0 {
		all = append(all, "commit to the table not complete")
	}
	if len(l.lying(t, "_tmp")) > 0 {
		all = append(all, "file not complete")
	}
	if len(l.lying(t, "traces")) > 0 {
		all = append(all, "retention not complete")
	}
	return all
}

// complete says whether all readers have each acknowledged record once, and nothing is left behind.
func (l look) complete(t *testing.T, loads []*send.Load) error {
	for who, c := range map[string]counts{"table": l.Table, "exact glob": l.Glob, "glob": l.Plain} {
		if err := c.reconcile(loads); err != nil {
			return fmt.Errorf("%s: %w", who, err)
		}
	}
	if left := l.lying(t, "_compacting", "traces", "_compacted/traces"); len(left) > 0 {
		return fmt.Errorf("left behind: %v", left)
	}
	lying := l.lying(t, "logs")
	for _, f := range l.Files {
		if !slices.Contains(lying, f) { // the lake can have more: what the gateway logs of its stop
			return fmt.Errorf("the table has %s, the lake %v", f, lying)
		}
	}
	return nil
}

// oldSpans sends spans that retention removes.
func oldSpans(t *testing.T, endpoint string, ago time.Duration) {
	t.Helper()
	td := ptrace.NewTraces()
	for i := range 20 {
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", fmt.Sprint("old", i))
		s := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		s.SetTraceID([16]byte{15: byte(i + 1)})
		s.SetSpanID([8]byte{7: byte(i + 1)})
		s.SetStartTimestamp(pcommon.NewTimestampFromTime(time.Now().Add(-ago - time.Duration(i%3)*time.Hour)))
		s.SetEndTimestamp(s.StartTimestamp() + 1)
	}
	body, err := ptraceotlp.NewExportRequestFromTraces(td).MarshalProto()
	require.NoError(t, err)
	ask.Eventually(t, func() error { // on a loaded machine the journal can refuse for a while
		answer, err := send.Post(endpoint, "/v1/traces", body, "Content-Type", "application/x-protobuf")
		if err == nil && answer.Status != http.StatusOK {
			err = fmt.Errorf("status %d: %s", answer.Status, answer.Body)
		}
		return err
	})
}

// killed is what lakes of a place lived through.
type killed struct {
	Place  string         `json:"place"`
	Binary string         `json:"binary"`
	Seed   uint64         `json:"seed"`  // of the moments
	Kills  int            `json:"kills"` // without a wrong row
	Rows   int            `json:"rows"`  // acknowledged, each found once by all readers
	Found  map[string]int `json:"found,omitempty"`
	Failed bool           `json:"failed,omitempty"`
	At     time.Time      `json:"at"`
}

// killMerging kills a gateway so many times, and counts in k.
func killMerging(t *testing.T, place lakePlace, kills int, seed uint64, k *killed) {
	r := rand.New(rand.NewPCG(seed, 1))
	place.faults(0.1)
	p := process.New(t, process.Settings{Env: place.env, Args: []string{
		"--set=receivers::kafka_replay/lake::follow::range::max_wait=20ms",
		"--set=exporters::parquet::retry_on_failure::initial_interval=50ms", "--set=exporters::parquet::retry_on_failure::max_interval=200ms",
		"--set=extensions::lake::interval=1s", "--set=extensions::lake::lease=3s",
		"--set=extensions::lake::compaction::delay=0s", "--set=extensions::lake::compaction::quiet=0s", "--set=extensions::lake::compaction::recompress_after=5h",
		"--set=extensions::lake::tables::every=1s", "--set=extensions::lake::tables::sweep=1s",
		"--set=extensions::lake::retention::overrides=[{signal: traces, keep: 2h}]",
	}})
	p.Begin(t)
	p.AwaitHealthy(t)
	var loads []*send.Load
	var last look
	k.Found = map[string]int{}
	for i := range kills {
		ago := 3*time.Hour + time.Duration(i%2)*3*time.Hour // of those of six hours ago files are compressed harder
		load := send.StartLoadFrom(ago, fmt.Sprint("load", i), p.HTTP(), 2, 10)
		loads = append(loads, load)
		oldSpans(t, p.HTTP(), 4*time.Hour)
		load.Await(t, 50)
		ask.Eventually(t, func() error { // it looks after the lake: the work of the last run is taken up
			leads, err := ask.Metric(p.Telemetry(), "otelcol_extension_lake_leader")
			if err == nil && leads != 1 {
				err = fmt.Errorf("another one holds the lease")
			}
			return err
		})
		time.Sleep(time.Duration(r.IntN(2000)) * time.Millisecond) // any moment: of a pass, of a round, between them
		p.Kill()
		load.Stop()
		place.faults(0)
		now, err := place.look(t)
		require.NoError(t, err, "kill %d", i)
		now.Table.once(t, "table", last.Table)
		now.Glob.once(t, "exact glob", last.Glob)
		for _, m := range now.moment(t) {
			k.Found[m]++
		}
		require.False(t, t.Failed(), "kill %d", i)
		last = now
		k.Kills++
		place.faults(0.1)
		p.Restart(t)
	}
	place.faults(0)
	// A running gateway deletes files between a reader's look and its opening them, so readers look while none runs.
	var l look
	err := errors.New("not looked at yet")
	for try := 0; err != nil && try < 10; try++ {
		if try > 0 {
			p.Restart(t)
		}
		time.Sleep(5 * time.Second) // some passes; those that are still to come are made after the next start
		p.Terminate(t)
		if l, err = place.look(t); err == nil {
			err = l.complete(t, loads)
		}
	}
	require.NoError(t, err)
	// The last commit has collected what commits before it had left.
	assert.LessOrEqual(t, len(l.Unneeded), 10, "files of the metadata that no version needs: %v", l.Unneeded)
	for _, load := range loads {
		k.Rows += load.Acknowledged()
	}
	t.Logf("%d kills, %d records acknowledged, %d files; kills that found: %v; faults: %v", kills, k.Rows, len(l.Files), k.Found, place.met())
}
