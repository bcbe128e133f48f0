package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// One of our components in another distribution: it needs only `gomod` and `import`. The test prints the added modules and bytes; README.md quotes
// it.
func TestOneComponentInAnotherDistribution(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	manifest, err := os.ReadFile("../onecomponent/builder-config.yaml")
	require.NoError(t, err)
	with := strings.ReplaceAll(string(manifest), "path: ../..", "path: "+root)
	without := dropOurs(with)
	require.NotEqual(t, with, without)

	ours := buildDistribution(t, root, with)
	bare := buildDistribution(t, root, without)
	components, err := exec.Command(ours.binary, "components").CombinedOutput()
	require.NoError(t, err, "%s", components)
	assert.Contains(t, string(components), "name: parquet")
	t.Logf("the parquet exporter adds %d modules and %.1f MB to a distribution of %d modules and %.1f MB",
		ours.modules-bare.modules, ours.megabytes-bare.megabytes, bare.modules, bare.megabytes)
}

// dropOurs leaves out the entry of the manifest that names our module.
func dropOurs(manifest string) string {
	var kept []string
	skip := false
	for line := range strings.SplitSeq(manifest, "\n") {
		if trimmed := strings.TrimSpace(line); strings.HasPrefix(trimmed, "- ") || !strings.HasPrefix(line, "    ") {
			skip = strings.Contains(trimmed, "github.com/penstockhq/penstock ")
		}
		if !skip {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

type distribution struct {
	binary    string
	modules   int
	megabytes float64
}

// buildDistribution runs ocb over manifest in a new directory and builds the result, stripped.
func buildDistribution(t *testing.T, root, manifest string) distribution {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "builder-config.yaml")
	require.NoError(t, os.WriteFile(config, []byte(strings.ReplaceAll(manifest, "output_path: ./build", "output_path: "+dir+"/src")), 0o600))
	run(t, dir, filepath.Join(root, "build", "tools", "builder"), "--config", config, "--skip-compilation")
	source := filepath.Join(dir, "src")
	binary := filepath.Join(dir, "one")
	run(t, source, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".")
	info, err := os.Stat(binary)
	require.NoError(t, err)
	listed := run(t, source, "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", ".")
	modules := map[string]bool{}
	for module := range bytes.FieldsSeq(listed) {
		modules[string(module)] = true
	}
	return distribution{binary: binary, modules: len(modules), megabytes: float64(info.Size()) / 1e6}
}

func run(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s %v: %s", name, args, stderr.String())
	return out
}
