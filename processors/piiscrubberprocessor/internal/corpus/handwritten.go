package corpus

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Handwritten reads a hand-written corpus: one text per line, findings as ⟦detector|value⟧. A "
// " is a line break, "key⇒" at the beginning the attribute key. A "¦" is removed: it keeps invented tokens from looking real to scanners
// of repositories. Lines that begin with "# " are headings.
func Handwritten(r io.Reader) ([]Line, error) {
	var lines []Line
	sc := bufio.NewScanner(r)
	for n := 1; sc.Scan(); n++ {
		if strings.HasPrefix(sc.Text(), "# ") {
			continue
		}
		l, err := parse(sc.Text())
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		lines = append(lines, l)
	}
	return lines, sc.Err()
}

func parse(marked string) (l Line, err error) {
	if key, rest, found := strings.Cut(marked, "⇒"); found {
		l.Key, marked = key, rest
	}
	marked = strings.NewReplacer("⏎", "\n", "¦", "").Replace(marked)
	for {
		plain, rest, found := strings.Cut(marked, "⟦")
		l.Text += plain
		if !found {
			return l, nil
		}
		label, after, ended := strings.Cut(rest, "⟧")
		detector, value, named := strings.Cut(label, "|")
		if !ended || !named || value == "" {
			return l, fmt.Errorf("want ⟦detector|value⟧ at %q", rest)
		}
		l.Spans = append(l.Spans, Span{len(l.Text), len(l.Text) + len(value), detector})
		l.Text += value
		marked = after
	}
}
