package sources

import (
	"bytes"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Place returns where the user wrote path, or the longest beginning of it, with the number of keys found there. Later sources win; profiles don't
// count, because the user did not write them. ok is false if no source of the user has even the first key.
func (r *Reader) Place(path []string) (place Place, keys int, ok bool) {
	sources := r.Sources()
	for i := len(sources) - 1; i >= 0; i-- {
		s := sources[i]
		if s.Profile() {
			continue
		}
		found, line := s.find(path)
		if found > keys {
			place, keys, ok = Place{s.Name(), line}, found, true
		}
	}
	return place, keys, ok
}

// Wrote reports whether the user wrote the whole path.
func (r *Reader) Wrote(path []string) bool {
	_, keys, _ := r.Place(path)
	return keys == len(path)
}

// find returns how many keys of path the source has, and the line of the last of them.
func (s Source) find(path []string) (keys, line int) {
	if s.root != nil {
		if keys, line = follow(s.root, path); keys > 0 {
			return keys, line
		}
	}
	var at any = s.Conf
	for _, key := range path {
		m, isMap := at.(map[string]any)
		next, has := m[key]
		if !isMap || !has {
			break
		}
		at, keys = next, keys+1
	}
	return keys, 0
}

func follow(node *yaml.Node, path []string) (keys, line int) {
	for len(path) > 0 {
		for node.Kind == yaml.AliasNode {
			node = node.Alias
		}
		next, at, used := step(node, path)
		if next == nil {
			break
		}
		node, line, keys, path = next, at, keys+used, path[used:]
	}
	return keys, line
}

// step moves one key or index down. A key can be several of path, written as a::b.
func step(node *yaml.Node, path []string) (next *yaml.Node, line, used int) {
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, value := node.Content[i], node.Content[i+1]
			parts := strings.Split(key.Value, "::")
			if len(parts) <= len(path) && strings.Join(path[:len(parts)], "::") == key.Value {
				return value, key.Line, len(parts)
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(path[0]); err == nil && i >= 0 && i < len(node.Content) {
			return node.Content[i], node.Content[i].Line, 1
		}
	}
	return nil, 0, 0
}

// single returns an error if text, which the parser accepts, has more than one YAML document. The collector would read only the first.
func single(file string, text []byte) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var first, second yaml.Node
	if d.Decode(&first) != nil || d.Decode(&second) != nil || second.Kind == 0 {
		return nil
	}
	return &Error{Place{file, second.Line}, "a second document begins after ---, and nothing would read it: write both as one"}
}

var yamlLine = regexp.MustCompile(`line (\d+): (.*)`)

// lineOf returns the first line up to which text has the parser's error; 0 if there is none. For a line that fits no indentation the parser names
// the line where the section begins that it can't continue.
func lineOf(text []byte, said string) int {
	const most = 5000 // each beginning of the text is parsed
	at := 0
	for line := 1; line <= most && at < len(text); line++ {
		next := bytes.IndexByte(text[at:], '\n')
		if at += next + 1; next < 0 {
			at = len(text)
		}
		var node yaml.Node
		if err := yaml.Unmarshal(text[:at], &node); err != nil && strings.Contains(err.Error(), said) {
			return line
		}
	}
	return 0
}

const strayLine = "did not find expected key"

// broken translates the YAML parser's error about text.
func broken(file string, text []byte, err error) error {
	e := translated(file, err)
	if strings.Contains(e.Text, strayLine) {
		if line := lineOf(text, strayLine); line > 0 {
			e.Place.Line = line
			e.Text += " (is the line indented as the ones that it belongs to?)"
		}
	}
	return e
}

func translated(file string, err error) *Error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	var types *yaml.TypeError
	if errors.As(err, &types) && len(types.Errors) > 0 {
		text = types.Errors[0]
	}
	e := &Error{Place{Name: file}, text}
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		e.Place.Line, _ = strconv.Atoi(m[1])
		e.Text = m[2]
	}
	switch {
	case strings.Contains(text, "cannot start any token"):
		e.Text += " (YAML is indented with spaces, not with tabs)"
	case strings.Contains(text, "already defined"):
		e.Text += "; write both as one section"
	}
	e.Text = "not valid YAML: " + e.Text
	return e
}
