package detect

import "strings"

// maxTag is how far back the beginning of an element is searched for, in bytes.
const maxTag = 256

// part detects the value of a field of multipart/form-data whose name is a secret's: name="password" (the '=' is at sep), the rest of the
// part's headers, an empty line, the value. It returns where the value ends, 0 if there is none.
func (sc *scan) part(sep int) int {
	t := sc.t
	if !foldAt(t, sep-4, "name") || is(at(t, sep-5), cKey) {
		return 0
	}
	slashes := backslashes(t, sep+1)
	start := sep + 1 + slashes
	if at(t, start) != '"' {
		return 0
	}
	start++
	end := run(t, start, cKey, maxKeyName)
	if style := nameStyle(t[start:end]); end == start || style == notSecret || style == dataSecret || !strings.Contains(t[max(0, sep-64):sep], "form-data") {
		return 0
	}
	limit := min(len(t), end+512)
	for _, empty := range [...]string{"\r\n\r\n", "\n\n", `\r\n\r\n`, `\n\n`, `\\r\\n\\r\\n`} {
		n := strings.Index(t[end:limit], empty)
		if n < 0 {
			continue
		}
		from := end + n + len(empty)
		to := from
		for to < len(t) && to-from < maxValue && t[to] != '\n' && t[to] != '\r' && !(t[to] == '\\' && (at(t, to+1) == 'r' || at(t, to+1) == 'n' || at(t, to+1) == '\\')) {
			to++
		}
		if to == from || placeholder(t[from:to]) || strings.HasPrefix(t[from:to], "--") {
			return 0
		}
		return sc.found(Password, from, to)
	}
	return 0
}

// attributed finds the name of the secret in the element whose tag ends at i ('>'): <password type="x">, <entry key="password">,
// <wsse:Password Type="...">. Empty if there is none.
func attributed(t string, i int) string {
	if c := at(t, i-1); c != '"' && c != '\'' {
		return ""
	}
	open := i - 1
	for open > 0 && i-open < maxTag && t[open] != '<' && t[open] != '>' {
		open--
	}
	if t[open] != '<' {
		return ""
	}
	name := t[open+1 : run(t, open+1, cKey, maxKeyName)]
	if at(t, open+1+len(name)) == ':' { // a namespace
		from := open + 2 + len(name)
		name = t[from:run(t, from, cKey, maxKeyName)]
	}
	if nameStyle(name) != notSecret {
		return name
	}
	for _, label := range [...]string{" name=", " key=", " id="} {
		n := strings.Index(t[open:i], label)
		if n < 0 {
			continue
		}
		from := open + n + len(label) + 1
		if from < i && (t[from-1] == '"' || t[from-1] == '\'') {
			return t[from:run(t, from, cKey, maxKeyName)]
		}
	}
	return ""
}

// listed handles the '>' of <key> in a property list: <key>Password</key><string>x</string>. It returns where the value begins, 0 if the
// key is not a secret's.
func listed(t string, i int) (from int, name string) {
	if !strings.HasSuffix(t[:i+1], "<key>") {
		return 0, ""
	}
	end := run(t, i+1, cKey, maxKeyName)
	if name = t[i+1 : end]; nameStyle(name) == notSecret || !strings.HasPrefix(t[end:], "</key>") {
		return 0, ""
	}
	k := end + len("</key>")
	for at(t, k) != 0 && t[k] <= ' ' && k-end < 64 {
		k++
	}
	if !strings.HasPrefix(t[k:], "<string>") {
		return 0, ""
	}
	return k + len("<string>"), name
}

// escapedElement is element for escaped HTML: &lt;password&gt;x&lt;/password&gt; (the '&' of "&gt;" is at i).
func (sc *scan) escapedElement(i int) int {
	t := sc.t
	if !strings.HasPrefix(t[i:], "&gt;") {
		return i + 1
	}
	start := runBack(t, i, cKey, maxKeyName)
	if !strings.HasSuffix(t[:start], "&lt;") && at(t, start-1) != ':' {
		return i + 1
	}
	style := nameStyle(t[start:i])
	if style == notSecret {
		return i + 1
	}
	from := i + len("&gt;")
	n := strings.Index(t[from:min(len(t), from+maxValue)], "&lt;")
	if n < 1 || placeholder(t[from:from+n]) || !fits(style, t[from:from+n]) {
		return i + 1
	}
	return sc.found(Password, from, from+n)
}

