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

// Each threat of docs/threats.md and each claim of docs/delivery.md names tests, followed by their folder.
func TestEveryThreatAndClaimHasItsTest(t *testing.T) {
	for page, header := range map[string]string{"threats.md": "Threat", "delivery.md": "Claim"} {
		t.Run(page, func(t *testing.T) { named(t, page, header) })
	}
}

// named checks the last column of the tables of a page whose first column has the header.
func named(t *testing.T, page, header string) {
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, "docs", page))
	require.NoError(t, err)
	rows, within := 0, false
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if first := strings.TrimSpace(cells[0]); len(cells) < 2 || first == header {
			within = first == header
			continue
		}
		if !within || strings.HasPrefix(cells[0], "---") {
			continue
		}
		rows++
		tests := 0
		for rest := cells[len(cells)-1]; ; {
			at := namedFolder.FindStringSubmatchIndex(rest)
			if at == nil {
				break
			}
			folder := rest[at[2]:at[3]]
			found := namedTest.FindAllStringSubmatch(rest[:at[0]], -1)
			assert.NotEmpty(t, found, "%s: no test before the folder %s", cells[0], folder)
			for _, test := range found {
				tests++
				assert.True(t, hasTest(t, filepath.Join(root, folder), test[1]), "%s: there is no %s in %s", cells[0], test[1], folder)
			}
			rest = rest[at[1]:]
		}
		assert.Positive(t, tests, "%s: no test", cells[0])
	}
	assert.Greater(t, rows, 20, "the table is not where this test looks for it")
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
