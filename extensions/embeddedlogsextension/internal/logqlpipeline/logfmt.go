package logqlpipeline

import (
	"errors"
	"strconv"
	"strings"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
)

var errNotLogfmt = errors.New("the line is not logfmt")

// logfmtStage makes labels of key=value, or of the keys that are named.
type logfmtStage struct {
	strict, keepEmpty bool
	names             *names
	fields            map[string][]string // labels by key; empty: all keys
	order             []logql.Extract
}

func newLogfmt(s *logql.Logfmt) (stage, error) {
	stage := &logfmtStage{strict: s.Strict, keepEmpty: s.KeepEmpty, names: newNames(), order: s.Fields}
	if len(s.Fields) > 0 {
		stage.fields = map[string][]string{}
	}
	for _, f := range s.Fields {
		if f.Path == "" || strings.ContainsAny(f.Path, " =\"") {
			return nil, errors.New("invalid logfmt key " + strconv.Quote(f.Path))
		}
		stage.fields[f.Path] = append(stage.fields[f.Path], f.Name)
	}
	return stage, nil
}

func (s *logfmtStage) run(r *Record) bool {
	var found map[string]string
	if s.fields != nil {
		found = map[string]string{}
	}
	rest := r.Line
	for !r.enough() {
		key, value, after, err := nextPair(rest)
		if err != nil {
			if s.strict {
				r.Fail(errLogfmt, err.Error())
				break
			}
			rest = after
			continue
		}
		if key == "" {
			break
		}
		rest = after
		s.pair(r, key, value, found)
	}
	for _, f := range s.order {
		value, ok := found[f.Name]
		if _, taken := r.Value(f.Name); ok || !taken {
			r.extract(f.Name, value) // empty where the key is not there
		}
	}
	return true
}

func (s *logfmtStage) pair(r *Record, key, value string, found map[string]string) {
	if value == "" && !s.keepEmpty {
		return
	}
	if s.fields == nil {
		r.extract(s.names.of(key), value)
		return
	}
	for _, label := range s.fields[key] {
		found[label] = value // of a named key the last value counts
	}
}

// Logfmt reads a line of key=value pairs; of a key that is there twice the last value counts.
func Logfmt(line string) (map[string]string, error) {
	all := map[string]string{}
	for {
		key, value, rest, err := nextPair(line)
		if err != nil || key == "" {
			return all, err
		}
		all[key], line = value, rest
	}
}

// nextPair cuts key=value, key="quoted value" or key off; the key is empty at the end. With an error rest is where to go on.
func nextPair(line string) (key, value, rest string, err error) {
	at := 0
	for at < len(line) && line[at] <= ' ' {
		at++
	}
	start := at
	for at < len(line) && line[at] > ' ' && line[at] != '=' && line[at] != '"' {
		at++
	}
	key = line[start:at]
	if key == "" && at == len(line) {
		return "", "", "", nil
	}
	if key == "" || at < len(line) && line[at] == '"' {
		return "", "", line[wordEnd(line, at):], errNotLogfmt
	}
	if at == len(line) || line[at] != '=' {
		return key, "", line[at:], nil
	}
	at++
	if at < len(line) && line[at] == '"' {
		end := quotedEnd(line, at)
		if end < 0 {
			return "", "", line[len(line):], errNotLogfmt
		}
		if value, err = strconv.Unquote(line[at:end]); err != nil {
			value = unescaped(line[at+1 : end-1])
		}
		return key, value, line[end:], nil
	}
	start = at
	for at < len(line) && line[at] > ' ' {
		if line[at] == '=' || line[at] == '"' {
			return "", "", line[wordEnd(line, at):], errNotLogfmt
		}
		at++
	}
	return key, line[start:at], line[at:], nil
}

// unescaped is a value that [strconv.Unquote] does not take: a newline in it is one, and next to escapes that nobody knows, as in C:\dir, no
// other than that of a quote is one.
func unescaped(text string) string {
	var out strings.Builder
	for rest := text; rest != ""; {
		c, _, after, err := strconv.UnquoteChar(rest, '"')
		if err != nil {
			return strings.ReplaceAll(text, `\"`, `"`)
		}
		out.WriteRune(c)
		rest = after
	}
	return out.String()
}

func wordEnd(line string, at int) int {
	for at < len(line) && line[at] > ' ' {
		at++
	}
	return at
}

// quotedEnd is behind the closing quote, or -1.
func quotedEnd(line string, at int) int {
	for i := at + 1; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}
