package rollup_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/window"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/rollup"
)

// Every point carries the signature once, whatever the stream's own attributes are named.
func TestSignature(t *testing.T) {
	for sign, want := range map[rollup.Signature]map[string]any{
		{}:                         {"": "nameless", "by": "sender", "rollup.window": "1m", "z": "last"},
		{Name: "by", Value: "we"}:  {"": "nameless", "by": "we", "rollup.window": "1m", "z": "last"},
		{Name: "own", Value: "we"}: {"": "nameless", "by": "sender", "own": "we", "rollup.window": "1m", "z": "last"},
	} {
		state := rollup.New(specOf(rollup.Rule{Windows: []window.Spec{minute}, Aggregates: []string{"avg", "max", "histogram"}}), "here", time.Unix(0, epoch))
		md := pmetric.NewMetrics()
		m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName("level")
		dp := m.SetEmptyGauge().DataPoints().AppendEmpty()
		dp.SetTimestamp(pcommon.Timestamp(epoch + second))
		dp.SetDoubleValue(1)
		for name, v := range map[string]string{"": "nameless", "by": "sender", "rollup.window": "sender", "z": "last"} {
			dp.Attributes().PutStr(name, v)
		}
		state.Add(md, rollup.Sender{}, time.Unix(0, epoch+second), nil)
		state.Advance(time.Unix(0, 1<<63-1), true, time.Unix(0, 1<<63-1))
		points := 0
		require.NoError(t, state.Render(10, sign, func(_ string, md pmetric.Metrics) error {
			for _, m := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
				points++
				var attributes pcommon.Map
				if m.Type() == pmetric.MetricTypeGauge {
					attributes = m.Gauge().DataPoints().At(0).Attributes()
				} else {
					attributes = m.ExponentialHistogram().DataPoints().At(0).Attributes()
				}
				assert.Equal(t, want, attributes.AsRaw(), m.Name())
				assert.Equal(t, len(want), attributes.Len(), m.Name())
			}
			return nil
		}))
		assert.Equal(t, 3, points)
	}
}
