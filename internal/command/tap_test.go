package command_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTapPrintsRecordsAndWhatBecameOfTheOthers(t *testing.T) {
	asked := ""
	admin := server(t, func(r *http.Request) string {
		switch r.URL.Path {
		case "/console/v1/tap":
			return `{"places":[{"side":"after","kind":"receiver","component":"otlp","signal":"logs"},{"side":"before","kind":"processor","component":"pii_scrubber","signal":"logs","pipeline":"logs"}]}`
		case "/console/v1/tap/records":
			asked = r.URL.Query().Encode()
			return `{"counts":{"seen":0}}
{"time":"2026-11-30T20:00:00Z","side":"before","kind":"processor","component":"pii_scrubber","signal":"logs","pipeline":"logs","tenant":"acme","record":{"body":"paid"}}
{"counts":{"seen":7,"shown":3,"slow":2,"long":1,"unscrubbed":3}}
`
		}
		return ""
	})
	out, err := call(t, "tap", "pii_scrubber", "--signal", "logs", "--tenant", "acme", "--limit", "5", "--rate", "20", "--admin", admin)
	require.NoError(t, err, out)
	assert.Equal(t, "component=pii_scrubber&limit=5&rate=20&signal=logs&tenant=acme", asked)
	assert.Contains(t, out, "before processor pii_scrubber (logs) tenant=acme paid\n")
	assert.Contains(t, out, "7 records passed, 1 were shown, 2 were not shown, because they were not read in time, 1 were too long, 3 could not be scrubbed")
	out, err = call(t, "tap", "--format", "json", "--admin", admin)
	require.NoError(t, err, out)
	assert.Contains(t, out, `{"time":"2026-11-30T20:00:00Z","side":"before"`)
	out, err = call(t, "tap", "--list", "--admin", admin)
	require.NoError(t, err, out)
	assert.Contains(t, out, "processor  pii_scrubber  logs    logs      before")

	for want, args := range map[string][]string{
		"nothing matches. The components are otlp, pii_scrubber": {"tap", "loki", "--admin", admin},
		"nothing matches --side up --signal log. The components": {"tap", "--side", "up", "--signal", "log", "--admin", admin},
		`--format: "xml" is neither text nor json`:               {"tap", "--format", "xml", "--admin", admin},
		"no collector answers at http://127.0.0.1:1":             {"tap", "--admin", "http://127.0.0.1:1"},
		"built without penstock's command line":                  {"tap", "--admin", server(t, func(*http.Request) string { return `{"places":[]}` })},
	} {
		_, err := call(t, args...)
		assert.ErrorContains(t, err, want)
	}
}
