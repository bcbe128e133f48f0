package logqlpipeline

import (
	"errors"
	"fmt"
	"strings"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
)

// part is a text, or a capture; a capture without a name is thrown away.
type part struct {
	literal, name string
	capture       bool
}

type pattern struct{ parts []part }

// parsePattern reads <name> and <_>; every other < is itself.
func parsePattern(text string) (*pattern, error) {
	p := &pattern{}
	seen := map[string]bool{}
	literal := ""
	for text != "" {
		open := strings.IndexByte(text, '<')
		if open < 0 {
			break
		}
		end := open + 1
		for end < len(text) && (isLetter(text[end]) || end > open+1 && '0' <= text[end] && text[end] <= '9') {
			end++
		}
		if end == open+1 || end == len(text) || text[end] != '>' {
			literal += text[:open+1]
			text = text[open+1:]
			continue
		}
		literal += text[:open]
		name := text[open+1 : end]
		text = text[end+1:]
		if literal != "" {
			p.parts = append(p.parts, part{literal: literal})
		} else if len(p.parts) > 0 {
			return nil, fmt.Errorf("found consecutive capture '<%s>' in the pattern: a text has to be between two captures", name)
		}
		literal = ""
		if name == "_" {
			name = ""
		}
		if seen[name] {
			return nil, fmt.Errorf("duplicate capture name (%s) in the pattern", name)
		}
		seen[name] = name != ""
		p.parts = append(p.parts, part{name: name, capture: true})
	}
	if literal += text; literal != "" {
		p.parts = append(p.parts, part{literal: literal})
	}
	if len(p.parts) == 0 {
		return nil, errors.New("an empty pattern")
	}
	return p, nil
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' }

func (p *pattern) named() bool {
	for _, part := range p.parts {
		if part.name != "" {
			return true
		}
	}
	return false
}

// anonymous is an error for a pattern with names.
func (p *pattern) anonymous() error {
	if p.named() {
		return errors.New("named captures are not allowed in line filters: write <_>")
	}
	return nil
}

// captures hands over what the captures stand for, until a text is not found.
func (p *pattern) captures(line string, found func(name, value string)) {
	for i := 0; i < len(p.parts); i++ {
		current := p.parts[i]
		if !current.capture {
			if !strings.HasPrefix(line, current.literal) {
				return
			}
			line = line[len(current.literal):]
			continue
		}
		value := line
		if i+1 < len(p.parts) {
			at := strings.Index(line, p.parts[i+1].literal)
			if at < 0 {
				if current.name != "" {
					found(current.name, line)
				}
				return
			}
			value = line[:at]
		}
		line = line[len(value):]
		if current.name != "" {
			found(current.name, value)
		}
	}
}

// test tells whether the whole line fits: a text at an end of the pattern stands at that end of the line.
func (p *pattern) test(line string) bool {
	for i, current := range p.parts {
		if current.capture {
			continue
		}
		switch {
		case i == 0 && i == len(p.parts)-1:
			return line == current.literal
		case i == 0:
			if !strings.HasPrefix(line, current.literal) {
				return false
			}
			line = line[len(current.literal):]
		case i == len(p.parts)-1:
			return strings.HasSuffix(line, current.literal)
		default:
			at := strings.Index(line, current.literal)
			if at < 0 {
				return false
			}
			line = line[at+len(current.literal):]
		}
	}
	return true
}

type patternStage struct{ pattern *pattern }

func newPatternStage(s *logql.Pattern) (stage, error) {
	p, err := parsePattern(s.Text)
	if err == nil && !p.named() {
		err = errors.New("at least one capture with a name is needed: <name>")
	}
	return &patternStage{p}, err
}

func (s *patternStage) run(r *Record) bool {
	if r.Line != "" {
		s.pattern.captures(r.Line, r.extract)
	}
	return true
}
