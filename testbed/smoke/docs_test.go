package smoke

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/process"
)

// A comment before a block of YAML names the profile, and the environment, that it belongs to.
var recipe = regexp.MustCompile("(?s)<!-- (standalone|agent|gateway)((?: [A-Z_]+=\\S+)*) -->\n```yaml\n(.*?)```")

// Every recipe in the documentation is a configuration that the binary accepts.
func TestRecipesAreValid(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	found := 0
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range recipe.FindAllStringSubmatch(string(text), -1) {
			found++
			dir := t.TempDir()
			// Secrets come from files, which a reader has.
			secret := filepath.Join(dir, "secret")
			require.NoError(t, os.WriteFile(secret, []byte("hunter2"), 0o600))
			yaml := regexp.MustCompile(`\$\{file:[^}]+\}`).ReplaceAllString(m[3], "${file:"+secret+"}")
			file := filepath.Join(dir, "mine.yaml")
			require.NoError(t, os.WriteFile(file, []byte(yaml), 0o600))
			cmd := exec.Command(process.Binary(t), "validate", "--config", "profile:"+m[1], "--config", file)
			cmd.Env = append(append(os.Environ(), "PENSTOCK_DATA_DIR="+dir), strings.Fields(m[2])...)
			out, err := cmd.CombinedOutput()
			assert.NoError(t, err, "%s:\n%s\n%s", filepath.Base(page), m[3], out)
		}
	}
	assert.Positive(t, found, "the pattern matches nothing")
}
