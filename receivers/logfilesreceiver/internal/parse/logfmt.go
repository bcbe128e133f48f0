package parse

import (
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/logvalue"
)

// maxPairs bounds the attributes of a logfmt line.
const maxPairs = 256

// logfmt parses a line that consists only of key=value pairs. Pairs become attributes, except time, level, ids and message, for which a
// record has fields; the body stays the whole line. Numbers in Go's format become numbers.
func (p *Parser) logfmt(line string, clock logvalue.Clock, r plog.LogRecord) bool {
	key, _, ok := strings.Cut(line[:min(len(line), 64)], "=")
	if !ok || !isKey(key) {
		return false
	}
	defer p.forget()
	pairs := 0
	for rest := line; ; pairs++ {
		if rest = strings.TrimLeft(rest, " "); rest == "" {
			break
		}
		var name, value string
		if name, value, rest, ok = pair(rest); !ok || pairs == maxPairs {
			return false
		}
		p.named(safeName(name)).setWord(value)
	}
	if pairs < 2 {
		return false
	}
	p.lift(r, clock, false)
	return true
}

func isKey(key string) bool {
	if key == "" || !isLetter(key[0]) && key[0] != '_' && key[0] != '@' {
		return false
	}
	for i := range len(key) {
		if c := key[i]; !logvalue.IsAlnum(c) && c != '_' && c != '.' && c != '-' && c != '/' && c != '@' {
			return false
		}
	}
	return true
}

// pair removes key=value, key="value" from the beginning of s.
func pair(s string) (key, value, rest string, ok bool) {
	end := strings.IndexByte(s, '=')
	if end < 0 || !isKey(s[:end]) {
		return "", "", s, false
	}
	key, rest = s[:end], s[end+1:]
	if !strings.HasPrefix(rest, `"`) {
		end = strings.IndexByte(rest, ' ')
		if end < 0 {
			end = len(rest)
		}
		value, rest = rest[:end], rest[end:]
		return key, value, rest, !strings.ContainsAny(value, "\"\n\t")
	}
	for i := 1; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case '"':
			value = rest[1:i]
			if strings.IndexByte(value, '\\') >= 0 {
				if plain, err := strconv.Unquote(rest[:i+1]); err == nil {
					value = plain
				}
			}
			rest = rest[i+1:]
			return key, value, rest, rest == "" || rest[0] == ' '
		}
	}
	return "", "", s, false
}
