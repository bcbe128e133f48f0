package mistakes

import (
	"slices"
	"strconv"
	"strings"
)

// locate parses the path at the beginning of an error's text, as components and the decoder write it: a::b: text, a.b[0] text, rules::0::size:
// text. It follows the path in conf as far as conf goes, because keys may contain the separators themselves, and returns the keys and the rest of
// the text.
func locate(conf any, text string) (path []string, rest string) {
	rest = text
	for {
		key, next, after := enter(conf, strings.TrimLeft(rest, "[]"))
		if key == "" {
			return path, rest
		}
		path, conf, rest = append(path, key), next, after
		for _, separator := range []string{"]::", "].", "]: ", "]", "::", ": ", "."} {
			if cut, ok := strings.CutPrefix(rest, separator); ok {
				rest = cut
				break
			}
		}
	}
}

// enter finds the longest key of conf with which text begins.
func enter(conf any, text string) (key string, value any, rest string) {
	switch conf := conf.(type) {
	case map[string]any:
		for k, v := range conf {
			if len(k) > len(key) && strings.HasPrefix(text, k) && ends(text[len(k):]) {
				key, value = k, v
			}
		}
	case []any:
		digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
		if i, err := strconv.Atoi(text[:digits]); err == nil && i < len(conf) && ends(text[digits:]) {
			key, value = text[:digits], conf[i]
		}
	}
	return key, value, text[len(key):]
}

// ends reports whether a key ends where rest begins.
func ends(rest string) bool {
	return rest == "" || strings.ContainsRune(":.[]", rune(rest[0]))
}

// at returns the value at path in conf, a tree of maps and lists.
func at(conf any, path []string) (any, bool) {
	for _, key := range path {
		switch node := conf.(type) {
		case map[string]any:
			next, ok := node[key]
			if !ok {
				return nil, false
			}
			conf = next
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(node) {
				return nil, false
			}
			conf = node[i]
		default:
			return nil, false
		}
	}
	return conf, true
}

// leaves calls yield with each text in conf, and its path.
func leaves(conf any, path []string, yield func(path []string, text string)) {
	switch node := conf.(type) {
	case map[string]any:
		for key, value := range node {
			leaves(value, append(slices.Clone(path), key), yield)
		}
	case []any:
		for i, value := range node {
			leaves(value, append(slices.Clone(path), strconv.Itoa(i)), yield)
		}
	case string:
		yield(path, node)
	}
}
