package mistakes

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// fault is one mistake at a path of the configuration.
type fault struct {
	path []string
	text string
}

const decoding = "decoding failed due to the following error(s):"

var (
	quoted      = regexp.MustCompile(`^'([^']*)' (.*)$`)
	invalidKeys = regexp.MustCompile(`^has invalid keys: (.*)$`)
	wrongKind   = regexp.MustCompile(`^expected type '([^']*)', got unconvertible type '([^']*)'`)
	wrongBool   = regexp.MustCompile(`^unexpected type string for '([^']*)': got '(.*)' value expected 'true' or 'false'`)
	notAMap     = regexp.MustCompile(`^expected a map(?: or struct)?, got "?([a-z0-9]+)"?`)
	notAList    = regexp.MustCompile(`^source data must be an array or slice, got (\S+)`)
	wrongLevel  = regexp.MustCompile(`^unrecognized level: (".*")`)
	badDuration = regexp.MustCompile(`^time: (missing unit in|unknown unit|invalid) ?(duration)?`)
	ottl        = regexp.MustCompile(`unable to infer a valid context \(.*?\) from statements \[(.*?)\] and conditions \[.*?\]: `)
	configuring = regexp.MustCompile(`^error reading configuration for "([^"]*)": `)
)

// decodingFaults parses an error of the collector's decoder: a list of 'path' text, nested if a component decodes a part itself. conf is the input
// for a value of type t.
func decodingFaults(text string, conf any, t reflect.Type) (faults []fault) {
	prefix := ""
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line == decoding {
			continue
		}
		path := prefix
		for {
			m := quoted.FindStringSubmatch(line)
			if m == nil {
				break
			}
			path, line = join(path, m[1]), m[2]
			if c := configuring.FindStringSubmatch(line); c != nil {
				path, line = join(path, c[1]), line[len(c[0]):]
			}
			if line == decoding {
				prefix = path
			}
		}
		if line == decoding {
			continue
		}
		faults = append(faults, explain(path, line, conf, t)...)
	}
	return faults
}

func join(path, key string) string {
	if path == "" || key == "" {
		return path + key
	}
	return path + "." + key
}

// explain describes in plain words what the decoder found at a path.
func explain(path, text string, conf any, t reflect.Type) []fault {
	keys, _ := locate(conf, path)
	if m := invalidKeys.FindStringSubmatch(text); m != nil {
		var faults []fault
		for key := range strings.SplitSeq(m[1], ", ") {
			faults = append(faults, unknownKey(keys, key, conf, t))
		}
		return faults
	}
	value, _ := at(conf, keys)
	switch {
	case wrongBool.MatchString(text):
		m := wrongBool.FindStringSubmatch(text)
		if _, has := at(conf, append(slices.Clone(keys), m[1])); has {
			keys = append(keys, m[1])
		}
		text = fmt.Sprintf("want true or false, got %q", m[2])
	case wrongKind.MatchString(text):
		m := wrongKind.FindStringSubmatch(text)
		text = fmt.Sprintf("want %s, got %s", kind(m[1]), shown(value, m[2]))
	case notAMap.MatchString(text):
		text = fmt.Sprintf("want a mapping of keys and values, got %s", shown(value, notAMap.FindStringSubmatch(text)[1]))
	case notAList.MatchString(text):
		text = fmt.Sprintf("want a list, as in [a, b], got %s", shown(value, notAList.FindStringSubmatch(text)[1]))
	case wrongLevel.MatchString(text):
		text = fmt.Sprintf("want debug, info, warn or error, got %s", wrongLevel.FindStringSubmatch(text)[1])
	case badDuration.MatchString(text):
		text = fmt.Sprintf("%s is not a duration: write it with a unit, as in 200ms, 15s or 1h30m", shown(value, "the value"))
	}
	return []fault{{keys, text}}
}

// unknownKey names a key that is not a setting, and the setting that was probably meant. The decoder does not always say where the key is.
func unknownKey(path []string, key string, conf any, t reflect.Type) fault {
	path = append(slices.Clone(path), key)
	if _, has := at(conf, path); !has {
		if only := find(conf, key); only != nil {
			path = only
		}
	}
	text := "there is no such setting"
	if known := keysOf(typeAt(t, path[:len(path)-1])); len(known) > 0 {
		if near := didYouMean(key, known); near != "" {
			text += near
		} else if len(known) <= 20 {
			text += "; there are " + strings.Join(known, ", ")
		}
	}
	return fault{path, text}
}

// find returns the path of the only key of that name in conf; nil if there are none or several.
func find(conf any, key string) (found []string) {
	several := false
	var walk func(node any, path []string)
	walk = func(node any, path []string) {
		m, ok := node.(map[string]any)
		if !ok {
			return
		}
		for k, v := range m {
			next := append(slices.Clone(path), k)
			if k == key {
				several = several || found != nil
				found = next
			}
			walk(v, next)
		}
	}
	walk(conf, nil)
	if several {
		return nil
	}
	return found
}

func kind(goType string) string {
	switch {
	case strings.HasPrefix(goType, "int"), strings.HasPrefix(goType, "uint"):
		return "a whole number"
	case strings.HasPrefix(goType, "float"):
		return "a number"
	case goType == "bool":
		return "true or false"
	case goType == "string":
		return "a text"
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	case strings.HasPrefix(goType, "map"):
		return "a mapping"
	}
	return goType
}

// shown is a value in the form for an error: scalars quoted, others by their kind.
func shown(value any, otherwise string) string {
	switch value := value.(type) {
	case map[string]any:
		return "a mapping"
	case []any:
		return "a list"
	case string:
		return fmt.Sprintf("%q", value)
	case nil:
		switch otherwise {
		case "slice":
			return "a list"
		case "map":
			return "a mapping"
		}
		return otherwise
	}
	return fmt.Sprintf("%v", value)
}

// validationFaults parses an error of Validate: one line for each fault, which begins with the key as the component writes it.
func validationFaults(text string, conf any) (faults []fault) {
	for line := range strings.SplitSeq(text, "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		line = ottl.ReplaceAllString(line, "$1: ")
		path, rest := locate(conf, line)
		if len(path) == 0 {
			// The name of a part of the configuration that exists only in the code comes first: kafka: brokers: text, http::tls: text.
			if part, after, ok := strings.Cut(strings.Replace(line, "::", ": ", 1), ": "); ok && !strings.ContainsAny(part, " \"") {
				if inner, text := locate(conf, after); len(inner) > 0 && text != "" {
					path, rest = inner, text
				}
			}
		}
		if rest == "" || !strings.Contains(line, ": ") {
			path, rest = nil, line
		}
		faults = append(faults, fault{path, strings.TrimSpace(rest)})
	}
	return faults
}
