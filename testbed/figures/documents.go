package figures

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// EachDocument calls read with the path and text of each tracked Markdown file of the repository in the folder root, except
// the change log, whose figures were true on their day, and pages that programs write.
func EachDocument(root string, read func(path, document string) error) error {
	tracked, err := exec.Command("git", "-C", root, "ls-files", "-z", "*.md").Output()
	if err != nil {
		return fmt.Errorf("git ls-files: %w", err)
	}
	for _, path := range strings.Split(strings.Trim(string(tracked), "\x00"), "\x00") {
		if slices.Contains([]string{"CHANGELOG.md", "docs/reference.md", "testbed/figures/report.md"}, path) || filepath.Base(path) == "documentation.md" {
			continue
		}
		document, err := os.ReadFile(filepath.Join(root, path))
		if os.IsNotExist(err) {
			continue // deleted, and not yet committed
		}
		if err != nil {
			return err
		}
		if err := read(path, string(document)); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}
