package smoke

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// fileDamages are what power cuts, broken disks and people leave of a file.
var fileDamages = map[string]func(b []byte) []byte{
	"empty":   func([]byte) []byte { return nil },
	"zeroed":  func(b []byte) []byte { return make([]byte, len(b)) },
	"cut":     func(b []byte) []byte { return b[:9000] }, // in the first page behind the roots
	"flipped": func(b []byte) []byte { b[20] ^= 1; b[4096+20] ^= 1; return b },
}

// Every file of queues, positions and states is damaged in turn: the next start succeeds, names the file and what may be lost, and
// the others are as they were.
func TestADamagedFileStopsNothing(t *testing.T) {
	dead := freeport.One(t)
	for profile, env := range map[string]map[string]string{
		"agent": {"PENSTOCK_GATEWAY_ENDPOINT": dead},
		"gateway": {"PENSTOCK_REMOTE_WRITE_URL": "http://" + dead + "/api/v1/write", "PENSTOCK_LOKI_URL": "http://" + dead,
			"PENSTOCK_OTLP_EXPORT_ENDPOINT": dead},
	} {
		t.Run(profile, func(t *testing.T) {
			dir := t.TempDir()
			logs := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(logs, "a.log"), []byte("a line\n"), 0o600))
			if profile == "agent" {
				env["PENSTOCK_LOG_FILES"] = filepath.Join(logs, "*.log")
				env["PENSTOCK_STATSD_ENDPOINT"] = net.JoinHostPort("127.0.0.1", portOf(freeport.One(t)))
			}
			p := process.Start(t, process.Settings{Configs: []string{"profile:" + profile}, DataDir: dir, Env: env})
			post(t, p, 3, time.Now())
			p.Terminate(t)

			files := stored(t, dir)
			require.Greater(t, len(files), 3)
			for name, damage := range fileDamages {
				for i, path := range files {
					if (i+len(name))%len(fileDamages) != 0 {
						continue // each file once or twice, each damage several times
					}
					b, err := os.ReadFile(path)
					require.NoError(t, err)
					require.NoError(t, os.WriteFile(path, damage(b), 0o600))
				}
				p.Restart(t)
				p.Terminate(t)
				log := p.Log()
				for i, path := range files {
					if (i+len(name))%len(fileDamages) == 0 {
						aside, err := filepath.Glob(path + ".damaged-*")
						require.NoError(t, err)
						assert.NotEmpty(t, aside, "%s %s", name, path)
						assert.Contains(t, log, path+".damaged-")
					}
					assert.FileExists(t, path)
				}
			}
		})
	}
}

// A zeroed file of the lake: repair sets it aside, a job reads its range from the journal again, and repair moves the rows in.
func TestRepairOfTheLake(t *testing.T) {
	p := process.Start(t, process.Settings{Args: []string{"--set=receivers::kafka_replay/lake::follow::range::max_wait=1s"}})
	post(t, p, 7, time.Now())
	post(t, p, 5, time.Now().Add(-3*time.Hour))
	ask.Eventually(t, func() error {
		if rows := ask.LakeRows(t, p.Lake(), "logs"); rows != 12 {
			return fmt.Errorf("%d rows", rows)
		}
		return nil
	})
	p.Terminate(t)
	whole, code := call(t, "repair", "--data-dir", p.DataDir(), "--lake", p.Lake(), "--full")
	require.Zero(t, code, whole)

	var damaged string
	for _, path := range ask.LakeFiles(t, p.Lake(), "logs") {
		damaged = max(damaged, path) // of the newer hour, or the only one
	}
	info, err := os.Stat(damaged)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(damaged, make([]byte, info.Size()), 0o600))
	printed, code := call(t, "repair", "--data-dir", p.DataDir(), "--lake", p.Lake())
	assert.Equal(t, 1, code)
	assert.Contains(t, printed, damaged)
	assert.Contains(t, printed, "the file is zeroed")
	assert.FileExists(t, damaged, "a dry run changes nothing")

	printed, code = call(t, "repair", "--data-dir", p.DataDir(), "--lake", p.Lake(), "--apply")
	require.Zero(t, code, printed)
	left := ask.LakeRows(t, p.Lake(), "logs")
	require.Less(t, left, int64(12))
	configs, err := filepath.Glob(filepath.Join(p.Lake(), "_refill", "*.yaml"))
	require.NoError(t, err)
	require.Len(t, configs, 1)

	again := process.Start(t, process.Settings{Configs: []string{"profile:standalone", configs[0]}, DataDir: p.DataDir()})
	ask.Eventually(t, func() error {
		var files []string
		for _, dir := range refills(t, p.Lake()) {
			files = append(files, ask.LakeFiles(t, dir, "logs")...)
		}
		if len(files) == 0 {
			return fmt.Errorf("the job has written nothing yet")
		}
		return nil
	})
	running, code := call(t, "repair", "--data-dir", p.DataDir(), "--lake", p.Lake(), "--apply")
	assert.Equal(t, 1, code)
	assert.Contains(t, running, "in use")
	again.Terminate(t)
	printed, code = call(t, "repair", "--data-dir", p.DataDir(), "--lake", p.Lake(), "--apply")
	require.Zero(t, code, printed)
	assert.EqualValues(t, 12, ask.LakeRows(t, p.Lake(), "logs"), "every row is there, once")
	printed, code = call(t, "repair", "--data-dir", p.DataDir(), "--lake", p.Lake(), "--full")
	require.Zero(t, code, printed)
}

// post sends n log records of that time, and waits for the answer.
func post(t *testing.T, p *process.Process, n int, at time.Time) {
	t.Helper()
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "kitchen")
	records := rl.ScopeLogs().AppendEmpty().LogRecords()
	for i := range n {
		r := records.AppendEmpty()
		r.SetTimestamp(pcommon.NewTimestampFromTime(at))
		r.Body().SetStr(fmt.Sprintf("the kettle boils %d", i))
	}
	answer, err := send.Logs(p.HTTP(), ld)
	require.NoError(t, err)
	require.Equal(t, 200, answer.Status, answer.Body)
}

// stored lists the files of queues, positions and states below dir.
func stored(t *testing.T, dir string) (files []string) {
	t.Helper()
	for _, kind := range []string{"exporter", "receiver", "processor"} {
		found, err := filepath.Glob(filepath.Join(dir, "*", kind+"_*"))
		require.NoError(t, err)
		files = append(files, found...)
	}
	return files
}

func refills(t *testing.T, lake string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(lake, "_refill"))
	require.NoError(t, err)
	var dirs []string
	for _, e := range entries {
		if e.IsDir() {
			dirs = append(dirs, filepath.Join(lake, "_refill", e.Name()))
		}
	}
	return dirs
}

func portOf(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }
