package command_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTopPrintsOneTable(t *testing.T) {
	admin := server(t, func(r *http.Request) string {
		if r.Header.Get("X-API-Key") != "mine" {
			return ""
		}
		switch r.URL.Path {
		case "/console/v1/about":
			return `{"name":"penstock","version":"1.2.3","host":"box"}`
		case "/console/v1/state":
			return `{"now":"2026-11-30T20:00:00Z","pipelines":[{"id":"logs","signal":"logs","receivers":["otlp"],"exporters":["loki"]}],"components":[{"kind":"exporter","id":"loki","pipelines":["logs"],"error":"connection refused","since":"2026-11-30T19:59:00Z"}]}`
		case "/console/v1/series":
			assert.Contains(t, r.URL.Query()["name"], "otelcol_receiver_accepted_log_records")
			return `{"times":[1000,11000],"series":[{"name":"otelcol_receiver_accepted_log_records","labels":{"receiver":"otlp"},"values":[null,5]},{"name":"otelcol_exporter_queue_size","labels":{"exporter":"loki"},"values":[1,7]}]}`
		}
		return ""
	})
	out, err := call(t, "top", "--once", "--admin", admin, "--header", "X-API-Key: mine")
	require.NoError(t, err, out)
	assert.Contains(t, out, "penstock 1.2.3 on box")
	assert.Regexp(t, `loki +DOWN 1 min 0 s +0/s +7 +-\n  connection refused\n`, out)
	assert.NotContains(t, out, "\x1b", "what is no terminal gets no control characters")

	for want, args := range map[string][]string{
		"no collector answers at http://127.0.0.1:1: dial": {"top", "--admin", "127.0.0.1:1"},
		"418 I'm a teapot": {"top", "--admin", admin},
		`--admin: "ftp://x" is not the URL of an admin address`: {"top", "--admin", "ftp://x"},
	} {
		_, err := call(t, args...)
		assert.ErrorContains(t, err, want)
	}
}
