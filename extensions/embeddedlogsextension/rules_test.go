package embeddedlogsextension

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logrules"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/metadata"
)

// series stands for the extension that takes samples.
type series struct {
	component.Component
	tenantLabel string

	mu      sync.Mutex
	written []string // guarded by mu
	refuse  error    // guarded by mu
}

func (s *series) Run() (string, error)                         { return "run", nil }
func (s *series) Sync(context.Context, string) (string, error) { return "", nil }
func (s *series) TenantLabel() string                          { return s.tenantLabel }
func (s *series) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{component.MustNewID("embedded_tsdb"): s}
}
func (s *series) Appender(context.Context) (storage.AppenderV2, error) {
	return &transaction{of: s}, nil
}

type transaction struct {
	storage.AppenderV2
	of  *series
	all []string
}

func (x *transaction) Append(_ storage.SeriesRef, ls labels.Labels, _, t int64, v float64, _ *histogram.Histogram, _ *histogram.FloatHistogram, _ storage.AppendV2Options) (storage.SeriesRef, error) {
	x.of.mu.Lock()
	defer x.of.mu.Unlock()
	x.all = append(x.all, fmt.Sprintf("%s %d %v", ls, t/1000, v))
	return 0, x.of.refuse
}

func (x *transaction) Commit() error {
	x.of.mu.Lock()
	defer x.of.mu.Unlock()
	x.of.written = append(x.of.written, x.all...)
	return nil
}

func (x *transaction) Rollback() error { return nil }

// ruled returns an extension with one rule, and what evaluates it.
func ruled(t *testing.T, to *series, group string) (*recorder, *logrules.Rule) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.yaml")
	require.NoError(t, os.WriteFile(path, []byte("groups: [{name: g, interval: 1m, "+group+"}]"), 0o600))
	e, _ := started(t, func(c *Config) { c.RuleFiles = nil })
	e.cfg.RuleFiles = []string{path}
	require.NoError(t, e.cfg.Validate())
	rules, err := e.cfg.loadRules()
	require.NoError(t, err)
	return &recorder{e: e, to: to}, &rules[0]
}

func (c *recorder) add(t *testing.T, tenant string, at time.Time, text string, attributes ...string) {
	t.Helper()
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "shop")
	lr := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	lr.SetTimestamp(pcommon.NewTimestampFromTime(at))
	lr.Body().SetStr(text)
	for pair := range slices.Chunk(attributes, 2) {
		lr.Attributes().PutStr(pair[0], pair[1])
	}
	_, _, err := c.e.AddLogs(t.Context(), ld, "", 0, time.Now(), func(pcommon.Map) string { return tenant }, nil, false)
	require.NoError(t, err)
	_, err = c.e.Sync(t.Context())
	require.NoError(t, err)
}

func (c *recorder) at(t *testing.T, r *logrules.Rule, at time.Time) ([]string, error) {
	t.Helper()
	all, err := c.evaluate(t.Context(), r, at)
	var texts []string
	for _, s := range all {
		texts = append(texts, fmt.Sprintf("%s %v", s.Labels, s.Value))
	}
	slices.Sort(texts)
	return texts, err
}

func TestARuleSeesItsInterval(t *testing.T) {
	c, r := ruled(t, &series{}, `rules: [{record: lines, expr: '* | stats by (service.name) count() n', labels: {team: a}}]`)
	now := time.Now().Truncate(time.Minute)
	for _, at := range []time.Duration{-time.Minute - 1, -time.Minute, -1, 0} {
		c.add(t, "acme", now.Add(at), "x")
	}
	got, err := c.at(t, r, now)
	require.NoError(t, err)
	assert.Equal(t, []string{`{__name__="lines", service_name="shop", team="a"} 2`}, got, "from the begin of the minute, without its end")
	got, err = c.at(t, r, now.Add(-time.Hour))
	require.NoError(t, err)
	assert.Empty(t, got, "no rows are no sample")
}

func TestARuleWithATimeOfItsOwn(t *testing.T) {
	c, r := ruled(t, &series{}, `rules: [{record: lines, expr: '_time:1h | stats count() n, max(size) m'}]`)
	now := time.Now().Truncate(time.Minute)
	c.add(t, "acme", now.Add(-30*time.Minute), "x")
	got, err := c.at(t, r, now)
	require.NoError(t, err)
	assert.Equal(t, []string{`{__name__="lines", stats_result="n"} 1`}, got, "what has no number has no sample")
}