// entryBehind returns the name of the entry whose value begins after the separator: {"value": "...", "name": "DB_PASSWORD"}. Empty if no
// name follows.
func entryBehind(t string, sep int) string {
	i := sep + 1
	for at(t, i) == ' ' {
		i++
	}
	slashes := backslashes(t, i)
	if i += slashes; at(t, i) != '"' {
		return ""
	}
	end := quoteEnd(t, i+1, '"')
	if slashes > 0 {
		end = escapedQuoteEnd(t, i+1, slashes, '"') + slashes
	}
	for k := end + 1; k < len(t) && k-end < 48; k++ {
		switch c := t[k]; {
		case c == ',' || c == '"' || c == '\\' || c <= ' ':
		case foldAt(t, k, "name") || foldAt(t, k, "key"):
			k = run(t, k, cLetter, 5)
			for k < len(t) && strings.IndexByte("\"\\: ", t[k]) >= 0 {
				k++
			}
			return t[k:run(t, k, cKey, maxKeyName)]
		default:
			return ""
		}
	}
	return ""
}

// complexKey returns the name of a secret that is a complex key of YAML on the line that ends at i; empty if there is none.
func complexKey(t string, i int) string {
	line := t[strings.LastIndexByte(t[max(0, i-2*maxKeyName):i], '\n')+1+max(0, i-2*maxKeyName) : i]
	key, found := strings.CutPrefix(strings.TrimLeft(line, " "), "? ")
	if key = strings.Trim(key, "\"' \r"); !found || nameStyle(key) == notSecret || nameStyle(key) == dataSecret {
		return ""
	}
	return key
}

// serialized detects the string that PHP serialized under a secret's name: "password";s:9:"x" (its length is between the colons at length
// and sep).
func (sc *scan) serialized(length, sep int) int {
	t := sc.t
	end := length - len("\";s")
	if !strings.HasPrefix(t[max(0, end):], "\";s:") {
		return sep + 1
	}
	name := t[runBack(t, end, cKey, maxKeyName):end]
	stop := quoteEnd(t, sep+2, '"')
	v := t[sep+2 : stop]
	if style := nameStyle(name); style == notSecret || style == dataSecret || at(t, stop) != '"' || at(t, stop+1) != ';' || len(v) < 3 || placeholder(v) || !fits(style, v) {
		return sep + 1
	}
	if special := sc.specific(sep+2, stop); special > 0 {
		return special
	}
	return max(sep+1, sc.found(Password, sep+2, stop))
}

// enclosing returns the key of the object that contains the entry at i: "db_password": {"sensitive": true, "value": ...}. Empty if there
// is none.
func enclosing(t string, i int) string {
	depth := 0
	for k := i - 1; k > 0 && i-k < maxTag; k-- {
		switch t[k] {
		case '}':
			depth++
		case '{':
			if depth--; depth >= 0 {
				continue
			}
			for k > 0 && i-k < 2*maxTag && strings.IndexByte(" :=\"\\", t[k-1]) >= 0 {
				k--
			}
			return t[runBack(t, k, cKey, maxKeyName):k]
		}
	}
	return ""
}

// blockName returns the name of a block of Terraform whose default is assigned at i: variable "db_password" { default = "x" }.
func blockName(t string, i int) string {
	low := max(0, i-maxTag)
	n := strings.LastIndex(t[low:i], `variable "`)
	if n < 0 || strings.IndexByte(t[low+n:i], '}') >= 0 {
		return ""
	}
	from := low + n + len(`variable "`)
	return t[from:run(t, from, cKey, maxKeyName)]
}

