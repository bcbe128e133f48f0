package detect

import "strings"

// placeholder reports whether v is a placeholder for a secret.
func placeholder(v string) bool {
	if v == "" || Mark(v, 0) == len(v) || strings.HasSuffix(v, TokenDomain) {
		return true
	}
	switch v[0] {
	case '$':
		if n := strings.Index(v, "->"); n > 0 { // $this->tokens
			return run(v, 1, cWord, maxKeyName) == n
		}
		if n := run(v, 1, cWord, maxKeyName); n > 2 && at(v, n) == '[' { // $_POST['password']
			return true
		}
		return len(v) == 1 || v[1] == '{' || v[1] == '(' || variable(v[1:])
	case '{':
		return strings.HasPrefix(v, "{{") || strings.HasPrefix(v, "{}") || strings.HasSuffix(v, "}") && (dotted(v[1:len(v)-1]) && run(v, 1, cWord|cKey, len(v)) == len(v)-1 && digitRun(v) == 0 || oneWord(v[1:len(v)-1]))
	case '(': // (sensitive value)
		return oneWord(strings.TrimSuffix(v[1:], ")"))
	case '<':
		return !randomLooking(strings.Trim(v, "<>"))
	case '%':
		return len(v) == 2 || at(v, 1) == '(' || at(v, 1) == '{' || v[len(v)-1] == '%'
	case '@': // @{NAME} of other configurations
		if at(v, 1) == '{' {
			return true
		}
	case ':': // a symbol of Ruby or Elixir
		return len(v) > 1 && oneWord(v[1:])
	case '[':
		return run(strings.TrimSuffix(v, "]"), 1, cWord, 40) >= len(v)-1 && !randomLooking(strings.TrimSuffix(v[1:], "]"))
	}
	if strings.Trim(v, v[:1]) == "" && (v[0] == '*' || v[0] == 'x' || v[0] == 'X' || v[0] == '.' || v[0] == '-' || v[0] == '#' || v[0] == '?' || v[0] == '_' || v[0] >= 0x80) {
		return true
	}
	if len(v) <= 12 && placeholderWords.exact(strings.TrimRight(v, "!?")) {
		return true
	}
	if len(v) > 16 && strings.Count(v, "_") > 1 && run(v, 0, cUpper|cWord, len(v)) == len(v) && strings.IndexFunc(v, isLowerOrDigit) < 0 { // VALUE_SPECIFIED_IN_NO_LOG_PARAMETER
		return true
	}
	for _, head := range references {
		if strings.HasPrefix(v, head) {
			return true
		}
	}
	return false
}

// references begin values that refer to a secret, or contain it encrypted or hashed.
var references = [...]string{"arn:aws", "hmac-sha256:", "ENC[AES", "!vault", "op://", "vault:", "sm://", "ref+", "file:", "env:", "secretref:", "{cipher}"}

// variable reports whether v is the name of a variable: letters of one case.
func variable(v string) bool {
	var seen uint8
	for i := 0; i < len(v); i++ {
		if !is(v[i], cWord) {
			return false
		}
		seen |= charClass[v[i]] & cLetter
	}
	return is(v[0], cWord) && seen != cLetter && seen != 0
}

var placeholderWords = wordsOf("null", "nil", "none", "true", "false", "undefined", "required", "optional", "string", "str", "text", "hidden",
	"masked", "redacted", "removed", "filtered", "empty", "yes", "no", "n/a", "na", "bool", "boolean", "int", "integer", "number", "object",
	"invalid", "incorrect", "missing", "expired", "wrong", "set", "unset", "not", "changed", "reset", "updated", "present", "absent",
	"denied", "granted", "allowed", "refused", "rejected", "accepted", "anonymous", "verified", "mismatch", "rotated", "revoked", "cancelled", "canceled", "requested", "read", "write", "done", "skipped", "passed", "must", "should", "cannot", "failed", "error", "valid", "enabled", "disabled", "unknown", "default", "bytes", "bearer", "basic", "uint8array", "arraybuffer", "bytearray", "securestring", "secretstr", "cryptokey", "keyobject", "char", "varchar", "readonly", "undef")

func (w *words) exact(v string) bool {
	if v == "" {
		return false
	}
	first := lower(v[0])
	for _, word := range w.sorted[w.from[first]:w.from[int(first)+1]] {
		if len(v) == len(word) && foldAt(v, 0, word) {
			return true
		}
	}
	return false
}

