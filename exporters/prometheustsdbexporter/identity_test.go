package prometheustsdbexporter

import (
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// Streams with different attributes but equal labels become one series. Cumulative ones interleave, which is detected and counted; delta
// ones are added up, which is no collision.
func TestStreamsOfOneSeries(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	str := func(name, v string) func(pcommon.Map) { return func(m pcommon.Map) { m.PutStr(name, v) } }
	for name, puts := range map[string][]func(pcommon.Map){
		"an integer and its text":       {str("k", "1"), func(m pcommon.Map) { m.PutInt("k", 1) }, func(m pcommon.Map) { m.PutDouble("k", 1) }},
		"a bool and its text":           {str("k", "true"), func(m pcommon.Map) { m.PutBool("k", true) }},
		"no UTF-8":                      {str("k", "\xff"), str("k", "\xfe"), str("k", "\ufffd")},
		"no value":                      {str("k", ""), func(m pcommon.Map) { m.PutEmpty("k") }, func(pcommon.Map) {}},
		"no name":                       {str("", "a"), str("", "b"), func(pcommon.Map) {}},
		"names that become one":         {str("a.b", "x"), str("a_b", "x"), str("a b", "x")},
		"values that are joined alike":  {func(m pcommon.Map) { m.PutStr("a.b", "x;y"); m.PutStr("a_b", "z") }, func(m pcommon.Map) { m.PutStr("a.b", "x"); m.PutStr("a_b", "y;z") }},
		"a label that the resource has": {str("job", "x"), str("job", "y")},
		"the name of the metric":        {str("__name__", "x"), str("__name__", "y")},
	} {
		for _, cumulative := range []bool{true, false} {
			db := newDatabase(t)
			cfg := noQueue(func(cfg *Config) { cfg.TSDB = component.MustNewID("embedded_tsdb") })
			var mds []pmetric.Metrics
			var total float64
			for step := range 4 {
				for i, put := range puts {
					mds = append(mds, request(func(_ pcommon.Map, m pmetric.Metric) {
						v := math.Pow(10, float64(i))
						total += v
						if cumulative {
							v *= float64(step + 1)
						}
						deltas(m, now.Add(time.Duration(step-6)*time.Second+time.Duration(i)*100*time.Millisecond), v)
						if cumulative {
							m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
						}
						p := m.Sum().DataPoints().At(0)
						p.SetStartTimestamp(pcommon.NewTimestampFromTime(now.Add(-time.Minute)))
						put(p.Attributes())
					}))
				}
			}
			tel, err := export(t, cfg, host{cfg.TSDB: db}, mds...)
			require.NoError(t, err)
			_, err = tel.GetMetric("otelcol_exporter_prometheus_tsdb_colliding_samples")
			if cumulative {
				assert.NoError(t, err, "%s: nobody is told", name)
				continue
			}
			assert.Error(t, err, "%s: deltas add up", name)
			assert.Equal(t, map[string]string{"{}": strconv.FormatFloat(total, 'g', -1, 64)}, db.values("sum(orders_total)", now), name)
			assert.Equal(t, map[string]string{"{}": "1"}, db.values("count(orders_total)", now), name)
		}
	}
}

// The order of a point's attributes, or of a map's entries, does not change the stream.
func TestOrderMakesNoStream(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	db := newDatabase(t)
	cfg := noQueue(func(cfg *Config) { cfg.TSDB = component.MustNewID("embedded_tsdb") })
	var mds []pmetric.Metrics
	for step := range 6 {
		mds = append(mds, request(func(_ pcommon.Map, m pmetric.Metric) {
			deltas(m, now.Add(time.Duration(step-6)*time.Second), float64(step))
			m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			a := m.Sum().DataPoints().At(0).Attributes()
			puts := []func(){
				func() { a.PutInt("code", 200) },
				func() { a.PutStr("job", "x") },
				func() {
					inner := a.PutEmptyMap("map")
					inner.PutInt([]string{"a", "b"}[step%2], int64(step%2))
					inner.PutInt([]string{"b", "a"}[step%2], int64(1-step%2))
				},
			}
			for i := range puts {
				puts[(i+step)%len(puts)]()
			}
		}))
	}
	tel, err := export(t, cfg, host{cfg.TSDB: db}, mds...)
	require.NoError(t, err)
	_, err = tel.GetMetric("otelcol_exporter_prometheus_tsdb_colliding_samples")
	assert.Error(t, err)
	assert.Equal(t, map[string]string{"{}": "1"}, db.values("count(orders_total)", now))
}
