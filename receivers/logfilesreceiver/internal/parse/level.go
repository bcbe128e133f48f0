package parse

import (
	"strings"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/logvalue"
)

// headLevel finds the level near the beginning of a plain line: a word in capitals, one in small letters between brackets or tabs or
// directly after the time (from), or the value of level=, lvl= or severity=.
func headLevel(line string, from int) (plog.SeverityNumber, string) {
	const reach, shortest, longest = 120, 3, 13
	head := line[:min(len(line), reach)]
	for i := 0; i < len(head); {
		if kinds[head[i]]&letter == 0 {
			i++
			continue
		}
		start, all := i, uint8(0)
		for i < len(head) && kinds[head[i]]&inWord != 0 {
			all |= kinds[head[i]]
			i++
		}
		if i-start < shortest || i-start > longest {
			continue
		}
		space := start > 0 && line[start-1] == ' '
		if !space && start > 0 && kinds[line[start-1]]&inWord != 0 {
			continue // the end of a word that begins with a digit
		}
		word := head[start:i]
		if i < len(line) && line[i] == '=' && (word == "level" || word == "lvl" || word == "severity" || word == "LEVEL") {
			value := strings.TrimLeft(line[i+1:], `"`)
			end := 0
			for end < len(value) && logvalue.IsAlnum(value[end]) {
				end++
			}
			if n := logvalue.Level(value[:end]); n != plog.SeverityNumberUnspecified {
				return n, value[:end]
			}
			continue
		}
		if all&lower != 0 && (space && (from == 0 || start-from > 2) || !marked(line, start, i, from)) {
			continue
		}
		switch word {
		case "LOG", "LOGS", "CONFIG", "DEFAULT", "SUCCESS", "FINE", "FAIL", "FAILURE":
			continue // words that also occur in texts
		}
		if n := logvalue.Level(word); n != plog.SeverityNumberUnspecified {
			return n, word
		}
	}
	return plog.SeverityNumberUnspecified, ""
}

// Classes of bytes in a word.
const (
	letter uint8 = 1 << iota
	lower
	inWord
	hexadecimal
	inType // part of the name of a type of Java, .NET, Python, Ruby or PHP
)

var kinds = func() (kinds [256]uint8) {
	for c := range 256 {
		switch c := byte(c); {
		case c >= 'a' && c <= 'z':
			kinds[c] = letter | lower | inWord
		case isLetter(c):
			kinds[c] = letter | inWord
		case logvalue.IsDigit(c), c == '_':
			kinds[c] = inWord
		}
		if _, ok := nibble(byte(c)); ok {
			kinds[c] |= hexadecimal
		}
		if logvalue.IsAlnum(byte(c)) || strings.IndexByte("._$`\\+/", byte(c)) >= 0 {
			kinds[c] |= inType
		}
	}
	return kinds
}()

// marked reports whether a word in small letters is at the position of a level.
func marked(line string, start, end, from int) bool {
	if end == len(line) {
		return false
	}
	if start == 0 {
		return line[end] == ':' // .NET's console: `info: Microsoft.Hosting`
	}
	before, after := line[start-1], line[end]
	switch {
	case before == '[' && after == ']', before == '\t' && after == '\t', before == '<' && after == '>', before == ':' && after == ']', before == '|' && after == '|':
		return true
	}
	return from > 0 && start-from <= 2 && (after == ' ' || after == ':' || after == '\t')
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
