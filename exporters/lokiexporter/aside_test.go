package lokiexporter

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/delivery"
)

// deadLetter keeps letters.
type deadLetter struct {
	waiting []string
	mu      sync.Mutex
	full    bool     // guarded by mu
	lines   []string // "tenant: line"; guarded by mu
	reasons []string // guarded by mu
}

func (d *deadLetter) Keep(_ context.Context, l delivery.Letter) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full {
		return errors.New("full")
	}
	d.reasons = append(d.reasons, l.By+" "+l.Reason)
	ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(l.Request)
	if err != nil {
		return err
	}
	for _, rl := range ld.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, lr := range sl.LogRecords().All() {
				d.lines = append(d.lines, l.Tenant+": "+lr.Body().Str())
			}
		}
	}
	return nil
}

func (d *deadLetter) Waiting(context.Context) []string { return d.waiting }

func (d *deadLetter) kept() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.lines...)
}

// behind returns the context of a delivery for tenant.
func (d *deadLetter) behind(ctx context.Context, tenant string) context.Context {
	ctx = client.NewContext(ctx, client.Info{Metadata: client.NewMetadata(map[string][]string{"x-scope-orgid": {tenant}})})
	return delivery.Delivery{Aside: d, Outcome: &delivery.Outcome{}}.In(ctx)
}

// refusing answers 403 to one tenant as long as closed is set, and 422 to empty requests of others.
func refusing(tenant string, closed *atomic.Bool) func(arrival) reply {
	return func(a arrival) reply {
		switch {
		case a.tenant == tenant && closed.Load():
			return reply{status: http.StatusForbidden, body: "the account is closed", refused: true}
		case len(a.entries) == 0:
			return reply{status: http.StatusUnprocessableEntity, body: "at least one valid stream is required for ingestion", refused: true}
		}
		return reply{status: http.StatusNoContent}
	}
}

// A tenant that Loki refuses delays the others for at most the patience. Its entries are in the dead letter, and when Loki accepts it
// again the exporter finds out.
func TestATenantThatLokiRefusesHoldsUpOthersNoLongerThanThePatience(t *testing.T) {
	var closed atomic.Bool
	closed.Store(true)
	h := start(t, refusing("bad", &closed), func(c *Config) { c.TenantPatience = 50 * time.Millisecond })
	d := &deadLetter{waiting: []string{"bad", "good"}}
	ctx := d.behind(t.Context(), "bad")
	require.NoError(t, h.ConsumeLogs(ctx, logs("a/1", "a/2")))
	assert.Equal(t, []string{"bad: 1", "bad: 2"}, d.kept())
	assert.Regexp(t, "^loki.* tenant_patience$", d.reasons[0])
	assert.Equal(t, map[string]int64{"tenant_patience": 2}, h.counted(t, "refused_entries"))
	assert.EqualValues(t, 2, delivery.Of(ctx).Outcome.Refused(delivery.UnitItem))
	require.NoError(t, h.ConsumeLogs(d.behind(t.Context(), "good"), logs("a/good")))
	assert.Equal(t, []string{"good"}, h.loki.lines())

	closed.Store(false)
	require.Eventually(t, func() bool {
		require.NoError(t, h.ConsumeLogs(d.behind(t.Context(), "bad"), logs("a/back")))
		return len(h.loki.lines()) > 1
	}, 30*time.Second, 10*time.Millisecond)
	before := len(d.kept())
	require.NoError(t, h.ConsumeLogs(d.behind(t.Context(), "bad"), logs("a/normal")))
	assert.Len(t, d.kept(), before)
}

// mendedAfter refuses like answer, and accepts everything after n requests.
func mendedAfter(n int, answer func(arrival) reply) func(arrival) reply {
	seen := 0 // The fake answers one request at a time.
	return func(a arrival) reply {
		if seen++; seen > n {
			return reply{status: http.StatusNoContent}
		}
		return answer(a)
	}
}

// An expired token affects all tenants: everything waits.
func TestNothingIsSetAsideWhereLokiRefusesEverybody(t *testing.T) {
	everybody := func(arrival) reply { return reply{status: http.StatusUnauthorized, refused: true} }
	h := start(t, mendedAfter(20, everybody), func(c *Config) { c.TenantPatience = time.Millisecond })
	d := &deadLetter{waiting: []string{"good"}}
	require.NoError(t, h.ConsumeLogs(d.behind(t.Context(), "bad"), logs("a/1")))
	assert.Empty(t, d.kept())
	assert.Equal(t, []string{"1"}, h.loki.lines())
}

func TestWithoutAJournalATenantIsTriedWithoutEnd(t *testing.T) {
	var closed atomic.Bool
	closed.Store(true)
	h := start(t, mendedAfter(20, refusing("bad", &closed)), func(c *Config) { c.TenantPatience = time.Millisecond })
	d := &deadLetter{waiting: []string{"good"}}
	require.NoError(t, h.ConsumeLogs(delivery.Delivery{}.In(d.behind(t.Context(), "bad")), logs("a/1")))
	assert.Equal(t, []string{"1"}, h.loki.lines())
}

// What the dead letter does not accept is sent again, and not lost.
func TestWhatCanNotBeKeptIsSentAgain(t *testing.T) {
	var closed atomic.Bool
	closed.Store(true)
	h := start(t, mendedAfter(20, refusing("bad", &closed)), func(c *Config) { c.TenantPatience = time.Millisecond })
	d := &deadLetter{waiting: []string{"good"}, full: true}
	require.NoError(t, h.ConsumeLogs(d.behind(t.Context(), "bad"), logs("a/1")))
	assert.Empty(t, h.counted(t, "refused_entries"))
	assert.Equal(t, []string{"1"}, h.loki.lines())
}
