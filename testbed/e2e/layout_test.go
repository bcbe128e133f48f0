package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// lateNoon has one record at noon and two an hour later.
func lateNoon(name string) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "checkout")
	records := rl.ScopeLogs().AppendEmpty().LogRecords()
	for i, minute := range []int{0, 60, 61} {
		r := records.AppendEmpty()
		r.SetTimestamp(pcommon.NewTimestampFromTime(time.Date(2026, 11, 24, 12, minute, 0, 0, time.UTC)))
		r.SetObservedTimestamp(pcommon.NewTimestampFromTime(time.Now()))
		r.Body().SetStr(fmt.Sprint(name, " ", i))
	}
	return ld
}

// A range is half written when the process is killed, and the exporter's configuration is different after the restart: every row is stored once,
// the range under the old configuration, later ones under the new one.
func TestAHalfWrittenRangeKeepsItsLayout(t *testing.T) {
	for name, c := range map[string]struct {
		exporter string // of the second start
		begun    string // hours of the first range's rows, by lake
		later    string // of the second's
	}{
		"max_partitions": {`{max_partitions: 1}`, "lake/12:1 lake/13:2 ", "lake/00:1 lake/13:2 "},
		"url":            {`{url: "${env:PENSTOCK_DATA_DIR}/other"}`, "lake/12:1 lake/13:2 ", "other/12:1 other/13:2 "},
		"both":           {`{max_partitions: 1, url: "${env:PENSTOCK_DATA_DIR}/other"}`, "lake/12:1 lake/13:2 ", "other/00:1 other/13:2 "},
	} {
		t.Run(name, func(t *testing.T) {
			config := filepath.Join(t.TempDir(), "layout.yaml")
			configure := func(exporter string) {
				text := "receivers: {kafka_replay/lake: {follow: {range: {max_wait: 0s}}}}\nexporters: {parquet: " + exporter + "}\n"
				require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
			}
			configure("{}")
			p := process.New(t, process.Settings{Configs: []string{"profile:standalone", config}})
			// A file where the second hour's directory should be: the first file is written, the second can't be.
			day := filepath.Join(p.Lake(), "logs", "date=2026-11-24")
			require.NoError(t, os.MkdirAll(day, 0o755))
			blocker := filepath.Join(day, "hour=13")
			require.NoError(t, os.WriteFile(blocker, nil, 0o600))
			p.Restart(t)
			deliver := func(name string) {
				answer, err := send.Logs(p.HTTP(), lateNoon(name))
				require.NoError(t, err)
				require.Equal(t, http.StatusOK, answer.Status, answer.Body)
			}
			deliver("begun")
			ask.Eventually(t, func() error { return wantRows(1, ask.LakeRows(t, p.Lake(), "logs")) })
			p.Kill()

			require.NoError(t, os.Remove(blocker))
			configure(c.exporter)
			p.Restart(t)
			other := filepath.Join(p.DataDir(), "other")
			rows := func() int64 { return ask.LakeRows(t, p.Lake(), "logs") + ask.LakeRows(t, other, "logs") }
			ask.Eventually(t, func() error {
				if got := rows(); got < 3 {
					return wantRows(3, got)
				}
				return nil
			})
			deliver("later")
			ask.Eventually(t, func() error {
				if got := rows(); got < 6 {
					return wantRows(6, got)
				}
				return nil
			})
			p.Terminate(t)

			where := func(name string) (found string) {
				for _, lake := range []string{p.Lake(), other} {
					if len(ask.LakeFiles(t, lake, "logs")) == 0 {
						continue
					}
					answer, err := ask.SQL(t, `select hour, count(*) from `+ask.Lake(lake, "logs")+` where body like '`+name+` %' group by hour order by hour`)
					require.NoError(t, err)
					for _, row := range answer {
						found += fmt.Sprintf("%s/%02v:%v ", filepath.Base(lake), row[0], row[1])
					}
				}
				return found
			}
			assert.Equal(t, c.begun, where("begun"))
			assert.Equal(t, c.later, where("later"))
		})
	}
}

func wantRows(want, got int64) error {
	if got != want {
		return fmt.Errorf("%d rows in the lake, want %d", got, want)
	}
	return nil
}
