package detect

import "strings"

const (
	maxKeyName = 64   // bytes of a pair's key that are examined
	maxValue   = 4096 // bytes of a pair's value that are removed; more is not a password
)

const wideColon = "：" // U+FF1A

// specific checks whether the value t[start:end] of a pair is of a more specific kind: a private key, a JWT, a vendor's token. It returns
// where the scan continues, 0 if it is not.
func (sc *scan) specific(start, end int) int {
	t := sc.t
	if sc.on.Has(PrivateKey) && strings.HasPrefix(t[start:], beginMark) {
		return start // the value may be many lines
	}
	found := 0
	if sc.on.Has(JWT) && strings.HasPrefix(t[start:end], "eyJ") {
		found = sc.jwt(start + 2)
	}
	for k := start; k < end && k < start+12 && found == 0; k++ {
		if sc.literals.row[t[k]] != 0 {
			if e := sc.literal(k); e > k+1 {
				found = e
			}
		}
	}
	if found == 0 {
		return 0
	}
	last := &sc.out[len(sc.out)-1]
	if last.Kind == AWSKey { // "Credential=AKIA.../20261120/eu-west-1/s3/aws4_request"
		return last.End
	}
	if last.Start == start || last.Kind == AzureKey {
		last.Start, last.End = start, max(last.End, end)
	}
	return last.End
}

func (sc *scan) equal(i int) int {
	if at(sc.t, i+1) == '=' { // a comparison
		return i + 2
	}
	if c := at(sc.t, i-1); c == '!' || c == '<' || c == '>' {
		return i + 1
	}
	return sc.pair(i)
}

// pair detects a key and a value around the separator t[sep]: "k=v", "k: v", `"k":"v"`, "k => v", `{\"k\":\"v\"}`.
func (sc *scan) pair(sep int) int { return sc.pairOf(sep, sep) }

// pairOf is pair for a separator that begins at end and whose last byte is t[sep].
func (sc *scan) pairOf(end, sep int) int {
	t := sc.t
	if end = sc.operator(end, sep); end < 0 {
		return sep + 1
	}
	if t[sep] == '=' && (at(t, sep+1) == '"' || at(t, sep+1) == '\\') && lower(at(t, sep-1)) == 'e' && sc.on.Has(Password) {
		if stop := sc.part(sep); stop > 0 {
			return stop
		}
	}
	start, end, quoted := keyBefore(t, end, sep)
	name := t[start:end]
	if t[sep] == ':' {
		if stop := sc.oddPair(name, start, sep); stop > 0 {
			return stop
		}
	}
	if !sc.telling(name, start, sep) {
		return sep + 1
	}
	style := notSecret
	secrets := sc.on.Has(Password) || sc.on.Has(AzureKey) || sc.on.Has(AWSKey)
	if secrets {
		style = nameStyle(name)
		if style == notSecret {
			start, name, style = sc.otherName(start, end, sep, style)
		} else if len(name) >= 20 && name[0] < 0x80 && (at(t, sep+1) <= ' ' || at(t, sep+1) == '|') && start < end && end == sep && randomLooking(name) && strings.IndexByte(name, '_') < 0 { // the end of base64
			return sep + 1
		}
		if style == pinSecret && hardware(t, end) || style == weakSecret && t[sep] == ':' && at(t, start-1) == ':' { // of an ARN
			return sep + 1
		}
	}
	if t[sep] == '=' && sc.on.Has(URLSecret) {
		if stop := sc.parameter(name, style, start, sep); stop > 0 {
			return stop
		}
	}
	switch {
	case style == dataSecret:
		return sc.secretData(sep)
	case style == notSecret && quoted && len(name) <= 2 && sc.on.Has(PrivateKey):
		return max(sep+1, sc.jwk(sep, name))
	case style == notSecret || !secrets || elsewhere(t, name, start, sep):
		return sep + 1
	case style == codesSecret:
		return max(sep+1, sc.codes(sep))
	case style == phraseSecret:
		return max(sep+1, sc.phrase(sep+1))
	}
	kind := kindOfName(name)
	if !sc.on.Has(kind) {
		if kind = Password; !sc.on.Has(Password) {
			return sep + 1
		}
	}
	return sc.value(sep, name, style, kind, quoted)
}

