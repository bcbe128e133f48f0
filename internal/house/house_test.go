package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Limits for readability: beyond these lengths a file has a second idea, and a function a second step.
const (
	longestFile     = 400
	longestFunction = 80
)

// Generated files and tests are exempt: the former are not read, and a table of cases is as long as its cases.
func TestLengths(t *testing.T) {
	root := filepath.Join("..", "..")
	read := 0
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		if d.IsDir() {
			if name := d.Name(); path != root && (strings.HasPrefix(name, ".") || slices.Contains([]string{"build", "node_modules"}, name)) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
		if ast.IsGenerated(f) {
			return nil
		}
		read++
		assert.LessOrEqual(t, set.File(f.FileStart).LineCount(), longestFile+1, "%s: lines", path)
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				lines := set.Position(fn.End()).Line - set.Position(fn.Pos()).Line + 1
				assert.LessOrEqual(t, lines, longestFunction, "%s: lines of %s", path, fn.Name.Name)
			}
		}
		return nil
	}))
	assert.Greater(t, read, 500, "the tree is not where this test looks for it")
}
