package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// An operator searches docs/troubleshooting.md for a log line: an entry of its first columns begins every line that a component writes at warn or
// error. Pages that can't be rendered are our own faults, not the operator's.
func TestTroubleshootingKnowsEveryWarning(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "troubleshooting.md"))
	require.NoError(t, err)
	var entries []string
	for line := range strings.Lines(string(page)) {
		if column, ok := strings.CutPrefix(line, "| `"); ok {
			column, _, _ = strings.Cut(column, "` |")
			entries = append(entries, strings.Split(column, "`, `")...)
		}
	}
	used := map[string]bool{}
	for _, folder := range []string{"receivers", "processors", "exporters", "extensions", "providers", "internal", "telemetry"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
			require.NoError(t, err)
			if d.IsDir() && slices.Contains([]string{"simulation", "testdata", "tools"}, d.Name()) {
				return fs.SkipDir
			}
			if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			ast.Inspect(file, func(n ast.Node) bool {
				text, ok := warning(n)
				if !ok || strings.HasPrefix(text, "page of") || strings.HasSuffix(text, " page") && text != "No admin page" {
					return true
				}
				known := false
				for _, entry := range entries {
					if strings.HasPrefix(text, entry) || strings.HasPrefix(entry, text) {
						used[entry], known = true, true
					}
				}
				if !known {
					t.Errorf("%s logs what the page does not have: %s", path, text)
				}
				return true
			})
			return nil
		}))
	}
	for _, entry := range entries {
		if !used[entry] {
			t.Errorf("nothing logs what the page has: %s", entry)
		}
	}
}

// warning returns the constant beginning of the message of a call of zap's Warn or Error.
func warning(n ast.Node) (string, bool) {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return "", false
	}
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || method.Sel.Name != "Warn" && method.Sel.Name != "Error" {
		return "", false
	}
	logger := ""
	switch x := method.X.(type) {
	case *ast.Ident:
		logger = x.Name
	case *ast.SelectorExpr:
		logger = x.Sel.Name
	}
	if !strings.Contains(strings.ToLower(logger), "log") {
		return "", false
	}
	return beginning(call.Args[0])
}

// beginning returns the text with which an expression begins: of a literal, of a sum of literals and others, of a format up to its first verb.
func beginning(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && len(text) > 3
	case *ast.BinaryExpr:
		left, ok := beginning(e.X)
		if right, more := beginning(e.Y); ok && more && constant(e.X) {
			return left + right, true
		}
		return left, ok
	case *ast.CallExpr:
		if f, ok := e.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Sprintf" {
			format, ok := beginning(e.Args[0])
			text, _, _ := strings.Cut(format, "%")
			return text, ok && len(text) > 3
		}
	}
	return "", false
}

// constant reports whether an expression is made of literals alone.
func constant(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return true
	case *ast.BinaryExpr:
		return constant(e.X) && constant(e.Y)
	}
	return false
}
