package house_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

type workflow struct {
	Jobs map[string]struct {
		Strategy struct {
			Matrix map[string][]string `yaml:"matrix"`
		} `yaml:"strategy"`
		Steps []struct {
			Uses string `yaml:"uses"`
			Run  string `yaml:"run"`
		} `yaml:"steps"`
	} `yaml:"jobs"`
}

// asRoot is how a step runs a target whose tests mount file systems.
const asRoot = `sudo -E env "PATH=$PATH" `

// Each job can be repeated locally: it runs Make targets that exist. Actions are pinned by commit, because a tag can be moved.
func TestWorkflowsRunMakeTargetsAndPinnedActions(t *testing.T) {
	root := filepath.Join("..", "..")
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	paths, err := filepath.Glob(filepath.Join(root, ".github", "workflows", "*.yml"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	pinned := regexp.MustCompile(`^[a-z-]+/[a-z-]+@[0-9a-f]{40}$`)
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		var w workflow
		require.NoError(t, yaml.Unmarshal(raw, &w), path)
		require.NotEmpty(t, w.Jobs, path)
		for name, job := range w.Jobs {
			targets := 0
			for _, step := range job.Steps {
				if step.Uses != "" {
					assert.Regexp(t, pinned, step.Uses, "%s: %s", path, name)
				}
				command, ok := strings.CutPrefix(strings.TrimPrefix(step.Run, asRoot), "make ")
				if !ok {
					continue
				}
				for _, line := range expand(command, job.Strategy.Matrix) {
					for target := range strings.FieldsSeq(line) {
						if strings.Contains(target, "=") {
							continue
						}
						targets++
						assert.Regexp(t, `(?m)^`+regexp.QuoteMeta(target)+`:`, string(makefile), "%s: %s runs a target that the Makefile has not", path, name)
					}
				}
			}
			assert.NotZero(t, targets, "%s: %s runs no Make target", path, name)
		}
	}
}

// expand returns the command with each value of the matrix in turn.
func expand(command string, matrix map[string][]string) []string {
	commands := []string{command}
	for key, values := range matrix {
		var next []string
		for _, c := range commands {
			for _, v := range values {
				next = append(next, strings.ReplaceAll(c, "${{ matrix."+key+" }}", v))
			}
		}
		commands = next
	}
	return commands
}
