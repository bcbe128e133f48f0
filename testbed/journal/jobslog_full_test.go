//go:build full

package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/testbed/backends/kafka"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// On a real Kafka the leader keeps the log of jobs short too; and where somebody has told the topic to keep the last record of each key, the
// broker's cleaner finds none of the log's to drop: jobs that are open or have ended are there after it has run.
func TestTheLogOfJobsSurvivesTheCleaner(t *testing.T) {
	k := kafka.Start(t, 3)
	f := newFleet(t, k)
	config := filepath.Join(t.TempDir(), "jobs.yaml")
	require.NoError(t, os.WriteFile(config, []byte(windowsOfASecond), 0o600))
	p := process.Start(t, process.Settings{Configs: []string{"profile:gateway", f.config, config}, Env: map[string]string{
		"PENSTOCK_KAFKA_BROKERS": k.Addresses()[0], "PENSTOCK_KAFKA_TOPIC_PREFIX": f.prefix,
		"PENSTOCK_LAKE_URL": f.lake, "PENSTOCK_REMOTE_WRITE_URL": "http://" + f.store.TSDB() + "/api/v1/write",
	}})
	threeJobs(t, p)
	l := newJobsLog(t, k.Addresses()[0], f.prefix)
	l.grow("open")
	p.Terminate(t)
	p.Restart(t)
	ask.Eventually(t, func() error { return jobsAre(t, p, "ended done, open paused") })

	// More entries follow those that the leader rewrote, and then the log is cleaned.
	for range 3 {
		askReplays(t, p, "POST", "/open/resume", "")
		askReplays(t, p, "POST", "/open/pause", "")
	}
	l.clean()
	p.Kill()
	p.Restart(t)
	ask.Eventually(t, func() error { return jobsAre(t, p, "ended done, open paused") })
	_, ended := askReplays(t, p, "GET", "/ended", "")
	require.EqualValues(t, 60, ended["status"].(map[string]any)["counts"].(map[string]any)["records"])
	askReplays(t, p, "POST", "/open/resume", "")
	ask.Eventually(t, func() error { return jobsAre(t, p, "ended done, open done") })
	_, open := askReplays(t, p, "GET", "/open", "")
	require.EqualValues(t, 60, open["status"].(map[string]any)["counts"].(map[string]any)["records"])
}

// clean makes the brokers compact the topic, and waits until of two foreign records with one key one is gone.
func (l *jobsLog) clean() {
	l.t.Helper()
	adm := kadm.NewClient(l.client)
	set := func(key, value string) kadm.AlterConfig {
		return kadm.AlterConfig{Op: kadm.SetConfig, Name: key, Value: &value}
	}
	brokers, err := adm.AlterBrokerConfigs(l.t.Context(), []kadm.AlterConfig{set("log.cleaner.backoff.ms", "500")})
	require.NoError(l.t, err)
	for _, b := range brokers {
		require.NoError(l.t, b.Err)
	}
	altered, err := adm.AlterTopicConfigs(l.t.Context(), []kadm.AlterConfig{
		set("cleanup.policy", "compact"), set("min.cleanable.dirty.ratio", "0.001"), set("segment.ms", "200"), set("min.compaction.lag.ms", "0"), set("max.compaction.lag.ms", "1000"),
	}, l.topic)
	require.NoError(l.t, err)
	for _, a := range altered {
		require.NoError(l.t, a.Err)
	}
	write := func(key string) {
		record := &kgo.Record{Topic: l.topic, Key: []byte(key), Value: []byte("{}")}
		require.NoError(l.t, l.client.ProduceSync(l.t.Context(), record).FirstErr())
	}
	write("foreign")
	write("foreign")
	ask.Eventually(l.t, func() error {
		write(fmt.Sprint("roll ", time.Now())) // A segment is cleaned once there is a later one.
		if n := l.count("foreign"); n != 1 {
			return fmt.Errorf("%d records of one key", n)
		}
		return nil
	})
}

// count reads the topic and counts the records of a key.
func (l *jobsLog) count(key string) (n int) {
	l.t.Helper()
	first, next := l.bounds()
	reader, err := kgo.NewClient(append(l.client.Opts(), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{l.topic: {0: kgo.NewOffset().At(first)}}))...)
	require.NoError(l.t, err)
	defer reader.Close()
	for at := first; at < next; { // The last record is never cleaned away.
		fetches := reader.PollFetches(l.t.Context())
		require.NoError(l.t, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			at = r.Offset + 1
			if string(r.Key) == key {
				n++
			}
		})
	}
	return n
}
