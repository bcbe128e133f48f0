package piiscrubberprocessor

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

func sumPoints(t *testing.T, m metricdata.Metrics) []metricdata.DataPoint[int64] {
	t.Helper()
	sum, ok := m.Data.(metricdata.Sum[int64])
	require.True(t, ok, "%s is no sum of integers", m.Name)
	return sum.DataPoints
}

func owned(r pcommon.Resource, tenant string) {
	r.Attributes().PutStr("owner", "jane@example.com")
	r.Attributes().PutStr("tenant.id", tenant)
}

func tenantLogs(tenant string) plog.Logs {
	ld := plog.NewLogs()
	owned(ld.ResourceLogs().AppendEmpty().Resource(), tenant)
	return ld
}

func tenantTraces(tenant string) ptrace.Traces {
	td := ptrace.NewTraces()
	owned(td.ResourceSpans().AppendEmpty().Resource(), tenant)
	return td
}