// keyBefore finds the key that ends before end, blanks, quotes and colours aside.
func keyBefore(t string, end, sep int) (start, stop int, quoted bool) {
	for end > 0 && sep-end < 48 && (t[end-1] == ' ' || t[end-1] == '\t') {
		end--
	}
	end = colourBefore(t, end)
	switch c := at(t, end-1); c {
	case '"', '\'', '`', ']':
		end, quoted = end-1, true
		if c == ']' {
			end = visibility(t, end)
		}
		switch c := at(t, end-1); {
		case end > 0 && c == '\\':
			for end > 0 && t[end-1] == '\\' && sep-end < 24 {
				end--
			}
		case end > 0 && (c == '"' || c == '\'' || c == '['):
			end--
		}
	case 'D', 'd': // user%5Bpassword%5D=
		if foldAt(t, end-3, "%5d") {
			end, quoted = end-3, true
			for start = end; start > 0 && end-start < maxKeyName && is(t[start-1], cKey); {
				start--
			}
			if start > 0 && t[start-1] == '%' && foldAt(t, start, "5b") {
				start += 2
			}
			return start, end, true
		}
	case ';', '2', '7':
		for _, form := range quoteForms {
			if strings.HasSuffix(t[:end], form) {
				end, quoted = end-len(form), true
				break
			}
		}
	}
	start = end
	for start > 0 && end-start < maxKeyName && (is(t[start-1], cKey) || t[start-1] >= 0x80) {
		start--
	}
	if quoted && start > 0 && (t[start-1] == '\\' && foldAt(t, start, "u0022") || t[start-1] == '\\' && foldAt(t, start, "x22")) {
		start += strings.IndexByte(t[start:end], '2') + 1
		if at(t, start) == '2' {
			start++
		}
	}
	return min(start, end), end, quoted
}

// visibility returns the end of the name before i that PHP wrote with its visibility: ["password":protected]=>.
func visibility(t string, i int) int {
	for _, word := range [...]string{":protected", ":private"} {
		if !strings.HasSuffix(t[:i], word) {
			continue
		}
		i -= len(word)
		if from := runBack(t, i, cWord, maxKeyName); at(t, from-1) == ':' { // and with its class
			return from - 1
		} else if c := at(t, i-1); c == '"' && from == i {
			if from = runBack(t, i-1, cWord, maxKeyName); at(t, from-1) == '"' && at(t, from-2) == ':' {
				return from - 2
			}
		}
		return i
	}
	return i
}

// quoteNext reports whether a string begins at i, blanks aside.
func quoteNext(t string, i int) bool {
	for at(t, i) == ' ' {
		i++
	}
	c := at(t, i)
	return c == '"' || c == '\'' || c == '`' || c == '@'
}

// participles are between a secret's name and a colon: "api token created: x".
var participles = wordsOf("created", "generated", "issued", "changed", "set", "reset", "rotated", "provided", "received", "supplied", "given", "used", "value", "was", "is", "mismatch")

