// Package readmetest tests that a component accepts the configurations in its README.
package readmetest

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
)

var (
	block       = regexp.MustCompile("(?s)```yaml\n(.*?)```")
	placeholder = regexp.MustCompile(`\$\{env:[A-Z_]+(?::-([^}]*))?\}`)
)

// Blocks returns the blocks of YAML in the README of the test's directory, and fails the test if there is none. A reference to an environment
// variable is replaced by its default, or by the value in values.
func Blocks(t testing.TB, values map[string]string) []*confmap.Conf {
	t.Helper()
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	var all []*confmap.Conf
	for _, b := range block.FindAllSubmatch(text, -1) {
		plain := placeholder.ReplaceAllFunc(b[1], func(ref []byte) []byte {
			name := regexp.MustCompile(`[A-Z_]+`).Find(ref[len("${env:"):])
			if value, ok := values[string(name)]; ok {
				return []byte(value)
			}
			return placeholder.FindSubmatch(ref)[1]
		})
		parsed, err := confmap.NewRetrievedFromYAML(plain)
		require.NoError(t, err, "%s", b[1])
		conf, err := parsed.AsConf()
		require.NoError(t, err, "%s", b[1])
		all = append(all, conf)
	}
	require.NotEmpty(t, all, "README.md has no block of YAML")
	return all
}

// Load loads the configuration of the factory's component in each block of the README, over the defaults, and returns it. The test fails if a block
// has none, or an invalid one. section is the section of such components: "exporters".
func Load(t testing.TB, section string, factory component.Factory, values map[string]string) []component.Config {
	t.Helper()
	var all []component.Config
	for _, conf := range Blocks(t, values) {
		before := len(all)
		components, err := conf.Sub(section)
		require.NoError(t, err)
		for name := range components.ToStringMap() {
			var id component.ID
			require.NoError(t, id.UnmarshalText([]byte(name)))
			if id.Type() != factory.Type() {
				continue
			}
			sub, err := components.Sub(name)
			require.NoError(t, err, name)
			cfg := factory.CreateDefaultConfig()
			require.NoError(t, sub.Unmarshal(cfg), name)
			require.NoError(t, confmap.Validate(cfg), name)
			all = append(all, cfg)
		}
		require.Greater(t, len(all), before, "a block without %s: %v", factory.Type(), conf.ToStringMap())
	}
	return all
}
