package main

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/figures"
)

const fromHere = "../../.."

// TestMakeFiguresRunsWhatDocumentsMark finds a mark of a benchmark that was renamed, or that nothing runs.
func TestMakeFiguresRunsWhatDocumentsMark(t *testing.T) {
	run := map[string]bool{}
	for _, r := range runs {
		some := functions(t, r)
		if len(some) == 0 {
			t.Logf("no benchmark of %s matches %q: make figures will fail there", r.folder, r.bench)
		}
		for _, name := range some {
			if r.rounds > 0 {
				run[r.folder+"/"+name] = true
			} else {
				run[path.Base(r.folder)+"/"+name] = true // as measure.Report calls it
			}
		}
	}
	require.NoError(t, figures.EachDocument(fromHere, func(path, document string) error {
		for _, name := range figures.Marked(document) {
			if !run[figures.Benchmark(name)] {
				t.Errorf("%s marks %s, and collect/runs.go has no run of that benchmark", path, name)
			}
		}
		return nil
	}))
}

// functions are the names of the benchmarks that a run takes, without the word Benchmark.
func functions(t *testing.T, r run) []string {
	files, err := filepath.Glob(filepath.Join(fromHere, filepath.FromSlash(r.folder), "*_test.go"))
	require.NoError(t, err)
	first, _, _ := strings.Cut(r.bench, "/") // what follows chooses among its parts
	wanted, err := regexp.Compile(first)
	require.NoError(t, err)
	var names []string
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, at := range regexp.MustCompile(`(?m)^func (Benchmark(\w+))\(`).FindAllStringSubmatch(string(source), -1) {
			if wanted.MatchString(at[1]) {
				names = append(names, at[2])
			}
		}
	}
	return names
}

func TestFiguresChoosesByFolder(t *testing.T) {
	require.Len(t, chosen(nil), len(runs))
	require.Empty(t, chosen([]string{"bench/nothing"}))
	for _, r := range chosen([]string{"bench/lake"}) {
		require.Equal(t, "testbed/bench/lake", r.folder)
	}
}

func TestTheModuleOfAFolder(t *testing.T) {
	for folder, module := range map[string]string{"testbed/bench/lake": "testbed", "internal/command/internal/tapped": "internal/command", "internal/tap": "."} {
		require.Equal(t, module, run{folder: folder}.module())
	}
}
