package command_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"
	"github.com/gofrs/flock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/extensiontest"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension"
	"github.com/penstockhq/penstock/internal/seal"
)

const (
	hourDir   = "logs/date=2026-11-29/hour=02/tenant=default"
	rangeName = "penstock.logs-0-00000000000000000000-00000000000000000100"
)

// dataDir has a store of each kind, all whole.
func dataDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, path := range []string{"queue/exporter_otlp_grpc_gateway_logs", "queue/exporter_otlp_grpc_gateway_metrics",
		"offsets/receiver_filelog_", "state/processor_cardinality_guard_remote_write_state"} {
		write(t, filepath.Join(dir, path), queueFile(t))
	}
	write(t, filepath.Join(dir, "queue/owner.lock"), []byte("12\n"))
	write(t, filepath.Join(dir, "kafka/penstock.lock"), nil) // an empty journal
	write(t, filepath.Join(dir, "lake", hourDir, rangeName+"-0.parquet"), parquetFile(t, 100))
	write(t, filepath.Join(dir, "lake", hourDir, "8a590be68b5fd70bc0c2fd57459091af.parquet"), parquetFile(t, 10))
	write(t, filepath.Join(dir, "lake/_tmp/lock"), nil)
	return dir
}

func TestRepairOfAWholeDirectory(t *testing.T) {
	dir := dataDir(t)
	before := content(t, dir)
	for _, args := range [][]string{nil, {"--full"}, {"--apply"}} {
		printed, err := call(t, append([]string{"repair", "--data-dir", dir}, args...)...)
		require.NoError(t, err, printed)
		assert.Contains(t, printed, "queues, positions and states: 4 checked, 0 damaged")
		assert.Contains(t, printed, "lake: 2 checked, 0 damaged")
		assert.Contains(t, printed, "journal: 1 checked, 0 damaged")
		assert.Contains(t, printed, "nothing is damaged")
	}
	assert.Equal(t, before, content(t, dir))
}

// Every damage of every kind of file is found, named, left alone by a dry run and set aside with --apply.
func TestRepairFindsAndSetsAside(t *testing.T) {
	whole := map[string]string{
		"queue/exporter_otlp_grpc_gateway_logs":                "requests that exporter otlp_grpc_gateway_logs had accepted and not yet sent",
		"offsets/receiver_filelog_":                            "the position up to which receiver filelog_ had read",
		"state/processor_cardinality_guard_remote_write_state": "the state of processor cardinality_guard_remote_write_state",
		"lake/" + hourDir + "/" + rangeName + "-0.parquet":     "rows of " + hourDir + ", from offsets 0 to 99 of partition 0 of penstock.logs",
	}
	for name, damage := range map[string]func(b []byte) []byte{
		"empty":  func([]byte) []byte { return nil },
		"zeroed": func(b []byte) []byte { return make([]byte, len(b)) },
		"cut":    func(b []byte) []byte { return b[:len(b)/2] },
		"text":   func([]byte) []byte { return []byte("this is not what it should be") },
	} {
		for path, lost := range whole {
			t.Run(name+" "+path, func(t *testing.T) {
				dir := dataDir(t)
				b, err := os.ReadFile(filepath.Join(dir, path))
				require.NoError(t, err)
				write(t, filepath.Join(dir, path), damage(b))
				before := content(t, dir)

				printed, err := call(t, "repair", "--data-dir", dir)
				require.ErrorContains(t, err, "1 damaged; nothing was changed")
				assert.Contains(t, printed, filepath.Join(dir, path))
				assert.Contains(t, printed, lost)
				assert.Equal(t, before, content(t, dir))

				printed, err = call(t, "repair", "--data-dir", dir, "--apply")
				require.NoError(t, err, printed)
				assert.Contains(t, printed, "1 repaired")
				assert.NoFileExists(t, filepath.Join(dir, path))
				after := content(t, dir)
				aside := 0
				for other, text := range after {
					if strings.Contains(other, filepath.Base(path)+".damaged-") {
						assert.Equal(t, before[path], text)
						assert.Contains(t, printed, "set aside: "+filepath.Join(dir, other))
						aside++
					}
				}
				assert.Equal(t, 1, aside, "it is kept")
				delete(before, path)
				for other, text := range before {
					assert.Equal(t, text, after[other], "%s is not touched", other)
				}
			})
		}
	}
}

