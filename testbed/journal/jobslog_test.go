package journal

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// grown is how many entries make the leader rewrite the log of jobs.
const grown = 6000

// jobsLog is the topic in which a gateway keeps its jobs.
type jobsLog struct {
	t      testing.TB
	client *kgo.Client
	topic  string
}

func newJobsLog(t testing.TB, broker, prefix string) *jobsLog {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.MetadataMinAge(100*time.Millisecond),
		kgo.ProducerBatchCompression(kgo.NoCompression())) // so that it is long on disk too
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return &jobsLog{t, client, prefix + ".jobs.jobs"}
}

// wishes writes the entries of a client that requests a pause of a job very often.
func (l *jobsLog) wishes(id string, n int) {
	l.t.Helper()
	records := make([]*kgo.Record, n)
	by := strings.Repeat("x", 2000)
	for i := range records {
		records[i] = &kgo.Record{Topic: l.topic, Key: fmt.Appendf(nil, "%s %s %d", id, time.Now(), i), Value: fmt.Appendf(nil, `{"id":%q,"by":%q,"want":"pause"}`, id, by)}
	}
	require.NoError(l.t, l.client.ProduceSync(l.t.Context(), records...).FirstErr())
}

// bounds are the first offset and the one after the last.
func (l *jobsLog) bounds() (first, next int64) {
	l.t.Helper()
	adm := kadm.NewClient(l.client)
	starts, err := adm.ListStartOffsets(l.t.Context(), l.topic)
	require.NoError(l.t, err)
	ends, err := adm.ListEndOffsets(l.t.Context(), l.topic)
	require.NoError(l.t, err)
	start, _ := starts.Lookup(l.topic, 0)
	end, _ := ends.Lookup(l.topic, 0)
	return start.Offset, end.Offset
}

// grow makes the log long, and waits until the leader has made it short again. It leaves that for later when somebody writes meanwhile,
// so there is a later.
func (l *jobsLog) grow(id string) {
	l.t.Helper()
	l.wishes(id, grown)
	ask.Eventually(l.t, func() error {
		l.wishes(id, 10)
		if first, next := l.bounds(); next-first > 2000 {
			return fmt.Errorf("the log of jobs has offsets %d to %d", first, next)
		}
		return nil
	})
}

// threeJobs makes one that is paused, one that is done, and one that was deleted, over metrics that are sent for them.
func threeJobs(t testing.TB, p *process.Process) {
	t.Helper()
	const records = 60
	for n := range records {
		answer, err := send.Post(p.HTTP(), "/v1/metrics", metricRequest(n), "Content-Type", "application/x-protobuf")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	}
	ask.Eventually(t, func() error { // a window that is not over is not replayed
		_, answer := askReplays(t, p, http.MethodPost, "", `{"signal":"metrics","from":"-1h","dry_run":true,"force":true}`)
		estimate, _ := answer["estimate"].(map[string]any)
		if n, _ := estimate["records"].(float64); n < records {
			return fmt.Errorf("%v", answer)
		}
		return nil
	})
	for id, more := range map[string]string{"open": `,"records_per_second":10`, "ended": "", "deleted": ""} {
		status, answer := askReplays(t, p, http.MethodPost, "", fmt.Sprintf(`{"id":%q,"signal":"metrics","from":"-1h","force":true%s}`, id, more))
		require.Equal(t, http.StatusCreated, status, "%v", answer)
	}
	askReplays(t, p, http.MethodPost, "/open/pause", "")
	askReplays(t, p, http.MethodDelete, "/deleted", "")
	ask.Eventually(t, func() error { return jobsAre(t, p, "ended done, open paused") })
}

// jobsAre compares the jobs and their phases.
func jobsAre(t testing.TB, p *process.Process, want string) error {
	t.Helper()
	_, answer := askReplays(t, p, http.MethodGet, "", "")
	phases := map[string]string{}
	all, _ := answer["replays"].([]any)
	for _, r := range all {
		job := r.(map[string]any)
		id := job["spec"].(map[string]any)["id"].(string)
		phases[id] = job["status"].(map[string]any)["phase"].(string)
	}
	var got []string
	for _, id := range []string{"deleted", "ended", "open"} {
		if phase, ok := phases[id]; ok {
			got = append(got, id+" "+phase)
		}
	}
	if text := strings.Join(got, ", "); text != want {
		return fmt.Errorf("jobs are %q, want %q", text, want)
	}
	return nil
}

// askReplays calls the API of jobs until it is there.
func askReplays(t testing.TB, p *process.Process, method, path, body string) (status int, answer map[string]any) {
	t.Helper()
	ask.Eventually(t, func() error {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.Admin()+"/v1/replays"+path, strings.NewReader(body))
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		if resp.StatusCode == http.StatusServiceUnavailable {
			return fmt.Errorf("not there yet: %s", text)
		}
		if status, answer = resp.StatusCode, nil; len(text) > 0 {
			return json.Unmarshal(text, &answer)
		}
		return nil
	})
	return status, answer
}

// windowsOfASecond lets jobs replay data that was sent a moment ago.
const windowsOfASecond = `
receivers: {kafka_replay/jobs: {jobs: {windows: [1s]}}}
`

// An embedded Kafka does not compact: the leader keeps the log of jobs short, on disk too, and nothing that it says is lost.
func TestTheLogOfJobsStaysShort(t *testing.T) {
	config := filepath.Join(t.TempDir(), "jobs.yaml")
	require.NoError(t, os.WriteFile(config, []byte(windowsOfASecond), 0o600))
	p := process.Start(t, process.Settings{Configs: []string{"profile:standalone", config}})
	threeJobs(t, p)
	l := newJobsLog(t, p.Variable("PENSTOCK_KAFKA_ENDPOINT"), "penstock")
	for range 3 {
		l.grow("open")
	}
	_, next := l.bounds()
	require.Greater(t, next, int64(3*grown), "so many were written")
	ask.Eventually(t, func() error {
		if size := sizeOf(t, p.DataDir(), l.topic); size > 16<<20 {
			return fmt.Errorf("the log of jobs takes %d bytes", size)
		}
		return nil
	})
	p.Kill()
	p.Restart(t)
	ask.Eventually(t, func() error { return jobsAre(t, p, "ended done, open paused") })
	askReplays(t, p, http.MethodPost, "/open/resume", "")
	ask.Eventually(t, func() error { return jobsAre(t, p, "ended done, open done") })
}

// sizeOf adds up the files below dir whose path has the topic's name in it.
func sizeOf(t testing.TB, dir, topic string) (size int64) {
	t.Helper()
	files := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(path, topic) {
			return nil // deleted meanwhile
		}
		if info, err := d.Info(); err == nil {
			size += info.Size()
			files++
		}
		return nil
	}))
	require.Positive(t, files, "files of %s", topic)
	return size
}
