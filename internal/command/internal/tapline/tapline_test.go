package tapline_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/command/internal/tapline"
)

func TestText(t *testing.T) {
	const head = `{"time":"2026-11-30T20:00:00.5Z","side":"before","kind":"processor","component":"pii_scrubber","pipeline":"logs/intake",`
	for line, want := range map[string]string{
		head + `"signal":"logs","tenant":"default","record":{"severity":"ERROR","body":"paid\u001b[2J\nby [REDACTED:email]","attributes":{"b":1,"a":{"x":[true]}},"resource":{"service.name":"shop","z":1}}}`: `before processor pii_scrubber (logs/intake) ERROR paid [2J by [REDACTED:email] a={"x":[true]} b=1 service.name=shop`,
		head + `"signal":"traces","tenant":"acme","cut":true,"record":{"name":"POST","kind":"Server","duration_ms":12.5,"status":"Error","events":[{"name":"e"}]}}`:                                           `before processor pii_scrubber (logs/intake) tenant=acme POST Server 12.5ms Error events=[{"name":"e"}] (cut)`,
		`{"side":"after","kind":"receiver","component":"otlp","signal":"metrics","tenant":"default","record":{"name":"requests","value":12345678901234567890,"unit":"1","type":"Sum"}}`:                       `after receiver otlp (metrics) requests 12345678901234567890 1 Sum`,
		`{"side":"after","kind":"receiver","component":"otlp","signal":"profiles","tenant":"default","record":{"samples":3,"duration_ms":0}}`:                                                                 `after receiver otlp (profiles) 3 0ms`,
	} {
		got, err := tapline.Text([]byte(line))
		require.NoError(t, err)
		assert.Equal(t, want, got[len("15:04:05.000 "):])
	}
	_, err := tapline.Text([]byte("<html>"))
	require.Error(t, err)
}

func TestJSONHasNothingThatATerminalObeys(t *testing.T) {
	text, err := json.Marshal("\u009b31m \u202e ä")
	require.NoError(t, err)
	got := tapline.JSON(text)
	assert.NotContains(t, string(got), "\u009b")
	assert.NotContains(t, string(got), "\u202e")
	var back string
	require.NoError(t, json.Unmarshal(got, &back))
	assert.Equal(t, "\u009b31m \u202e ä", back)
}