// jwk detects the private parts of a JSON Web Key (RFC 7517): the value of "d", "k" and the primes, if "kty" identifies a key.
func (sc *scan) jwk(sep int, name string) int {
	t := sc.t
	switch name {
	case "d", "k", "p", "q", "dp", "dq", "qi":
	default:
		return 0
	}
	start := sep + 1
	for at(t, start) == ' ' {
		start++
	}
	start += backslashes(t, start)
	if at(t, start) != '"' {
		return 0
	}
	start++
	end := run(t, start, cBase64, maxValue)
	if end-start < 20 || !strings.Contains(t[max(0, sep-maxHeader):min(len(t), end+maxHeader)], `"kty`) &&
		!strings.Contains(t[max(0, sep-maxHeader):min(len(t), end+maxHeader)], `\"kty`) {
		return 0
	}
	return sc.found(PrivateKey, start, end)
}

// passFile detects the password of a line of .pgpass, host:port:database:user:password (the first colon is at i).
func (sc *scan) passFile(i int) int {
	t := sc.t
	port := run(t, i+1, cDigit, 6)
	if at(t, i+1) == '*' {
		port = i + 2
	} else if port-i != 5 {
		return 0
	}
	host := i
	for host > 0 && i-host < 128 && (is(t[host-1], cKey) || t[host-1] == '*' || t[host-1] == '/') {
		host--
	}
	if host == i || run(t, host, cHex, i-host) == i || host > 0 && t[host-1] != '\n' && !strings.HasSuffix(t[:host], `\n`) {
		return 0
	}
	k := port
	for range 2 { // database and user
		if at(t, k) != ':' {
			return 0
		}
		from := k + 1
		if k = run(t, from, cKey, maxKeyName); at(t, from) == '*' {
			k = from + 1
		}
		if k == from {
			return 0
		}
	}
	if at(t, k) != ':' {
		return 0
	}
	end := k + 1
	for end < len(t) && end-k < 256 && t[end] > ' ' && !(t[end] == '\\' && at(t, end+1) == 'n') {
		end++
	}
	if end == k+1 || at(t, end) == ' ' || placeholder(t[k+1:end]) {
		return 0
	}
	return sc.found(Password, k+1, end)
}

// dashed detects what follows a word with a dash (the dash is at i): the community of SNMP, the text that PowerShell turns into a secret,
// the lines of a key of PuTTY.
func (sc *scan) dashed(i int) int {
	t := sc.t
	if c := lower(at(t, i+1)); c != 's' && c != 'l' && c != 'b' {
		return 0
	}
	switch {
	case foldAt(t, i-len("http"), "http-basic"):
		return sc.httpBasic(i)
	case foldAt(t, i, "-server community ") && foldAt(t, i-4, "snmp"):
		start := i + len("-server community ")
		if end := plainEnd(t, start); end > start && !placeholder(t[start:end]) {
			return sc.found(Password, start, end)
		}
	case foldAt(t, i, "-securestring ") && foldAt(t, i-len("convertto"), "convertto"):
		start := i + len("-securestring ")
		if foldAt(t, start, "-string ") {
			start += len("-string ")
		}
		if q := at(t, start); q == '"' || q == '\'' {
			end := quoteEnd(t, start+1, q)
			if v := t[start+1 : end]; v != "" && !placeholder(v) && v[0] != '$' {
				return sc.found(Password, start+1, end)
			}
		}
	case strings.HasPrefix(t[i:], "-Lines: ") && strings.HasSuffix(t[:i], "Private"):
		start := run(t, i+len("-Lines: "), cDigit, 4)
		for at(t, start) == '\r' || at(t, start) == '\n' {
			start++
		}
		end := start
		for end < len(t) && end-start < maxValue && (is(t[end], cAlnum) || strings.IndexByte("+/=\r\n", t[end]) >= 0) {
			end++
		}
		if n := strings.LastIndexByte(t[start:end], '\n'); n > 0 { // the word of the next header
			end = start + n
		}
		if end-start >= 20 {
			return sc.found(PrivateKey, start, end)
		}
	}
	return 0
}