// The journal is repaired by the next start, without a decision.
func TestRepairSaysWhatTheNextStartDoesToTheJournal(t *testing.T) {
	dir := dataDir(t)
	runJournal(t, filepath.Join(dir, "kafka"))
	printed, err := call(t, "repair", "--data-dir", dir)
	require.NoError(t, err, printed)

	require.NoError(t, os.Remove(filepath.Join(dir, "kafka/ledger/partition.meta")))
	before := content(t, dir)
	printed, err = call(t, "repair", "--data-dir", dir)
	require.Error(t, err)
	assert.Contains(t, printed, "journal: 1 checked, 1 damaged")
	assert.Contains(t, printed, "would:        leave it: the collector repairs it at its next start")
	assert.Contains(t, printed, "then:         no record is lost")
	assert.Equal(t, before, content(t, dir))
	printed, err = call(t, "repair", "--data-dir", dir, "--apply")
	require.NoError(t, err, printed)

	runJournal(t, filepath.Join(dir, "kafka"))
	printed, err = call(t, "repair", "--data-dir", dir)
	require.NoError(t, err, printed)
}

// runJournal starts and stops an embedded Kafka in directory.
func runJournal(t *testing.T, directory string) {
	t.Helper()
	factory := embeddedkafkaextension.NewFactory()
	cfg := factory.CreateDefaultConfig().(*embeddedkafkaextension.Config)
	cfg.Directory, cfg.Endpoint = directory, "127.0.0.1:0"
	kafka, err := factory.Create(t.Context(), extensiontest.NewNopSettings(factory.Type()), cfg)
	require.NoError(t, err)
	require.NoError(t, kafka.Start(t.Context(), componenttest.NewNopHost()))
	require.NoError(t, kafka.Shutdown(t.Context()))
}

func TestRepairMovesADamagedValueAside(t *testing.T) {
	dir := dataDir(t)
	path := filepath.Join(dir, "queue/exporter_otlp_grpc_gateway_logs")
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	write(t, path, bytes.ReplaceAll(b, []byte("request 3"), []byte("request 8")))
	printed, err := call(t, "repair", "--data-dir", dir)
	require.Error(t, err)
	assert.Contains(t, printed, `the value of "3" does not match its checksum`)
	printed, err = call(t, "repair", "--data-dir", dir, "--apply")
	require.NoError(t, err, printed)
	printed, err = call(t, "repair", "--data-dir", dir)
	require.NoError(t, err, printed)
	assert.Contains(t, printed, "set aside: "+path+".damaged-")
}

// A page inside a file is read by --full alone.
func TestRepairReadsAllPagesWhenAsked(t *testing.T) {
	dir := dataDir(t)
	path := filepath.Join(dir, "lake", hourDir, rangeName+"-0.parquet")
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	clear(b[4:60])
	write(t, path, b)
	_, err = call(t, "repair", "--data-dir", dir)
	require.NoError(t, err)
	printed, err := call(t, "repair", "--data-dir", dir, "--full")
	require.Error(t, err)
	assert.Contains(t, printed, "column 0 of row group 0")
}

