package corpus_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/corpus"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/detect"
)

var (
	update = flag.Bool("update", false, "write testdata/corpus.jsonl")
	misses = flag.Int("misses", 0, "print so many lines that were not scored right")
	other  = flag.String("file", "", "score a corpus of your own, JSON lines as in testdata, instead of the committed one")
	seed   = flag.Uint64("seed", 0, "score a corpus of this seed instead of the committed one")
)

const (
	file        = "testdata/corpus.jsonl.gz"
	fileSeed    = 20261124
	perDetector = 120
)

func committed(t *testing.T) []corpus.Line {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	return read(t, z)
}

func read(t *testing.T, r io.Reader) (lines []corpus.Line) {
	t.Helper()
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var l corpus.Line
		require.NoError(t, json.Unmarshal(sc.Bytes(), &l))
		lines = append(lines, l)
	}
	require.NoError(t, sc.Err())
	return lines
}

// The committed file is the output of the committed generator.
func TestCommitted(t *testing.T) {
	lines := corpus.Generate(fileSeed, perDetector)
	if *update {
		var b bytes.Buffer
		z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
		require.NoError(t, err)
		enc := json.NewEncoder(z)
		for _, l := range lines {
			require.NoError(t, enc.Encode(l))
		}
		require.NoError(t, z.Close())
		require.NoError(t, os.WriteFile(file, b.Bytes(), 0o644))
	}
	assert.Equal(t, lines, committed(t), "run go test ./internal/corpus -run TestCommitted -update")
}

func find(s *detect.Scanner) func(corpus.Line) []corpus.Span {
	return func(l corpus.Line) (spans []corpus.Span) {
		for _, sp := range s.Scan(nil, l.Key, l.Text) {
			spans = append(spans, corpus.Span{Start: sp.Start, End: sp.End, Detector: sp.Kind.String()})
		}
		return spans
	}
}

func scanner() *detect.Scanner {
	return detect.New(detect.Options{Detectors: detect.Precise,
		Regions: []string{"US", "GB", "DE", "FR", "ES", "IT", "NL", "BE", "CH", "AT", "SE", "PL", "PT", "IE", "IN", "BR", "MX", "AU", "JP", "CN", "FI", "CZ",
			"GR", "TR", "RU", "UA", "RO", "IL", "ZA", "KR", "NZ", "DK", "NO"}})
}

// TestScores prints precision, recall and F1 per detector on the generated corpus and compares them with the goal.
func TestScores(t *testing.T) {
	switch {
	case *other != "":
		f, err := os.Open(*other)
		require.NoError(t, err)
		defer f.Close()
		score(t, read(t, f))
	case *seed != 0:
		score(t, corpus.Generate(*seed, perDetector))
	default:
		score(t, committed(t))
	}
}

// TestHandWritten does the same for texts that no generator made: formats and look-alikes as people and programs write them.
func TestHandWritten(t *testing.T) {
	f, err := os.Open("testdata/handwritten.txt")
	require.NoError(t, err)
	defer f.Close()
	lines, err := corpus.Handwritten(f)
	require.NoError(t, err)
	score(t, lines)
}

func score(t *testing.T, lines []corpus.Line) {
	t.Helper()
	s := scanner()
	var out strings.Builder
	fmt.Fprintf(&out, "\n%-18s %6s %10s %10s %8s\n", "detector", "lines", "precision", "recall", "F1")
	for _, sc := range corpus.Evaluate(lines, find(s)) {
		fmt.Fprintf(&out, "%-18s %6d %10.4f %10.4f %8.4f\n", sc.Detector, sc.Lines, sc.Precision(), sc.Recall(), sc.F1())
		assert.GreaterOrEqual(t, sc.Recall(), 0.98, "recall of %s", sc.Detector)
		assert.GreaterOrEqual(t, sc.Precision(), 0.95, "precision of %s", sc.Detector)
	}
	t.Log(out.String())
	printMisses(t, lines, find(s))
}

func printMisses(t *testing.T, lines []corpus.Line, find func(corpus.Line) []corpus.Span) {
	t.Helper()
	n := 0
	for _, l := range lines {
		if got := find(l); n < *misses && !assert.ObjectsAreEqual(l.Spans, got) {
			n++
			t.Logf("key %q text %q\n  want %s\n  got  %s", l.Key, l.Text, show(l, l.Spans), show(l, got))
		}
	}
}

func show(l corpus.Line, spans []corpus.Span) string {
	var parts []string
	for _, s := range spans {
		parts = append(parts, s.Detector+" "+l.Text[s.Start:s.End])
	}
	return strings.Join(parts, " | ")
}
