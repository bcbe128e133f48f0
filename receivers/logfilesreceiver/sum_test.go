package logfilesreceiver_test

import "go.opentelemetry.io/otel/sdk/metric/metricdata"

// sumOf adds the points up whose attributes have the value; empty: all.
func sumOf(m metricdata.Metrics, value string) (total int64) {
	sum, _ := m.Data.(metricdata.Sum[int64])
	for _, point := range sum.DataPoints {
		match := value == ""
		for _, a := range point.Attributes.ToSlice() {
			match = match || a.Value.AsString() == value
		}
		if match {
			total += point.Value
		}
	}
	return total
}
