package smoke

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// A merged file of the lake is zeroed. verify names it, its offsets and the job that fills the gap; repair writes the job of the ranges that were merged, and takes
// over what it writes. Every row is there once, after the next merge too.
func TestRefillOfAMergedFile(t *testing.T) {
	settings := process.Settings{Args: []string{
		"--set=receivers::kafka_replay/lake::follow::range::max_wait=100ms", "--set=extensions::lake::interval=1s",
		"--set=extensions::lake::compaction::delay=0s", "--set=extensions::lake::compaction::quiet=0s", "--set=extensions::lake::tables::every=1s", "--set=extensions::lake::tables::sweep=1s",
	}}
	p := process.Start(t, settings)
	at := time.Now().Truncate(time.Hour).Add(-150 * time.Minute)
	rows := func(n int64) error {
		if got := ask.LakeRows(t, p.Lake(), "logs"); got != n {
			return fmt.Errorf("%d rows, want %d", got, n)
		}
		return nil
	}
	merged := func() (files []string) {
		files, err := filepath.Glob(filepath.Join(p.Lake(), "logs", "date="+at.UTC().Format(time.DateOnly), "hour="+at.UTC().Format("15"), "*", "*.parquet"))
		require.NoError(t, err)
		return files
	}
	isMerged := func() error {
		if files := merged(); len(files) != 1 || filepath.Base(files[0])[0] != 'z' {
			return fmt.Errorf("not merged: %v", files)
		}
		return nil
	}
	post := func(n int) {
		logs := send.LogBatch("shop", n*10, 10)
		for _, l := range logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
			l.SetTimestamp(pcommon.NewTimestampFromTime(at))
		}
		answer, err := send.Logs(p.HTTP(), logs)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.Status, answer.Body)
		ask.Eventually(t, func() error { return rows(int64(10 * (n + 1))) })
	}
	for n := range 3 {
		post(n)
	}
	ask.Eventually(t, isMerged)

	lost := merged()[0]
	info, err := os.Stat(lost)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(lost, make([]byte, info.Size()), 0o600))
	ask.Eventually(t, func() error { // once the ledger has the rows
		printed, code := call(t, "verify", "--hour", at.Truncate(time.Hour).UTC().Format(time.RFC3339), "--signal", "logs", "--admin", "http://"+p.Admin(), "--lake", p.Lake(), "--logsql", "http://"+p.Query())
		for _, want := range []string{"the ledger has stored 30, the lake holds 0", filepath.Base(lost) + " can't be read", "30 rows of logs/date=",
			"which compaction had merged from 3 files: offsets 0 to ", `"offsets":[{"partition":0,"first":0,"next":`} {
			if code != 1 || !strings.Contains(printed, want) {
				return fmt.Errorf("verify ends with %d, want %q: %s", code, want, printed)
			}
		}
		return nil
	})
	p.Terminate(t)

	repair := func(further ...string) (string, int) {
		return call(t, append([]string{"repair", "--data-dir", p.DataDir()}, further...)...)
	}
	printed, code := repair()
	assert.Equal(t, 1, code)
	assert.Contains(t, printed, "30 rows of logs/date=")
	assert.FileExists(t, lost, "a dry run changes nothing")
	printed, code = repair("--apply")
	require.Zero(t, code, printed)
	assert.NoFileExists(t, lost)
	command := regexp.MustCompile(`start penstock once with its usual flags and --config (\S+) after the others, wait until its job is done \(GET (\S+) at`).FindStringSubmatch(printed)
	require.Len(t, command, 3, printed)
	printed, code = repair("--apply")
	require.Equal(t, 1, code, printed)
	assert.Contains(t, printed, "the journal gave 0 of 30 again")

	again := process.Start(t, process.Settings{Configs: []string{"profile:standalone", command[1]}, DataDir: p.DataDir()})
	ask.Eventually(t, func() error {
		_, body, err := process.Fetch(t.Context(), "http://"+again.Admin()+command[2])
		if err != nil {
			return err
		}
		var jobs struct {
			Replays []struct{ Status struct{ Phase string } }
		}
		if err := json.Unmarshal([]byte(body), &jobs); err != nil {
			return err
		}
		if len(jobs.Replays) != 1 || jobs.Replays[0].Status.Phase != "done" {
			return errors.New(body)
		}
		return nil
	})
	again.Terminate(t)
	printed, code = repair("--apply")
	require.Zero(t, code, printed)
	assert.Contains(t, printed, "the journal gave 30 of 30 again")
	require.NoError(t, rows(30))
	printed, code = repair("--full")
	require.Zero(t, code, printed)

	p.Restart(t)
	post(3)
	ask.Eventually(t, isMerged)
	p.Terminate(t)
	texts := ask.LakeTexts(t, p.Lake(), "logs", "body")
	assert.Len(t, texts, 40)
	for text, n := range texts {
		assert.Equal(t, 1, n, text)
	}
}
