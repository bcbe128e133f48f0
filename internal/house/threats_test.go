package house_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	namedTest   = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`")
	namedFolder = regexp.MustCompile("in `([a-z0-9_/]+)`")
)

// Each threat of docs/threats.md names tests, followed by their folder.
func TestEveryThreatHasItsTest(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "threats.md"))
	require.NoError(t, err)
	threats := 0
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || strings.HasPrefix(cells[1], "---") || strings.TrimSpace(cells[1]) == "Threat" {
			continue
		}
		threats++
		named := 0
		for rest := cells[3]; ; {
			at := namedFolder.FindStringSubmatchIndex(rest)
			if at == nil {
				break
			}
			folder := rest[at[2]:at[3]]
			tests := namedTest.FindAllStringSubmatch(rest[:at[0]], -1)
			assert.NotEmpty(t, tests, "%s: no test before the folder %s", cells[1], folder)
			for _, test := range tests {
				named++
				assert.True(t, hasTest(t, filepath.Join(root, folder), test[1]), "%s: there is no %s in %s", cells[1], test[1], folder)
			}
			rest = rest[at[1]:]
		}
		assert.Positive(t, named, "%s: no test", cells[1])
	}
	assert.Greater(t, threats, 20, "the table is not where this test looks for it")
}

// hasTest says whether a test of the folder has the name.
func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		if strings.Contains(string(text), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}
