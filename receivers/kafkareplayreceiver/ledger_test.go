package kafkareplayreceiver_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/penstockhq/penstock/internal/ledger"
	kafkareplay "github.com/penstockhq/penstock/receivers/kafkareplayreceiver"
)

// keeper is a ledger extension, and the host that has it.
type keeper struct {
	component.StartFunc
	component.ShutdownFunc
	component.Host
	mu      sync.Mutex
	sources []ledger.Source // guarded by mu
}

func newKeeper() *keeper { return &keeper{Host: componenttest.NewNopHost()} }

func (k *keeper) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{component.MustNewID("ledger"): k}
}

func (k *keeper) Follow(s ledger.Source) func() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sources = append(k.sources, s)
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.sources = slices.DeleteFunc(k.sources, func(x ledger.Source) bool { return x == s })
	}
}

func (k *keeper) only(t *testing.T) ledger.Source {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	require.Len(t, k.sources, 1)
	return k.sources[0]
}

// followFor starts a follower whose ledger k keeps.
func (w *world) followFor(t *testing.T, k *keeper, s *sink) receiver.Logs {
	t.Helper()
	factory := kafkareplay.NewFactory()
	cfg := factory.CreateDefaultConfig().(*kafkareplay.Config)
	cfg.Kafka.Brokers, cfg.Kafka.TopicPrefix, cfg.Follow.Group = w.kafka.ListenAddrs(), "p", "loki"
	require.NoError(t, confmap.Validate(cfg))
	r, err := factory.CreateLogs(t.Context(), receivertest.NewNopSettings(factory.Type()), cfg, s.consumer(t))
	require.NoError(t, err)
	require.NoError(t, r.Start(t.Context(), k))
	t.Cleanup(func() { require.NoError(t, r.Shutdown(context.Background())) })
	return r
}

// sumOf waits until the books have received so many items, and returns their sum.
func sumOf(t *testing.T, s ledger.Source, received int64) (all ledger.Cell) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		parts, err := s.All(context.Background())
		require.NoError(c, err)
		all = ledger.Cell{}
		for _, p := range parts {
			require.NotNil(c, p.Book, p.Missing)
			total := p.Book.Total()
			all.Add(&total)
			assert.LessOrEqual(c, p.Book.Next, p.End)
		}
		assert.Equal(c, received, all.Received)
	}, 60*time.Second, 50*time.Millisecond)
	return all
}

func TestTheLedgerKnowsWhatBecameOfEachRecord(t *testing.T) {
	w := newWorld(t)
	s := newSink()
	s.fail = func(body string) error {
		if body == "poison" {
			return consumererror.NewPermanent(errors.New("never"))
		}
		return nil
	}
	s.drops = func(body string) bool { return body == "refused" }
	w.write(t, "acme", bodies("a", 20)...)
	w.write(t, "acme", "same", "same", "poison", "refused")
	broken := &kgo.Record{Topic: "p.logs", Partition: 0, Value: []byte("\xff"), Headers: []kgo.RecordHeader{{Key: "penstock-items", Value: []byte("7")}}}
	require.NoError(t, w.c.ProduceSync(t.Context(), broken).FirstErr())
	k := newKeeper()
	r := w.followFor(t, k, s)
	want := ledger.Cell{Received: 31, Stored: 21, Dropped: map[string]int64{"duplicate": 1, "dead_letter": 1, "dropped": 1, "decode": 7}}
	assert.Equal(t, want, sumOf(t, k.only(t), 31))

	// The next process continues the book, wherever it runs.
	require.NoError(t, r.Shutdown(t.Context()))
	k.mu.Lock()
	assert.Empty(t, k.sources, "a follower that has stopped is in no answer")
	k.mu.Unlock()
	w.write(t, "other", bodies("b", 5)...)
	later := newKeeper()
	w.followFor(t, later, s)
	want.Received, want.Stored = 36, 26
	assert.Equal(t, want, sumOf(t, later.only(t), 36))
	assert.LessOrEqual(t, len(later.only(t).Own()), 4)
}

// Each member of a group answers for the whole journal: it reads the books of others in the state topic.
func TestEachGatewayKnowsTheLedgerOfAll(t *testing.T) {
	w := newWorld(t)
	one, two := newKeeper(), newKeeper()
	s := newSink()
	w.followFor(t, one, s)
	w.followFor(t, two, s)
	w.write(t, "acme", bodies("a", 40)...)
	for _, k := range []*keeper{one, two} {
		assert.Equal(t, ledger.Cell{Received: 40, Stored: 40}, sumOf(t, k.only(t), 40))
	}
}

func TestWhatIsBufferedIsRead(t *testing.T) {
	w := newWorld(t)
	s := newSink()
	s.fail = func(string) error { return errors.New("down") }
	w.write(t, "acme", bodies("a", 12)...)
	k := newKeeper()
	w.followFor(t, k, s)
	source := k.only(t)
	buffered := int64(0)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		parts, err := source.All(context.Background())
		require.NoError(c, err)
		buffered = 0
		for _, p := range parts {
			require.NotNil(c, p.Book, p.Missing)
			upTo, err := source.Scan(context.Background(), p.Index, p.Book.Next, p.End, 1<<20, func(_ int64, content ledger.Content) {
				content.Each(ledger.ByReceipt, func(k ledger.Key, items int64) {
					assert.Equal(c, "acme", k.Tenant)
					buffered += items
				})
			})
			require.NoError(c, err)
			assert.Equal(c, p.End, upTo)
		}
	}, 60*time.Second, 50*time.Millisecond)
	assert.EqualValues(t, 12, buffered)
}
