package kafkareplayreceiver_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/penstockhq/penstock/internal/delivery"
	kafkareplay "github.com/penstockhq/penstock/receivers/kafkareplayreceiver"
)

// replayInto starts a receiver with jobs for logs whose pipeline is consume.
func (w *world) replayInto(t *testing.T, host component.Host, consume consumer.ConsumeLogsFunc, workers int) {
	t.Helper()
	factory := kafkareplay.NewFactory()
	cfg := jobsConfig(t, w)
	cfg.Jobs.Get().Workers = workers
	next, err := consumer.NewLogs(consume)
	require.NoError(t, err)
	r, err := factory.CreateLogs(t.Context(), receivertest.NewNopSettings(factory.Type()), cfg, next)
	require.NoError(t, err)
	require.NoError(t, r.Start(t.Context(), host))
	t.Cleanup(func() { require.NoError(t, r.Shutdown(context.Background())) })
}

func (w *world) followInto(t *testing.T, consume consumer.ConsumeLogsFunc) {
	t.Helper()
	factory := kafkareplay.NewFactory()
	cfg := factory.CreateDefaultConfig().(*kafkareplay.Config)
	cfg.Kafka.Brokers = w.kafka.ListenAddrs()
	cfg.Kafka.TopicPrefix = "p"
	cfg.Follow.Group = "live"
	next, err := consumer.NewLogs(consume)
	require.NoError(t, err)
	r, err := factory.CreateLogs(t.Context(), receivertest.NewNopSettings(factory.Type()), cfg, next)
	require.NoError(t, err)
	require.NoError(t, r.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { require.NoError(t, r.Shutdown(context.Background())) })
}

func firstBody(ld plog.Logs) string {
	for _, rl := range ld.ResourceLogs().All() {
		return rl.ScopeLogs().At(0).LogRecords().At(0).Body().Str()
	}
	return ""
}

// Exporters retry without end. The parts of a job whose sink accepts nothing must not keep the slots of others.
func TestAJobIntoADeadSinkHoldsNoPlaceThatAnotherNeeds(t *testing.T) {
	w := newWorld(t)
	w.write(t, "dead", bodies("dead", 40)...)
	w.write(t, "healthy", bodies("healthy", 40)...)
	host := newAdminHost()
	var mu sync.Mutex
	blocked := 0
	w.replayInto(t, host, func(ctx context.Context, ld plog.Logs) error {
		if strings.HasPrefix(firstBody(ld), "dead") {
			mu.Lock()
			blocked++
			mu.Unlock()
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}, 1)
	status, out := host.create(t, `{"id":"dead","from":"-1h","tenants":["dead"]}`)
	require.Equal(t, http.StatusCreated, status, out)
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return blocked > 0 }, 30*time.Second, 5*time.Millisecond)
	status, out = host.create(t, `{"id":"healthy","from":"-1h","tenants":["healthy"]}`)
	require.Equal(t, http.StatusCreated, status, out)
	assert.EqualValues(t, 40, counts(host.await(t, "healthy", "done"))["items"])
	assert.Equal(t, "running", host.job(t, "dead")["status"].(map[string]any)["phase"])
}

// The components downstream of a job know what spreads streams over partitions, as with a follower: a rule that merges streams of several
// is refused.
func TestAJobsRulesAreCheckedAsAFollowers(t *testing.T) {
	w := newWorld(t)
	w.write(t, "t", bodies("a", 4)...)
	seen := map[string]chan []string{"job": make(chan []string, 100), "live": make(chan []string, 100)}
	look := func(ctx context.Context, _ plog.Logs) error {
		d := delivery.Of(ctx)
		who := "live"
		if id, ok := d.Source().Job(); ok {
			who = id
		}
		select {
		case seen[who] <- d.SpreadBy():
		default:
		}
		return errors.New("rules::0: several partitions would write one series")
	}
	host := newAdminHost()
	w.replayInto(t, host, look, 4)
	w.followInto(t, look)
	status, out := host.create(t, `{"id":"job","from":"-1h"}`)
	require.Equal(t, http.StatusCreated, status, out)
	live := <-seen["live"]
	assert.NotEmpty(t, live)
	assert.Equal(t, live, <-seen["job"])
	require.Eventually(t, func() bool { // Users see why the job makes no progress.
		reason, _ := host.job(t, "job")["status"].(map[string]any)["reason"].(string)
		return strings.Contains(reason, "several partitions would write one series")
	}, 30*time.Second, 10*time.Millisecond)
}

// An exporter remembers which part of a batch its sink has. That ends with the job: created again under the same id, it sends everything
// again.
func TestAJobThatIsCancelledAndMadeAgainDeliversEverything(t *testing.T) {
	w := newWorld(t)
	w.write(t, "t", bodies("a", 40)...)
	host := newAdminHost()
	remembered := delivery.NewPerSource(func() *sync.Map { return &sync.Map{} })
	var mu sync.Mutex
	stored, down := map[string]bool{}, true
	w.replayInto(t, host, func(ctx context.Context, ld plog.Logs) error {
		mu.Lock()
		defer mu.Unlock()
		for _, rl := range ld.ResourceLogs().All() {
			body := rl.ScopeLogs().At(0).LogRecords().At(0).Body().Str()
			if _, has := remembered.Of(ctx).LoadOrStore(body, true); !has {
				stored[body] = true
			}
			if down && len(stored) > 5 { // The rest of the batch is delivered again.
				return errors.New("away")
			}
		}
		return nil
	}, 4)
	status, out := host.create(t, `{"id":"again","from":"-1h"}`)
	require.Equal(t, http.StatusCreated, status, out)
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(stored) > 5 }, 30*time.Second, 5*time.Millisecond)
	status, out = host.ask(t, "DELETE", "/replays/again", "")
	require.Contains(t, []int{http.StatusAccepted, http.StatusNoContent}, status, out)
	require.Eventually(t, func() bool {
		status, _ := host.ask(t, "GET", "/replays/again", "")
		return status == http.StatusNotFound
	}, 30*time.Second, 10*time.Millisecond)
	mu.Lock()
	clear(stored) // as replace does
	down = false
	mu.Unlock()
	status, out = host.create(t, `{"id":"again","from":"-1h"}`)
	require.Equal(t, http.StatusCreated, status, out)
	assert.EqualValues(t, 40, counts(host.await(t, "again", "done"))["items"])
	mu.Lock()
	defer mu.Unlock()
	assert.Len(t, stored, 40)
}
