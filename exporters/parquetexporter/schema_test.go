package parquetexporter

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/penstockhq/penstock/internal/lakestore/storetest"
)

// A lake keeps the tables of all versions that have written into it. Columns that only one of them has never stop a start; one that has changed its type
// does, whether the other version is older or newer.
func TestTheStartComparesTables(t *testing.T) {
	for name, c := range map[string]struct{ file, columns, want string }{
		"an older version without a column":   {"logs.v1.json", `["time timestamp(us,UTC)", "body string?"]`, ""},
		"a newer version with another column": {"logs.v9.json", `["time timestamp(us,UTC)", "k8s_cluster_name string?"]`, ""},
		"required in one of them":             {"logs.v9.json", `["time timestamp(us,UTC)?", "body string"]`, ""},
		"an older version with another type":  {"logs.v1.json", `["severity_number string?"]`, "logs: column severity_number is int32 here and string? there (schema version X, in _schema/logs.v1.json)"},
		"a newer version with another type":   {"logs.v9.json", `["attributes string?"]`, "logs: column attributes is map<string,string?> here and string? there (schema version X, in _schema/logs.v9.json)"},
		"another table":                       {"traces.v9.json", `["time string"]`, ""},
		"what is no table":                    {"logs.v9.json", `"x`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			dir := filepath.Join(h.root, "_schema")
			require.NoError(t, os.MkdirAll(dir, 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(dir, c.file), []byte(`{"version":"X","columns":`+c.columns+`}`), 0o600))
			e, err := NewFactory().CreateLogs(context.Background(), h.set, h.cfg)
			require.NoError(t, err)
			err = e.Start(context.Background(), componenttest.NewNopHost())
			if c.want == "" {
				require.NoError(t, err)
				assert.FileExists(t, filepath.Join(dir, "logs.v2.json"))
			} else {
				require.ErrorContains(t, err, `url: "file://`)
				require.ErrorContains(t, err, c.want)
				assert.NoFileExists(t, filepath.Join(dir, "logs.v2.json"))
			}
			require.NoError(t, e.Shutdown(context.Background()))
		})
	}
}

// A store that was away at the start is asked before the first write.
func TestTablesOfAStoreThatWasAwayAreComparedLater(t *testing.T) {
	s := storetest.New(t)
	var back atomic.Bool
	s.Fault = func(_ *storetest.Store, w http.ResponseWriter, _ *http.Request) bool {
		if !back.Load() {
			storetest.Refuse(w, http.StatusServiceUnavailable, "ServiceUnavailable")
		}
		return !back.Load()
	}
	s.Put("some/prefix/_schema/logs.v9.json", []byte(`{"version":"9","columns":["body int64"]}`))
	e := inStore(t, s).logs()
	require.Error(t, e.ConsumeLogs(context.Background(), logsAt("", at(noon))))
	back.Store(true)
	require.ErrorIs(t, e.ConsumeLogs(context.Background(), logsAt("", at(noon))), errSchema)
	assert.Zero(t, rowsIn(t, s, "some/prefix/logs/"))
}

// What the disk has damaged is named, and the description of this version's table is written anew.
func TestDamagedDescriptionsOfTables(t *testing.T) {
	h := newHarness(t)
	dir := filepath.Join(h.root, "_schema")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	for name, content := range map[string]string{"logs.v2.json": "", "logs.v1.json": `{"version":"1","colu`, "traces.v1.json": "", "logs.txt": ""} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	core, logs := observer.New(zap.WarnLevel)
	h.set.Logger = zap.New(core)
	for _, want := range [][]any{{"_schema/logs.v1.json", "_schema/logs.v2.json"}, {"_schema/logs.v1.json"}} {
		e, err := NewFactory().CreateLogs(context.Background(), h.set, h.cfg)
		require.NoError(t, err)
		require.NoError(t, e.Start(context.Background(), componenttest.NewNopHost()))
		require.NoError(t, e.Shutdown(context.Background()))
		found := logs.FilterMessageSnippet("Damaged descriptions of the lake's tables").All()
		logs.TakeAll()
		require.Len(t, found, 1)
		assert.Equal(t, want, found[0].ContextMap()["files"])
		content, err := os.ReadFile(filepath.Join(dir, "logs.v2.json"))
		require.NoError(t, err)
		assert.Contains(t, string(content), `"body string?"`)
	}
}