func TestWhoseASeriesIs(t *testing.T) {
	to := &series{tenantLabel: "tenant_id"}
	now := time.Now().Truncate(time.Minute)
	fill := func(c *recorder) {
		c.add(t, "acme", now.Add(-time.Second), "x", "tenant.id", "globex")
		c.add(t, "globex", now.Add(-time.Second), "x")
	}
	c, r := ruled(t, to, `rules: [{record: lines, expr: '* | stats by (penstock_tenant) count() n'}]`)
	fill(c)
	got, err := c.at(t, r, now)
	require.NoError(t, err)
	assert.Equal(t, []string{`{__name__="lines", tenant_id="acme"} 1`, `{__name__="lines", tenant_id="globex"} 1`}, got)

	c, r = ruled(t, to, `tenant: acme, rules: [{record: lines, expr: '* | stats count() n'}]`)
	fill(c)
	got, err = c.at(t, r, now)
	require.NoError(t, err)
	assert.Equal(t, []string{`{__name__="lines", tenant_id="acme"} 1`}, got)

	c, r = ruled(t, to, `rules: [{record: lines, expr: '* | stats by (tenant.id) count() n'}]`)
	fill(c)
	_, err = c.at(t, r, now)
	assert.ErrorContains(t, err, `would be the label "tenant_id", which tells tenants apart`, "a sender doesn't choose it")
}

func TestEvaluationsThatFail(t *testing.T) {
	now := time.Now().Truncate(time.Minute)
	for _, tt := range []struct {
		group  string
		reason logrules.Reason
		says   string
	}{
		{`limit: 1, rules: [{record: lines, expr: '* | stats by (_msg) count() n'}]`, logrules.MaxSeries, "more than 1 series (limit of the group, rules::max_series)"},
		{`rules: [{record: lines, expr: '* | stats values(_msg) n'}]`, logrules.NotANumber, "is no number"},
		{`rules: [{record: lines, expr: '* | stats by (a.b, a_b) count() n'}]`, logrules.BadQuery, `two fields would be the label "a_b"`},
	} {
		c, r := ruled(t, &series{}, tt.group)
		c.add(t, "acme", now.Add(-time.Second), "one", "a.b", "1", "a_b", "2")
		c.add(t, "acme", now.Add(-time.Second), "two", "a.b", "1", "a_b", "2")
		_, err := c.at(t, r, now)
		var why *logrules.Error
		require.ErrorAs(t, err, &why, tt.group)
		assert.Equal(t, tt.reason, why.Reason)
		assert.ErrorContains(t, err, tt.says)
	}
}

func TestSamplesThatAreRefused(t *testing.T) {
	to := &series{}
	c := &recorder{to: to}
	at := time.Unix(1_700_000_000, 0)
	all := []logrules.Sample{{Labels: labels.FromStrings("__name__", "lines"), Value: 1}}
	require.NoError(t, c.record(t.Context(), at, all))
	assert.Equal(t, []string{`{__name__="lines"} 1700000000 1`}, to.written)
	to.refuse = storage.ErrOutOfBounds
	var why *logrules.Error
	require.ErrorAs(t, c.record(t.Context(), at, all), &why)
	assert.Equal(t, logrules.Refused, why.Reason)
	to.refuse = storage.ErrDuplicateSampleForTimestamp
	require.NoError(t, c.record(t.Context(), at, all), "a start evaluates again what was recorded before a kill")
}

func TestRulesThatStopTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rules.yaml")
	require.NoError(t, os.WriteFile(path, []byte(`groups: [{name: g, rules: [{record: lines, expr: '* | stat'}]}]`), 0o600))
	cfg := createDefaultConfig().(*Config)
	cfg.Directory = t.TempDir()
	cfg.RuleFiles = []string{path}
	assert.ErrorContains(t, cfg.Validate(), `group "g", rules[0]: expr:`)

	require.NoError(t, os.WriteFile(path, []byte(`groups: [{name: g, rules: [{record: lines, expr: '* | stats count() n'}]}]`), 0o600))
	require.NoError(t, cfg.Validate())
	e, err := newExtension(cfg, extensiontest.NewNopSettings(metadata.Type))
	require.NoError(t, err)
	cfg.Rules.TSDB = component.MustNewID("nowhere")
	assert.ErrorContains(t, e.setUpRules(&series{}), `rules::tsdb: extension "nowhere" is not in service::extensions`)
}

