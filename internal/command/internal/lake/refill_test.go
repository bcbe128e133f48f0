package lake

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/columnar"
)

// fileOf is a Parquet file of a few rows.
func fileOf(t *testing.T, rows int) []byte {
	t.Helper()
	table := columnar.NewTable()
	n := table.Root().Int64("n", columnar.Required)
	var b bytes.Buffer
	f, err := table.NewFile(&b, columnar.FileSettings{Rows: rows})
	require.NoError(t, err)
	for i := range rows {
		n.Put(int64(i))
		require.NoError(t, f.EndRow())
	}
	require.NoError(t, f.Close())
	return b.Bytes()
}

// A refill wrote two files for one directory. Wherever a run that moves them is killed, the next one leaves each there once, and sets none of them aside.
func TestARefillGoesOnAfterAKill(t *testing.T) {
	const base = "penstock.logs-0-00000000000000000000-00000000000000000006"
	for name, lies := range map[string]map[string]int{ // rows of the files, by path below the lake
		"before it began":       {"_refill/" + base + "/" + hourOfTest + "/a.parquet": 2, "_refill/" + base + "/" + hourOfTest + "/b.parquet": 3, hourOfTest + "/" + base + "-1.parquet": 9},
		"when a file was moved": {"_refill/" + base + "/" + hourOfTest + "/b.parquet": 3, "_refill/" + base + "/" + hourOfTest + "/moving": 0, hourOfTest + "/" + base + "-0.parquet": 2},
		"when both were":        {"_refill/" + base + "/" + hourOfTest + "/moving": 0, hourOfTest + "/" + base + "-0.parquet": 2, hourOfTest + "/" + base + "-refilled-1.parquet": 3},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			lies["_damaged/"+hourOfTest+"/"+base+"-0.parquet.damaged-20261129T020304Z"] = 7
			lies["_refill/"+base+".yaml"] = 0
			for path, rows := range lies {
				at := filepath.Join(root, path)
				require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o700))
				require.NoError(t, os.WriteFile(at, fileOf(t, rows), 0o600))
			}
			l := &lake{set: Settings{Root: root, Now: time.Now()}}
			found, err := l.refilled()
			require.NoError(t, err)
			require.Len(t, found, 1)
			require.NotNil(t, found[0].Repair, found[0].Follows)
			_, err = found[0].Repair(t.Context())
			require.NoError(t, err)
			assert.NoFileExists(t, filepath.Join(root, "_refill", base+".yaml"))
			assert.NoDirExists(t, filepath.Join(root, "_refill", base))
			var rows []int64
			for _, file := range []string{base + "-0.parquet", base + "-refilled-1.parquet"} {
				n, err := Dir(root).Rows(t.Context(), hourOfTest+"/"+file)
				require.NoError(t, err)
				rows = append(rows, n)
			}
			assert.Equal(t, []int64{2, 3}, rows)
			all, err := sorted(filepath.Join(root, hourOfTest, "*"))
			require.NoError(t, err)
			assert.Len(t, all, 2)
		})
	}
}