// otherName searches for a secret's name if the key t[start:end] is not one itself: "mot de passe", a type ("password: String = ..."), the
// name of an entry whose value this is.
func (sc *scan) otherName(start, end, sep int, style secretStyle) (int, string, secretStyle) {
	t := sc.t
	name := t[start:end]
	switch {
	case len(name) == 5 && foldAt(t, start-7, "mot de passe"):
		return start, name, plainSecret
	case len(name) == 5 && foldAt(t, start, "value") && (at(t, start-1) == '(' || at(t, start-1) == '{'): // Token(value=x)
		from := runBack(t, start-1, cLetter, 24)
		if s := nameStyle(t[from : start-1]); s != notSecret && from < start-1 {
			return from, t[from : start-1], s
		}
	case len(name) == 14 && name == "ParameterValue":
		if k := strings.LastIndex(t[max(0, start-2*maxKeyName):start], `ParameterKey":"`); k >= 0 {
			from := max(0, start-2*maxKeyName) + k + len(`ParameterKey":"`)
			entry := t[from:run(t, from, cKey, maxKeyName)]
			return start, entry, nameStyle(entry)
		}
	case len(name) == 5 && foldAt(t, start, "value"):
		entry := entryName(t, start)
		if entry == "" {
			entry = entryBehind(t, sep)
		}
		if entry == "" {
			entry = enclosing(t, start)
		}
		if entry != "" {
			return start, entry, nameStyle(entry)
		}
	case at(t, start-1) == ' ' && (name == "key" || name == "Key" || name == "KEY" || name == "phrase" || name == "code" || name == "codes"): // "api key: x"
		from := runBack(t, start-1, cWord, 24)
		if spoken := t[from:end]; from < start-1 {
			if s := nameStyle(spoken); s == plainSecret {
				return from, spoken, weakSecret
			} else if s != notSecret {
				return from, spoken, s
			}
		}
	case at(t, start-1) == ' ' && (name == "ID" || name == "id") && foldAt(t, start-7, "secret ") || is(at(name, 0), cDigit) && len(name) == 1 && (foldAt(t, start-11, "unseal key ") || foldAt(t, start-13, "recovery key ")):
		return start, name, plainSecret
	case at(t, start-1) == ' ' && t[sep] == ':' && len(name) > 1 && (is(name[0], cLower) && (participles.exact(name) || foldAt(t, start-12, "credentials ")) || name[0] >= 0x80):
		from := start - 1
		for from > 0 && start-from < maxKeyName && (is(t[from-1], cKey) || t[from-1] >= 0x80) {
			from--
		}
		if s := nameStyle(t[from : start-1]); s == plainSecret || s == weakSecret {
			return from, t[from : start-1], weakSecret
		} else if before := runBack(t, from-1, cKey, 24); from > 1 && t[from-1] == ' ' && before < from-1 && nameStyle(t[before:start-1]) == plainSecret { // "api key"
			return before, t[before : start-1], weakSecret
		}
	case t[sep] == '=' && strings.HasSuffix(name, ".key") && (strings.HasPrefix(name, "wireless.") || strings.HasSuffix(t[:start], "]") && strings.Contains(t[max(0, start-24):start], "wifi-iface")): // of OpenWrt
		return start, name, plainSecret
	case name == "default" && t[sep] == '=':
		if block := blockName(t, start); block != "" {
			return start, block, nameStyle(block)
		}
	case t[sep] == '=' && start > 1 && quoteNext(t, sep+1) && typeNames.exact(name):
		i := start
		for i > 0 && start-i < 16 && (t[i-1] == ' ' || t[i-1] == ':' || t[i-1] == '*' || t[i-1] == '&' || t[i-1] == '?' || t[i-1] == '<') {
			i--
		}
		from := runBack(t, i, cKey, maxKeyName)
		if s := nameStyle(t[from:i]); s != notSecret && from < i {
			return from, t[from:i], s
		}
	}
	return start, name, style
}

var typeNames = wordsOf("string", "str", "text", "varchar", "char", "nsstring", "std.string", "securestring", "java.lang.string", "object", "any", "charsequence", "bytes", "rune", "byte")

// entryName returns the name of the entry whose value's key begins at i: {"name": "DB_PASSWORD", "value": "..."}, <add key="password"
// value="..."/>, "- name: DB_PASSWORD\n  value: ...". Empty if there is no name.
func entryName(t string, i int) string {
	const gap = " \t\r\n,\"'\\"
	end := i
	for end > 0 && i-end < 64 && strings.IndexByte(gap, t[end-1]) >= 0 {
		end--
	}
	from := runBack(t, end, cKey, maxKeyName)
	k := from
	for k > 0 && from-k < 8 && strings.IndexByte(" :=\"'\\", t[k-1]) >= 0 {
		k--
	}
	if end == i || from == end || k == from || strings.IndexByte(t[k:from], ':') < 0 && strings.IndexByte(t[k:from], '=') < 0 {
		return ""
	}
	for _, label := range [...]string{"name", "key"} {
		if foldAt(t, k-len(label), label) && !is(at(t, k-len(label)-1), cKey) {
			return t[from:end]
		}
	}
	return ""
}
