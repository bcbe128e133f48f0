//go:build full

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// readers are programs that get the catalog's address, the lake's directory and questions of docs/sql.md, and print what they find: in the Iceberg tables and in the
// plain files, where they can.
var readers = map[string]string{
	"duckdb": `
import json, sys, importlib, pathlib
import duckdb
catalog, lake, questions, jars = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), sys.argv[4]
db = duckdb.connect(config={"allow_unsigned_extensions": "true"})
db.execute("SET enable_progress_bar = false")
for name in ["avro", "httpfs", "iceberg"]:
    try:
        module = importlib.import_module("duckdb_extension_" + name)
        file = next(pathlib.Path(module.__file__).parent.rglob(name + ".duckdb_extension"))
        db.execute("INSTALL '%s'" % file)
    except (ImportError, StopIteration):
        pass
    db.execute("LOAD " + name)
db.execute("ATTACH '' AS lake (TYPE iceberg, ENDPOINT '%s', AUTHORIZATION_TYPE 'none')" % catalog)
out = {}
for where, source in {"tables": "lake.lake.%s", "files": "read_parquet('" + lake + "/%s/**/*.parquet', hive_partitioning=true, union_by_name=true)"}.items():
    for s in ["logs", "traces"]:
        more = ", event_date::VARCHAR AS date" if where == "tables" else ""
        db.execute("CREATE OR REPLACE TEMP VIEW %s AS SELECT *%s FROM %s" % (s, more, source % s))
    out[where] = [[list(r) for r in db.execute(q).fetchall()] for q in questions]
print(json.dumps(out, default=str))
`,
	"spark": `
import json, sys
from pyspark.sql import SparkSession
catalog, lake, questions, jars = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), sys.argv[4]
spark = (SparkSession.builder.master("local[1]").config("spark.jars", jars).config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false").config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
    .config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", "1")
    .config("spark.sql.catalog.lake", "org.apache.iceberg.spark.SparkCatalog").config("spark.sql.catalog.lake.type", "rest").config("spark.sql.catalog.lake.uri", catalog).getOrCreate())
spark.sparkContext.setLogLevel("ERROR")
out = {}
for where in ["tables", "files"]:
    for s in ["logs", "traces"]:
        if where == "tables":
            spark.sql("SELECT *, CAST(event_date AS STRING) AS date FROM lake.lake." + s).createOrReplaceTempView(s)
        else:
            spark.read.option("mergeSchema", "true").parquet(lake + "/" + s).createOrReplaceTempView(s)
    out[where] = [[list(r) for r in spark.sql(q).collect()] for q in questions]
print(json.dumps(out, default=str))
`,
	"polars": `
import json, sys, polars as pl
from pyiceberg.catalog import load_catalog
catalog, lake, questions, jars = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), sys.argv[4]
tables = load_catalog("lake", type="rest", uri=catalog)
day = pl.col("event_date") == pl.date(2026, 11, 24)
out = {}
for where in ["tables", "files"]:
    def scan(s):
        return pl.scan_iceberg(tables.load_table("lake." + s)) if where == "tables" else pl.scan_parquet(lake + "/" + s + "/**/*.parquet", missing_columns="insert", extra_columns="ignore")
    traces, logs = scan("traces"), scan("logs")
    out[where] = [[list(r) for r in q.collect().rows()] for q in [
        traces.filter(day, pl.col("kind") == "server").group_by("service_name").agg(pl.len(), (pl.col("status_code") == "error").mean().alias("rate")).sort("rate", descending=True),
        traces.filter(day, pl.col("parent_span_id").is_null(), pl.col("duration_nano") >= 0).sort("duration_nano", descending=True).select("trace_id", "service_name", "name", pl.col("duration_nano") / 1e6),
        logs.filter(pl.col("trace_id") == "4bf92f3577b34da6a3ce929d0e0e4736").sort("time_unix_nano").select("service_name", "severity_text", "body"),
        traces.filter(day, pl.col("http_route").is_not_null()).group_by("http_route").agg(pl.len(), (pl.col("http_response_status_code") >= 500).sum().alias("failed")).sort(["failed", "http_route"], descending=[True, False]),
    ]]
print(json.dumps(out, default=str))
`,
}

// DuckDB, Spark and Polars find the same in the tables as in the files, and what docs/sql.md says that they find.
func TestOtherReadersOfTheTables(t *testing.T) {
	backends := filepath.Join(filepath.Dir(process.Binary(t)), "backends", "readers")
	require.FileExists(t, filepath.Join(backends, ".complete"), "run `make -C testbed/backends readers` first")
	jars, err := filepath.Glob(filepath.Join(backends, "jars", "*.jar"))
	require.NoError(t, err)
	dir := sqlLake(t)
	p := process.Start(t, process.Settings{Env: map[string]string{"PENSTOCK_LAKE_URL": dir}, Args: []string{"--set=extensions::lake::tables::every=1s", "--set=extensions::lake::tables::sweep=1s"}})
	ask.Eventually(t, func() error {
		n, err := ask.Metric(p.Telemetry(), "otelcol_extension_lake_table_files", "added")
		if err == nil && n < 5 {
			err = fmt.Errorf("%v files are in the tables", n)
		}
		return err
	})
	var questions []string
	for _, title := range []string{"Which services fail", "Which were the slowest traces", "What was logged in a trace", "Which routes answer"} {
		questions = append(questions, question(t, title))
	}
	input, err := json.Marshal(questions)
	require.NoError(t, err)
	const trace1, trace2 = "00000000000000000000000000000001", "00000000000000000000000000000002"
	want := [][][]any{
		{{"payment", 2.0, 0.5}, {"frontend", 3.0, 1.0 / 3}},
		{{trace2, "frontend", "GET /cart", 80.0}, {trace1, "frontend", "GET /cart", 20.0}},
		{{"checkout", "Info", "order 5 accepted"}, {"payment", "Error", "card of user 4711 declined"}},
		{{"/cart", 2.0, 1.0}, {"/pay", 2.0, 1.0}, {"/", 1.0, 0.0}},
	}
	for name, code := range readers {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(filepath.Join(backends, "venv", "bin", "python"), "-W", "ignore", "-c", code, "http://"+p.Admin()+"/iceberg", dir, string(input), strings.Join(jars, ","))
			var log strings.Builder
			cmd.Stderr = &log
			out, err := cmd.Output()
			require.NoError(t, err, "%s", log.String())
			var got map[string][][][]any
			require.NoError(t, json.Unmarshal(out, &got), "%s", out)
			for _, where := range []string{"tables", "files"} {
				assert.Equal(t, fmt.Sprintf("%.6v", want), fmt.Sprintf("%.6v", got[where]), where)
			}
		})
	}
}

// question is a statement of docs/sql.md, by the beginning of its title.
func question(t *testing.T, title string) string {
	t.Helper()
	m := regexp.MustCompile("(?s)## [0-9]+\\. " + title + ".*?```sql\n(.*?)```").FindStringSubmatch(page(t))
	require.NotEmpty(t, m, title)
	return strings.TrimSuffix(strings.TrimSpace(m[1]), ";")
}

func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/sql.md")
	require.NoError(t, err)
	return string(text)
}
