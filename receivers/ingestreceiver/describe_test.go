package ingestreceiver

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/penstockhq/penstock/receivers/ingestreceiver/internal/metadata"
)

// The description has every path of the listener with its methods, and the limits and names of the code.
func TestDescription(t *testing.T) {
	parsed, err := confmap.NewRetrievedFromYAML(openAPI)
	require.NoError(t, err)
	doc, err := parsed.AsConf()
	require.NoError(t, err)
	r, err := newIngest(createDefaultConfig().(*Config), receivertest.NewNopSettings(metadata.Type))
	require.NoError(t, err)
	t.Cleanup(r.telemetry.Shutdown)
	paths := doc.Get("paths").(map[string]any)
	described := 0
	for path, serve := range r.routes() {
		if !strings.HasSuffix(path, "/ingest") && path != "/api/v1/openapi.yaml" {
			continue // a protocol with its own description
		}
		described++
		require.Contains(t, paths, path, "describe it in openapi.yaml")
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
			answer := httptest.NewRecorder()
			serve(answer, httptest.NewRequest(method, path, nil))
			_, taken := paths[path].(map[string]any)[strings.ToLower(method)]
			if taken || method == http.MethodHead && answer.Code == http.StatusOK {
				assert.NotEqual(t, http.StatusMethodNotAllowed, answer.Code, "%s %s", method, path)
			} else {
				assert.Equal(t, http.StatusMethodNotAllowed, answer.Code, "%s %s", method, path)
			}
		}
	}
	assert.Len(t, paths, described, "the description has paths that nobody serves")

	const schemas = "components::schemas::"
	defaults := createDefaultConfig().(*Config)
	for _, list := range []string{"Logs", "Events", "Metrics"} {
		assert.Equal(t, defaults.MaxItems, doc.Get(schemas+list+"::maxItems"))
	}
	assert.Equal(t, defaults.MaxItems, doc.Get(schemas+"Result::properties::received::maximum"))
	assert.Equal(t, maxErrors, doc.Get(schemas+"Result::properties::errors::maxItems"))
	assert.Len(t, newID(), 24, "as the pattern of batch_id says")
	var words []string
	for _, word := range doc.Get(schemas + "Metric::properties::type::enum").([]any) {
		words = append(words, word.(string))
	}
	assert.True(t, slices.Equal(kinds, words), words)

	answer := httptest.NewRecorder()
	describe(answer, httptest.NewRequest(http.MethodGet, "/api/v1/openapi.yaml", nil))
	assert.Equal(t, openAPI, answer.Body.Bytes())
	assert.Equal(t, "application/yaml", answer.Header().Get("Content-Type"))
}
