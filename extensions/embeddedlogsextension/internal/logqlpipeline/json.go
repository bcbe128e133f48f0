package logqlpipeline

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
)

// newJSON flattens objects, or takes the paths that are named.
func newJSON(s *logql.JSON) (stage, error) {
	if len(s.Fields) == 0 {
		return &jsonStage{names: newNames()}, nil
	}
	p := &jsonPaths{}
	for _, f := range s.Fields {
		steps, err := parsePath(f.Path)
		if err != nil {
			return nil, err
		}
		p.paths = append(p.paths, jsonPath{f.Name, steps})
	}
	return p, nil
}

// jsonStage makes a label of each field: of objects in objects the names are joined by _, arrays are left out.
type jsonStage struct {
	names  *names
	record *Record
	scan   scanner
	prefix []byte
}

func (s *jsonStage) run(r *Record) bool {
	s.record, s.scan, s.prefix = r, scanner{text: r.Line}, s.prefix[:0]
	s.scan.space()
	if r.enough() {
		return true
	}
	if err := s.object(1); err != nil && !errors.Is(err, errEnough) {
		r.Fail(errJSON, err.Error())
	}
	return true
}

func (s *jsonStage) object(depth int) error {
	if depth > maxJSONDepth {
		return errNotJSON
	}
	return s.scan.object(func(key string) error {
		before := len(s.prefix)
		if before > 0 {
			s.prefix = append(s.prefix, '_')
		}
		s.prefix = append(s.prefix, key...)
		err := s.value(depth)
		s.prefix = s.prefix[:before]
		return err
	})
}

func (s *jsonStage) value(depth int) error {
	var value string
	var err error
	switch s.scan.peek() {
	case '{':
		return s.object(depth + 1)
	case '[':
		return s.scan.skip(depth + 1)
	case '"':
		value, err = s.scan.str()
	default:
		if value, err = s.scan.word(); value == "null" {
			return nil
		}
	}
	if err == nil && len(s.prefix) > 0 {
		s.record.extract(s.names.of(string(s.prefix)), value)
		if s.record.enough() {
			return errEnough
		}
	}
	return err
}

// step is a key of an object, or an index of an array.
type step struct {
	key     string
	index   int
	isIndex bool
}

type jsonPath struct {
	name  string
	steps []step
}

// parsePath reads a.b["c d"][0].
func parsePath(text string) ([]step, error) {
	var steps []step
	for rest := text; rest != ""; {
		switch {
		case rest[0] == '.' && len(steps) > 0 && len(rest) > 1 && rest[1] != '[':
			rest = rest[1:]
			n := nameLength(rest)
			if n == 0 {
				return nil, fmt.Errorf("cannot parse the path %q", text)
			}
			steps = append(steps, step{key: rest[:n]})
			rest = rest[n:]
		case rest[0] == '[':
			s, n := bracketStep(rest)
			if n == 0 {
				return nil, fmt.Errorf("cannot parse the path %q", text)
			}
			steps = append(steps, s)
			rest = rest[n:]
		default:
			n := nameLength(rest)
			if n == 0 || len(steps) > 0 {
				return nil, fmt.Errorf("cannot parse the path %q", text)
			}
			steps = append(steps, step{key: rest[:n]})
			rest = rest[n:]
		}
	}
	if len(steps) == 0 || len(steps) > maxJSONDepth {
		return nil, fmt.Errorf("cannot parse the path %q", text)
	}
	return steps, nil
}

func nameLength(s string) int {
	n := 0
	for n < len(s) && s[n] != '.' && s[n] != '[' && s[n] != ']' && s[n] != '"' && s[n] != ' ' {
		n++
	}
	return n
}

// bracketStep reads [0] or ["key"]; its length is 0 when it is neither.
func bracketStep(s string) (step, int) {
	scan := scanner{text: s, at: 1}
	if key, err := scan.str(); err == nil {
		if scan.accept(']') {
			return step{key: key}, scan.at
		}
		return step{}, 0
	}
	end := 1
	for end < len(s) && '0' <= s[end] && s[end] <= '9' {
		end++
	}
	index, err := strconv.Atoi(s[1:end])
	if err != nil || end == len(s) || s[end] != ']' {
		return step{}, 0
	}
	return step{index: index, isIndex: true}, end + 1
}

// jsonPaths takes some fields of the line; one that is not there is an empty label.
type jsonPaths struct{ paths []jsonPath }

func (s *jsonPaths) run(r *Record) bool {
	if r.enough() {
		return true
	}
	if r.Line == "" {
		return true
	}
	if r.Line[0] != '{' && r.Line[0] != '[' && r.Line[0] != '"' { // what is wrong further on is not looked for, as in Loki
		r.Fail(errJSON, "")
		return true
	}
	for _, p := range s.paths {
		scan := scanner{text: r.Line}
		value, err := follow(&scan, p.steps, 0)
		if err != nil && err != errAbsent {
			r.Fail(errJSON, err.Error())
		}
		if _, taken := r.Value(p.name); err == nil || !taken {
			r.extract(p.name, value)
		}
	}
	return true
}

// follow reads the value at the end of a path; a value that is no string is taken as it is written. The error is errAbsent where there is none.
func follow(s *scanner, steps []step, depth int) (value string, err error) {
	if len(steps) == 0 {
		if s.peek() == '"' {
			return s.str()
		}
		value, err := s.raw(depth)
		if err != nil || value == "null" {
			return "", err
		}
		return value, nil
	}
	want := steps[0]
	err = errAbsent
	here := func(match bool) error {
		if match {
			value, err = follow(s, steps[1:], depth+1)
			return errFound
		}
		return s.skip(depth + 1)
	}
	switch {
	case s.peek() == '{' && !want.isIndex:
		_ = s.object(func(key string) error { return here(key == want.key) })
	case s.peek() == '[' && want.isIndex:
		_ = s.array(func(i int) error { return here(i == want.index) })
	}
	return value, err
}

var (
	errFound  = errors.New("found")
	errAbsent = errors.New("no such value")
	errEnough = errors.New("enough")
)

// unpackStage makes labels of the strings of an object whose member _entry is the line.
type unpackStage struct {
	names *names
	found []Label
}

func (s *unpackStage) run(r *Record) bool {
	if r.Line == "" || r.enough() {
		return true
	}
	scan := scanner{text: r.Line}
	line, replaced := "", false
	s.found = s.found[:0]
	err := scan.object(func(key string) error {
		if scan.peek() != '"' {
			return scan.skip(1)
		}
		value, err := scan.str()
		if err != nil {
			return err
		}
		if key == "_entry" {
			line, replaced = value, true
		} else {
			s.found = append(s.found, Label{s.names.of(key), value})
		}
		return nil
	})
	if err != nil {
		r.Fail(errJSON, err.Error())
	} else if replaced {
		for _, l := range s.found {
			r.extract(l.Name, l.Value)
		}
		r.Line = line
	}
	return true
}
