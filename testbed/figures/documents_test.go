package figures_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/figures"
)

// TestTheDocumentsQuoteTheReport reads every document of the repository but the change log, whose figures were true on their day.
func TestTheDocumentsQuoteTheReport(t *testing.T) {
	newest, err := figures.Read("report.json")
	require.NoError(t, err)
	written, err := os.ReadFile("report.md")
	require.NoError(t, err)
	require.Equal(t, newest.Markdown(), string(written), "run make figures")
	const root = "../.."
	tracked, err := exec.Command("git", "-C", root, "ls-files", "*.md").Output()
	require.NoError(t, err)
	for _, path := range strings.Fields(string(tracked)) {
		if path == "CHANGELOG.md" || path == "testbed/figures/report.md" {
			continue
		}
		document, err := os.ReadFile(filepath.Join(root, path))
		require.NoError(t, err)
		if err := newest.Check(string(document)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
