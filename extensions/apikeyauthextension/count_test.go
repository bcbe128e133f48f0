package apikeyauthextension_test

import "go.opentelemetry.io/otel/sdk/metric/metricdata"

// count is the value of a counter for one reason.
func count(m metricdata.Metrics, reason string) int64 {
	var n int64
	for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
		if v, ok := p.Attributes.Value("reason"); ok && v.AsString() == reason {
			n += p.Value
		}
	}
	return n
}