// code reports whether the unquoted value t[start:end] is an expression: a call, a field, an index.
func code(t string, start, end int) bool {
	v, next := t[start:end], at(t, end)
	i := 0
	for i < len(v) && (is(v[i], cWord) || v[i] == '.' || v[i] == ':' && (at(v, i+1) == ':' || at(v, i-1) == ':')) {
		i++
	}
	if i > 0 && i < len(v) && is(v[0], cLetter) {
		switch v[i] {
		case '(':
			if call(t, start+i) {
				return true
			}
		case '[':
			if i == len(v)-1 || strings.IndexByte(v[i:], ']') > 0 {
				return true
			}
		case '{':
			if j := run(v, i+1, cWord, len(v)); j < len(v) && (v[j] == '=' || v[j] == ':') || i == len(v)-1 { // "Token{type=...}"
				return true
			}
		}
	}
	if next == '(' || next == ' ' && cmdlet(v) {
		return true
	}
	if constant(v) || reference(v) {
		return true
	}
	dots := 0
	for j := 0; j < len(v); j++ {
		switch c := v[j]; {
		case c == '.' && j > 0 && j < len(v)-1:
			dots++
		case c != '_' && !is(c, cLetter):
			return false
		case is(c, cUpper) && (!is(at(v, j+1), cLower) || j > 0 && v[j-1] != '.' && !is(v[j-1], cLower)): // a hump of camelCase, no random letter
			return false
		}
	}
	return dots > 0
}

func isLowerOrDigit(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' }

// tagged reports whether an unquoted value of YAML is a tag that transforms what follows: !Ref Name.
func tagged(v string, next byte) bool {
	return v[0] == '!' && next == ' ' && len(v) > 2 && oneWord(v[1:])
}

// nextField reports whether v is the next field of a struct in Go's format, because the one before it is empty: "Password: Opts:map[]".
func nextField(v string) bool {
	n := run(v, 0, cWord, maxKeyName)
	return is(v[0], cUpper) && n > 1 && at(v, n) == ':' && word(v[:n])
}

// reference reports whether v is a path into a configuration as Terraform writes it: var.db_password_2, random_password.db2.result.
func reference(v string) bool {
	for _, head := range [...]string{"var.", "local.", "data.", "module.", "each."} {
		if strings.HasPrefix(v, head) && run(v, 0, cKey, len(v)) == len(v) {
			return true
		}
	}
	parts := 1
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c == '.' && i > 0 && is(at(v, i+1), cLower) && v[i-1] != '.':
			parts++
		case is(c, cLower) || c == '_':
		case is(c, cDigit) && i > 0 && v[i-1] != '.' && !is(at(v, i+1), cLetter):
		default:
			return false
		}
	}
	return parts > 2
}

// constant reports whether v is a constant of a module or a class: settings.API_KEY.
func constant(v string) bool {
	n := strings.LastIndexByte(v, '.')
	if n < 2 || run(v, 0, cLetter, 40) != strings.IndexByte(v, '.') || !is(v[1], cLower) || len(v)-n < 4 {
		return false
	}
	for j := n + 1; j < len(v); j++ {
		if !is(v[j], cUpper) && v[j] != '_' {
			return false
		}
	}
	return true
}

// cmdlet reports whether v is the name of a command of PowerShell: ConvertTo-SecureString.
func cmdlet(v string) bool {
	verb, noun, found := strings.Cut(v, "-")
	return found && len(verb) > 2 && run(v, 0, cLetter, 24) == len(verb) && run(noun, 0, cLetter, 40) == len(noun) && is(verb[0], cUpper) && is(at(noun, 0), cUpper) && is(verb[1], cLower)
}

// maxCall is how long the arguments of a call may be, in bytes.
const maxCall = 128

// call reports whether arguments follow the parenthesis t[i] and another closes them: blanks only after commas.
func call(t string, i int) bool {
	depth := 0
	for j := i; j < len(t) && j < i+maxCall; j++ {
		switch c := t[j]; {
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return true
			}
		case c == '\n':
			return false
		case c == ' ' && t[j-1] != ',' && t[j-1] != '(' && at(t, j+1) != ')':
			return false
		}
	}
	return false
}

// prose reports whether an unquoted value after "key: " or "key = " is the first word of a sentence.
func prose(v string, next byte, keyQuoted bool) bool {
	if keyQuoted || next == 0 || next == '\n' || next == '\r' || next == ',' || next == ';' || next == '}' || next == '"' || next == '\\' {
		return false
	}
	for i := 0; i < len(v); i++ {
		if !is(v[i], cLower) && !(i == 0 && is(v[i], cUpper)) {
			return false
		}
	}
	return true
}
