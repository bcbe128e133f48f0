package deadletterextension

import (
	"net/url"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

func attributes(signal, reason string) metric.MeasurementOption {
	return metric.WithAttributes(attribute.String("signal", signal), attribute.String("reason", reason))
}

// directoryOf returns a server's name as one element of a path.
func directoryOf(server string) string {
	if escaped := url.PathEscape(server); escaped != "" && escaped != "." && escaped != ".." {
		return escaped
	}
	return "server"
}
