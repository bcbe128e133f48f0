package sources_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"

	"github.com/penstockhq/penstock/internal/command/internal/sources"
)

// profile is a provider for profile:any.
type profile map[string]any

func (profile) Scheme() string                 { return "profile" }
func (profile) Shutdown(context.Context) error { return nil }
func (p profile) Retrieve(context.Context, string, confmap.WatcherFunc) (*confmap.Retrieved, error) {
	return confmap.NewRetrieved(map[string]any(p))
}

func resolve(t *testing.T, base profile, uris ...string) (*sources.Reader, map[string]any, error) {
	t.Helper()
	r := sources.NewReader(func() []string { return uris })
	resolver, err := confmap.NewResolver(confmap.ResolverSettings{
		URIs: uris, DefaultScheme: "env",
		ProviderFactories: r.Wrap([]confmap.ProviderFactory{
			confmap.NewProviderFactory(func(confmap.ProviderSettings) confmap.Provider { return base }),
			fileprovider.NewFactory(), yamlprovider.NewFactory(), envprovider.NewFactory(),
		}),
	})
	require.NoError(t, err)
	var conf map[string]any
	for range 2 { // A reload resolves again.
		c, e := resolver.Resolve(t.Context())
		if e != nil {
			return r, nil, e
		}
		conf = c.ToStringMap()
	}
	return r, conf, nil
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "my.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

var base = profile{"receivers": map[string]any{"otlp": map[string]any{"protocols": map[string]any{
	"grpc": map[string]any{"endpoint": "${env:PENSTOCK_X:-127.0.0.1:4317}"},
	"list": []any{"a"}, "number": 1,
}}}}

func TestANullKeepsTheSectionThatIsThere(t *testing.T) {
	t.Setenv("PENSTOCK_MAP", "{a: }")
	path := []string{"receivers", "otlp", "protocols"}
	for name, c := range map[string]struct {
		text string
		want map[string]any
	}{
		"a section":             {"receivers: {otlp: {protocols: {grpc: }}}", map[string]any{"grpc": map[string]any{"endpoint": "127.0.0.1:4317"}, "list": []any{"a"}, "number": 1}},
		"the whole of it":       {"receivers:\n", map[string]any{"grpc": map[string]any{"endpoint": "127.0.0.1:4317"}, "list": []any{"a"}, "number": 1}},
		"a list, a number":      {"receivers: {otlp: {protocols: {list: , number: }}}", map[string]any{"grpc": map[string]any{"endpoint": "127.0.0.1:4317"}, "list": nil, "number": nil}},
		"what was not there":    {"receivers: {otlp: {protocols: {http: }}}", map[string]any{"grpc": map[string]any{"endpoint": "127.0.0.1:4317"}, "list": []any{"a"}, "number": 1, "http": nil}},
		"keys written with ::":  {"receivers::otlp::protocols:\n", map[string]any{"grpc": map[string]any{"endpoint": "127.0.0.1:4317"}, "list": []any{"a"}, "number": 1}},
		"a reference's own map": {"receivers: {otlp: {protocols: {more: '${env:PENSTOCK_MAP}'}}}", map[string]any{"grpc": map[string]any{"endpoint": "127.0.0.1:4317"}, "list": []any{"a"}, "number": 1, "more": map[string]any{"a": nil}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, conf, err := resolve(t, base, "profile:any", file(t, c.text))
			require.NoError(t, err)
			var at any = conf
			for _, key := range path {
				at = at.(map[string]any)[key]
			}
			assert.Equal(t, c.want, at)
		})
	}
}

func TestANullAloneMeansDefaults(t *testing.T) {
	_, conf, err := resolve(t, base, file(t, "receivers:\n  otlp:\n    protocols:\n      grpc:\n"))
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"receivers": map[string]any{"otlp": map[string]any{"protocols": map[string]any{"grpc": nil}}}}, conf)
}

func TestPlace(t *testing.T) {
	path := file(t, "receivers:\n  otlp:\n    protocols:\n      grpc::endpoint: x\nprocessors:\n  - a\n  - b\n")
	r, _, err := resolve(t, base, "profile:any", path, "yaml:exporters::loki::endpoint: x")
	require.NoError(t, err)
	for _, c := range []struct {
		path  []string
		place string
		keys  int
	}{
		{[]string{"receivers", "otlp"}, path + ":2", 2},
		{[]string{"receivers", "otlp", "protocols", "grpc", "endpoint"}, path + ":4", 5},
		{[]string{"receivers", "otlp", "protocols", "list"}, path + ":3", 3},
		{[]string{"processors", "1"}, path + ":7", 2},
		{[]string{"exporters", "loki", "endpoint"}, "--set exporters::loki::endpoint", 3},
		{[]string{"service"}, "", 0},
	} {
		place, keys, ok := r.Place(c.path)
		assert.Equal(t, c.place, place.String(), c.path)
		assert.Equal(t, c.keys, keys, c.path)
		assert.Equal(t, c.keys > 0, ok)
	}
	assert.Equal(t, "${env:PENSTOCK_X:-127.0.0.1:4317}", base["receivers"].(map[string]any)["otlp"].(map[string]any)["protocols"].(map[string]any)["grpc"].(map[string]any)["endpoint"],
		"what a provider returns is its own")
}

func TestBrokenFiles(t *testing.T) {
	for text, says := range map[string]string{
		"a: {\n b: [\n":            "my.yaml:2: not valid YAML: did not find expected node content",
		"a:\n\tb: 1\n":             "my.yaml:2: not valid YAML: found character that cannot start any token (YAML is indented with spaces, not with tabs)",
		"a: {b: 1}\nc: 1\na: {}\n": `my.yaml:3: not valid YAML: mapping key "a" already defined at line 1; write both as one section`,
		"hello\n":                  "my.yaml: the file has no keys",
		"- a\n":                    "my.yaml: the file has no keys",
		"a:\n  b: 1\n c: 1\n":      "my.yaml:3: not valid YAML: did not find expected key (is the line indented",
		"a: 1\n---\na: 2\n":        "my.yaml:2: a second document begins after ---",
		"a: *b\n":                  "my.yaml: not valid YAML: unknown anchor 'b' referenced",
	} {
		_, _, err := resolve(t, base, file(t, text))
		require.ErrorContains(t, err, says)
		var at *sources.Error
		assert.True(t, errors.As(err, &at))
	}
}