func TestHowFarDeliveryIsBehind(t *testing.T) {
	var a arrivals
	now := time.Now()
	assert.Zero(t, a.behind(now))
	a.came("one", now.Add(-time.Minute), now)
	assert.Equal(t, time.Minute, a.behind(now))
	a.came("one", now.Add(-time.Hour), now.Add(time.Second))
	assert.Equal(t, time.Minute, a.behind(now.Add(time.Second)), "a job brings old records")
	assert.Zero(t, a.behind(now.Add(arrivalAge)), "nothing comes any more")
}

// What a sender writes into a text doesn't take the place of its tenant.
func TestASenderForgesNoTenant(t *testing.T) {
	now := time.Now().Truncate(time.Minute)
	rule := func(pipes string) string {
		return `rules: [{record: lines, expr: '* | ` + pipes + ` | stats by (penstock_tenant) count() n'}]`
	}
	for _, pipes := range []string{"unpack_json keep_original_fields", "unpack_logfmt fields (a, b)", `unpack_json from _msg fields (a) result_prefix "in."`, `unpack_json result_prefix "in." | unpack_logfmt keep_original_fields`} {
		c, r := ruled(t, &series{tenantLabel: "tenant"}, rule(pipes))
		c.add(t, "acme", now.Add(-time.Second), `{"penstock_tenant":"globex","a":"1"}`)
		c.add(t, "acme", now.Add(-time.Second), `penstock_tenant=globex a=1`)
		got, err := c.at(t, r, now)
		require.NoError(t, err)
		assert.Equal(t, []string{`{__name__="lines", tenant="acme"} 2`}, got, pipes)
	}
	for _, pipes := range []string{"unpack_json", "filter x | unpack_logfmt from _msg", "unpack_json fields (penstock_tenant)", "unpack_json fields (penstock*)", "unpack_json keep_original_fields | unpack_json",
		"unpack_json if (a:b) from _msg", `unpack_json result_prefix "penstock_"`} {
		path := filepath.Join(t.TempDir(), "rules.yaml")
		require.NoError(t, os.WriteFile(path, []byte("groups: [{name: g, "+rule(pipes)+"}]"), 0o600))
		_, err := (&Config{RuleFiles: []string{path}}).loadRules()
		assert.ErrorContains(t, err, "can overwrite penstock_tenant", pipes)
	}
	ruled(t, &series{}, `rules: [{record: lines, expr: '* | unpack_json | stats by (code) count() n'}]`)
}

// What came before a stop and was not delivered yet comes after the start: evaluations wait for it.
func TestRulesWaitForDeliveryToBegin(t *testing.T) {
	for _, comes := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			e := &logsExtension{opened: make(chan struct{}), stop: make(chan struct{})}
			var evaluated atomic.Int64
			rule := logrules.Rule{Group: "g", Record: "lines", Interval: time.Minute, Timeout: time.Minute}
			var err error
			e.rules, err = logrules.New(logrules.Settings{
				Rules: []logrules.Rule{rule}, CatchUp: time.Hour, State: filepath.Join(t.TempDir(), "rules.json"), Behind: e.arrivals.behind,
				Evaluate: func(context.Context, *logrules.Rule, time.Time) ([]logrules.Sample, error) {
					evaluated.Add(1)
					return nil, nil
				},
				Sync: func(context.Context) error { return nil }, Recorded: func(*logrules.Rule, int) {},
			}, time.Now().Add(-10*time.Minute)) // nine are due
			require.NoError(t, err)
			close(e.opened)
			go e.runRules()
			synctest.Wait()
			assert.Zero(t, evaluated.Load())
			if comes {
				e.arrivals.came("one", time.Now(), time.Now())
			} else {
				time.Sleep(deliveryBegins)
			}
			synctest.Wait()
			assert.NotZero(t, evaluated.Load())
			close(e.stop)
		})
	}
}
