package kafkareplayreceiver_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"

	kafkareplay "github.com/penstockhq/penstock/receivers/kafkareplayreceiver"
)

// member starts a follower with an admin extension, and a session longer than any test waits.
func (w *world) member(t *testing.T, instance string, s *sink) (receiver.Logs, *adminHost) {
	t.Helper()
	factory := kafkareplay.NewFactory()
	cfg := factory.CreateDefaultConfig().(*kafkareplay.Config)
	cfg.Kafka.Brokers = w.kafka.ListenAddrs()
	cfg.Kafka.TopicPrefix = "p"
	cfg.Follow.Group, cfg.Follow.InstanceID, cfg.Follow.SessionTimeout = "loki", instance, 5*time.Minute
	set := receivertest.NewNopSettings(factory.Type())
	set.ID = component.MustNewIDWithName("kafka_replay", "loki")
	r, err := factory.CreateLogs(t.Context(), set, cfg, s.consumer(t))
	require.NoError(t, err)
	host := newAdminHost()
	require.NoError(t, r.Start(t.Context(), host))
	t.Cleanup(func() { require.NoError(t, r.Shutdown(context.Background())) })
	return r, host
}

// call asks the API of the receiver's members.
func (h *adminHost) call(t *testing.T, method, path string) (int, string) {
	t.Helper()
	h.mu.Lock()
	handler := h.mounts["kafka_replay/loki"]
	h.mu.Unlock()
	require.NotNil(t, handler)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w.Code, w.Body.String()
}

// shares waits until both sinks get something.
func (w *world) shares(t *testing.T, prefix string, one, two *sink) {
	t.Helper()
	n := 0
	had := one.count()
	require.Eventually(t, func() bool {
		n++
		w.write(t, "t", bodies(fmt.Sprint(prefix, n, "-"), 8)...)
		return two.count() > 0 && one.count() > had
	}, 30*time.Second, 50*time.Millisecond)
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

func TestAStaticMemberThatLeavesForGoodIsNotMissed(t *testing.T) {
	w := newWorld(t)
	one, two := newSink(), newSink()
	_, first := w.member(t, "gateway-0", one)
	w.write(t, "t", bodies("a", 20)...)
	one.waitFor(t, 20)
	_, second := w.member(t, "gateway-1", two)
	w.shares(t, "b", one, two)

	for range 2 { // A repeated hook does no harm.
		status, body := first.call(t, "POST", "/v1/leave")
		require.Equal(t, 204, status, body)
	}
	before := two.count()
	w.write(t, "t", bodies("c", 40)...)
	two.waitFor(t, before+40) // its own and those of the partitions that the first had
	status, _ := second.call(t, "DELETE", "/v1/members/gateway-0")
	assert.Equal(t, 404, status)
}

func TestAStaticMemberThatDiedForGoodIsRemovedByAnother(t *testing.T) {
	w := newWorld(t)
	one, two := newSink(), newSink()
	first, api := w.member(t, "gateway-0", one)
	w.write(t, "t", bodies("a", 20)...)
	one.waitFor(t, 20)
	_, second := w.member(t, "gateway-1", two)
	w.shares(t, "b", one, two)
	require.NoError(t, first.Shutdown(t.Context()))
	api.mu.Lock()
	assert.Empty(t, api.mounts)
	api.mu.Unlock()

	before := two.count()
	status, body := second.call(t, "DELETE", "/v1/members/gateway-1")
	assert.Equal(t, 409, status, "itself: it would join again at once")
	assert.Contains(t, body, "POST leave")
	status, body = second.call(t, "DELETE", "/v1/members/gateway-0")
	require.Equal(t, 204, status, body)
	w.write(t, "t", bodies("c", 40)...)
	two.waitFor(t, before+40)
}

func TestLeaveIsForStaticMembers(t *testing.T) {
	w := newWorld(t)
	s := newSink()
	_, host := w.member(t, "", s)
	w.write(t, "t", "a")
	s.waitFor(t, 1)
	status, body := host.call(t, "POST", "/v1/leave")
	assert.Equal(t, 409, status)
	assert.Contains(t, body, "instance_id")
	status, body = host.call(t, "GET", "/v1/members")
	assert.Equal(t, 200, status)
	assert.Contains(t, body, `"signal": "logs"`)
	w.write(t, "t", "b")
	s.waitFor(t, 2)
}