// Rows that a job has read again go where the damaged file was, once; the rest of the range stays out.
func TestRepairMovesRefilledRowsIn(t *testing.T) {
	dir := dataDir(t)
	lake := filepath.Join(dir, "lake")
	write(t, filepath.Join(lake, hourDir, rangeName+"-0.parquet"), nil)
	write(t, filepath.Join(lake, hourDir, rangeName+"-1.parquet"), parquetFile(t, 5))
	_, err := call(t, "repair", "--data-dir", dir, "--apply")
	require.NoError(t, err)
	config, err := os.ReadFile(filepath.Join(lake, "_refill", rangeName+".yaml"))
	require.NoError(t, err)
	assert.Contains(t, string(config), "signal: logs, offsets: [{partition: 0, first: 0, next: 100}]}")

	printed, err := call(t, "repair", "--data-dir", dir, "--apply")
	require.Error(t, err, "the rows are still missing")
	assert.Contains(t, printed, "the rows are not restored yet")

	refill := filepath.Join(lake, "_refill", rangeName)
	write(t, filepath.Join(refill, hourDir, "0123.parquet"), parquetFile(t, 105))
	write(t, filepath.Join(refill, "logs/date=2026-11-29/hour=03/tenant=default", "4567.parquet"), parquetFile(t, 7))
	printed, err = call(t, "repair", "--data-dir", dir, "--apply")
	require.NoError(t, err, printed)
	names, err := filepath.Glob(filepath.Join(lake, "logs", "*", "*", "*", "*.parquet"))
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{
		filepath.Join(lake, hourDir, rangeName+"-0.parquet"),
		filepath.Join(lake, hourDir, "8a590be68b5fd70bc0c2fd57459091af.parquet"),
	}, names, "part 1 of the range is in the new file too, and hour 3 never was damaged")
	printed, err = call(t, "repair", "--data-dir", dir)
	require.NoError(t, err, printed)
	assert.NoDirExists(t, refill)
}

// Offsets that the log has handed out twice can hold other records: they are not read again for a file of before.
func TestRepairDoesNotRefillFromAnotherLog(t *testing.T) {
	dir := dataDir(t)
	write(t, filepath.Join(dir, "lake", hourDir, "penstock.logs-0-g1-00000000000000000050-00000000000000000100-0.parquet"), parquetFile(t, 50))
	write(t, filepath.Join(dir, "lake", hourDir, rangeName+"-0.parquet"), nil)
	printed, err := call(t, "repair", "--data-dir", dir, "--apply")
	require.NoError(t, err, printed)
	assert.Contains(t, printed, "(generation 0, now 1)")
	assert.NoDirExists(t, filepath.Join(dir, "lake", "_refill"))
}

func TestRepairNeedsTheDirectoryForItself(t *testing.T) {
	for _, path := range []string{"kafka/penstock.lock", "queue/owner.lock", "state/processor_cardinality_guard_remote_write_state", "lake/_tmp/w-1.lock"} {
		dir := dataDir(t)
		lock := flock.New(filepath.Join(dir, path))
		taken, err := lock.TryLock()
		require.NoError(t, err)
		require.True(t, taken)
		printed, err := call(t, "repair", "--data-dir", dir, "--apply")
		require.Error(t, err)
		assert.Contains(t, printed, "in use by a collector; stop that process first")
		require.NoError(t, lock.Close())
	}
}

func TestRepairNamesAWrongDirectory(t *testing.T) {
	printed, err := call(t, "repair", "--data-dir", filepath.Join(t.TempDir(), "nowhere"))
	require.Error(t, err)
	assert.Contains(t, printed, "--data-dir")
	assert.Contains(t, printed, "nowhere")
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, b, 0o600))
}

// content maps the files below dir to their content, except locks.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		require.NoError(t, err)
		if !d.IsDir() {
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			rel, err := filepath.Rel(dir, path)
			require.NoError(t, err)
			all[rel] = string(b)
		}
		return nil
	}))
	return all
}

// queueFile is a file as queue_storage writes it.
func queueFile(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("default"))
		require.NoError(t, err)
		for _, n := range []string{"1", "2", "3"} {
			require.NoError(t, b.Put([]byte(n), seal.Seal([]byte("request "+n))))
		}
		return nil
	}))
	require.NoError(t, db.Close())
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b
}

// parquetFile has one column with n rows.
func parquetFile(t *testing.T, n int) []byte {
	t.Helper()
	column := schema.NewInt64Node("n", parquet.Repetitions.Required, -1)
	root, err := schema.NewGroupNode("schema", parquet.Repetitions.Required, schema.FieldList{column}, -1)
	require.NoError(t, err)
	var buf bytes.Buffer
	w := file.NewParquetWriter(&buf, root)
	group, err := w.AppendRowGroupChecked()
	require.NoError(t, err)
	c, err := group.NextColumn()
	require.NoError(t, err)
	values := make([]int64, n)
	for i := range values {
		values[i] = int64(i)
	}
	_, err = c.(*file.Int64ColumnChunkWriter).WriteBatch(values, nil, nil)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return buf.Bytes()
}
