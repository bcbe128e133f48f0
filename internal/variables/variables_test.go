package variables_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/variables"
)

func find(t *testing.T, name string) variables.Variable {
	t.Helper()
	i := slices.IndexFunc(variables.All, func(v variables.Variable) bool { return v.Name == name })
	require.GreaterOrEqual(t, i, 0, name)
	return variables.All[i]
}

func TestEveryExamplePasses(t *testing.T) {
	for _, v := range variables.All {
		assert.True(t, strings.HasPrefix(v.Name, variables.Prefix), v.Name)
		assert.Equal(t, v.Form == variables.Text, v.Example == "", v.Name)
		if v.Example != "" {
			assert.NoError(t, v.Check(v.Example), v.Name)
		}
	}
	assert.True(t, slices.IsSortedFunc(variables.All, func(a, b variables.Variable) int { return strings.Compare(a.Name, b.Name) }))
}

func TestCheck(t *testing.T) {
	for _, c := range []struct{ name, value, says string }{
		{"PENSTOCK_OTLP_GRPC_ENDPOINT", ":4317", ""},
		{"PENSTOCK_OTLP_GRPC_ENDPOINT", "[::1]:0", ""},
		{"PENSTOCK_OTLP_GRPC_ENDPOINT", "4317", `"4317" is not host:port: want host:port, as in 127.0.0.1:4317`},
		{"PENSTOCK_OTLP_GRPC_ENDPOINT", "localhost", `"localhost" is not host:port`},
		{"PENSTOCK_OTLP_GRPC_ENDPOINT", "localhost:otlp", `"localhost:otlp" has no port number`},
		{"PENSTOCK_OTLP_GRPC_ENDPOINT", "localhost:70000", `has a port above 65535`},
		{"PENSTOCK_KAFKA_BROKERS", "a:1, b:2", ""},
		{"PENSTOCK_KAFKA_BROKERS", "a:1,kafka", `"kafka" is not host:port`},
		{"PENSTOCK_KAFKA_BROKERS", ":9092", `":9092" has no host`},
		{"PENSTOCK_TENANT_BYTES_PER_SECOND", "-1", `"-1" is not a whole number, 0 or more: want a whole number, as in 1000000`},
		{"PENSTOCK_TENANT_BYTES_PER_SECOND", "1MB", `"1MB" is not a whole number`},
		{"PENSTOCK_TELEMETRY_PORT", "http", `"http" is not a port number: want a number up to 65535, as in 8888`},
		{"PENSTOCK_LOKI_URL", "https://u:p@loki/x", ""},
		{"PENSTOCK_LOKI_URL", "loki:3100", `"loki:3100" is not an http or https URL`},
		{"PENSTOCK_LOKI_URL", "htp://u:secret@loki:3100", `"htp://u:xxxxx@loki:3100" is not an http or https URL`},
		{"PENSTOCK_LOKI_URL", "http://u:se cret@lo ki", `not shown, it may hold a password`},
		{"PENSTOCK_GATEWAY_ENDPOINT", "https://gateway", ""},
		{"PENSTOCK_GATEWAY_ENDPOINT", "gateway", `"gateway" is not host:port`},
		{"PENSTOCK_SYSLOG_ENDPOINT", "udp://:514, tls://0.0.0.0:6514", ""},
		{"PENSTOCK_SYSLOG_ENDPOINT", "http://:514", `http is not one of udp, tcp, tls and unixgram: want host:port, udp://`},
		{"PENSTOCK_STATSD_ENDPOINT", "127.0.0.1:8125,unixgram:///run/statsd.sock", ""},
		{"PENSTOCK_STATSD_ENDPOINT", "8125", `"8125" is not host:port: want host:port, udp://host:port`},
		{"PENSTOCK_DATA_DIR", "any thing", ""},
	} {
		err := find(t, c.name).Check(c.value)
		if c.says == "" {
			assert.NoError(t, err, c.value)
			continue
		}
		assert.ErrorContains(t, err, c.says)
		assert.NotContains(t, err.Error(), "secret")
	}
	assert.False(t, variables.Known("PENSTOCK_LOKI_ULR"))
}
