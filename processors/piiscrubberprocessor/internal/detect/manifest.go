package detect

import "strings"

// docKind classifies a text: whether it is the manifest of a Kubernetes Secret.
type docKind uint8

const (
	unread docKind = iota
	otherDoc
	secretDoc
)

// isSecretDoc reports whether the text says "kind: Secret", in YAML or JSON. It is read once.
func (sc *scan) isSecretDoc() bool {
	if sc.secrets == unread {
		sc.secrets = otherDoc
		for _, form := range [...]string{"kind: Secret", `"kind":"Secret"`, `"kind": "Secret"`, `\"kind\":\"Secret\"`, `\"kind\": \"Secret\"`, "kind: \"Secret\"", "kind:Secret"} {
			if n := strings.Index(sc.t, form); n >= 0 && !is(at(sc.t, n+len(form)), cWord) {
				sc.secrets = secretDoc
				break
			}
		}
	}
	return sc.secrets == secretDoc
}

// secretData detects the values after "data:" of a Secret (the colon is at i), each of them, whatever its key.
func (sc *scan) secretData(i int) int {
	t := sc.t
	if t[i] != ':' || !sc.isSecretDoc() {
		return i + 1
	}
	k := i + 1
	for k < len(t) && (t[k] == ' ' || t[k] == '\r') {
		k++
	}
	if at(t, k) == '{' {
		return sc.secretObject(k + 1)
	}
	if at(t, k) != '\n' {
		return i + 1
	}
	start := i
	for start > 0 && t[start-1] != '\n' {
		start--
	}
	indent := indentOf(t, start)
	for k++; k < len(t); {
		end := strings.IndexByte(t[k:], '\n')
		if end < 0 {
			end = len(t) - k
		}
		end += k
		if in := indentOf(t, k); in <= indent && strings.TrimSpace(t[k:end]) != "" || end == k {
			return k - 1
		}
		if colon := strings.Index(t[k:end], ": "); colon > 0 {
			from := k + colon + 2
			if v := strings.Trim(t[from:end], " \r\"'"); v != "" && v != "|" && v != ">" && v != "|-" {
				from += strings.Index(t[from:end], v)
				sc.secretValue(from, from+len(v))
			}
		} else if strings.IndexByte(t[k:end], ':') < 0 { // a line of a block
			from := indentOf(t, k) + k
			sc.secretValue(from, end)
		}
		k = end + 1
	}
	return len(t)
}

// secretObject detects the values of a JSON object that begins after '{' at i.
func (sc *scan) secretObject(i int) int {
	t := sc.t
	for i < len(t) && t[i] != '}' {
		colon := i
		for colon < len(t) && t[colon] != ':' && t[colon] != '}' {
			colon++
		}
		if at(t, colon) != ':' {
			return colon
		}
		start := colon + 1
		for at(t, start) == ' ' || at(t, start) == '"' || at(t, start) == '\\' {
			start++
		}
		end := start
		for end < len(t) && t[end] != '"' && t[end] != '\\' && t[end] != ',' && t[end] != '}' {
			end++
		}
		sc.secretValue(start, end)
		for i = end; i < len(t) && (t[i] == '"' || t[i] == '\\' || t[i] == ',' || t[i] == ' ' || t[i] == '\n'); {
			i++
		}
	}
	return i
}

func (sc *scan) secretValue(start, end int) {
	if v := sc.t[start:end]; len(v) >= 3 && !placeholder(v) {
		sc.found(Password, start, end)
	}
}

func indentOf(t string, i int) (n int) {
	for at(t, i+n) == ' ' {
		n++
	}
	return n
}
