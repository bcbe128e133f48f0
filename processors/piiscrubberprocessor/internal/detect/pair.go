package detect

import "strings"

const (
	maxKeyName = 64   // bytes of a pair's key that are looked at
	maxValue   = 4096 // bytes of a pair's value that go; more is no password
)

const wideColon = "：" // U+FF1A

// How the value of a named secret is delimited.
type secretStyle uint8

const (
	notSecret secretStyle = iota
	plainSecret
	weakSecret // a word with other meanings: the value must look random
	pinSecret  // digits only
	authSecret // "Bearer x", "Basic x"
	cookieSecret
)

type secretName struct {
	name  string
	style secretStyle
	whole bool // must be a component of its own: "pass", not "bypass"
}

// secretNames are the ends of keys whose values are secrets, lower-case and without separators, by their last byte.
var secretNames = func() (t [256][]secretName) {
	add := func(style secretStyle, whole bool, names ...string) {
		for _, n := range names {
			last := n[len(n)-1]
			t[last] = append(t[last], secretName{n, style, whole})
		}
	}
	add(plainSecret, false, "password", "passwd", "passphrase", "passwort", "kennwort", "contraseña", "contrasena", "senha",
		"motdepasse", "wachtwoord", "пароль", "Пароль", "密码", "密碼", "パスワード", "비밀번호", "hasło", "heslo", "parola", "lösenord",
		"adgangskode", "salasana", "jelszó", "şifre", "mậtkhẩu",
		"clientsecret", "appsecret", "apisecret", "consumersecret", "sharedsecret", "secretkey", "secretaccesskey", "apikey",
		"accesskey", "accesstoken", "refreshtoken", "authtoken", "idtoken", "sessiontoken", "csrftoken", "xsrftoken", "bearertoken",
		"securitytoken", "apitoken", "privatekey", "encryptionkey", "signingkey", "masterkey", "accountkey", "sharedaccesskey",
		"storagekey", "authkey", "credential", "secretid", "secretkeybase", "redisauth")
	add(plainSecret, true, "pwd", "pw", "passcode", "cvv", "cvc", "cvv2", "otp", "jsessionid", "phpsessid")
	add(pinSecret, true, "pin", "pincode", "pinnumber")
	add(weakSecret, true, "pass", "secret", "token", "credentials")
	add(authSecret, true, "authorization", "proxyauthorization", "xauthorization")
	add(cookieSecret, true, "cookie", "setcookie")
	return t
}()

// queryNames are names of query parameters that carry secrets, beside secretNames.
var queryNames = map[string]secretStyle{
	"sig": plainSecret, "signature": plainSecret, "x-amz-signature": plainSecret, "x-amz-credential": plainSecret,
	"x-amz-security-token": plainSecret, "x-goog-signature": plainSecret, "x-goog-credential": plainSecret, "hmac": plainSecret,
	"samlresponse": plainSecret, "samlrequest": plainSecret, "assertion": plainSecret, "client_assertion": plainSecret, "jwt": plainSecret,
	"token": plainSecret, "secret": plainSecret, "auth": plainSecret, "pass": plainSecret, "sid": plainSecret,
	"key": weakSecret, "code": weakSecret, "session": weakSecret, "session_id": weakSecret, "sessionid": weakSecret, "ticket": weakSecret,
}

// queryStyle tells what kind of secret the query parameter name carries.
func queryStyle(name string) secretStyle {
	var buf [24]byte
	if len(name) > len(buf) {
		return notSecret
	}
	for i := 0; i < len(name); i++ {
		buf[i] = lower(name[i])
	}
	return queryNames[string(buf[:len(name)])]
}

// nameStyle tells what kind of secret the key name stands for.
func nameStyle(name string) secretStyle {
	if len(name) < 2 {
		return notSecret
	}
	if hasNameEnd(name, secretName{name: "publickeytoken"}) { // of a .NET assembly
		return notSecret
	}
	for _, s := range secretNames[lower(name[len(name)-1])] {
		if hasNameEnd(name, s) {
			return s.style
		}
	}
	return notSecret
}

// hasNameEnd reports whether name ends with s.name, letter case and the separators '_', '-', '.' aside.
func hasNameEnd(name string, s secretName) bool {
	i, j := len(name), len(s.name)
	for j > 0 {
		if i == 0 {
			return false
		}
		c := name[i-1]
		if c == '_' || c == '-' || c == '.' || c == ' ' {
			i--
			continue
		}
		if lower(c) != s.name[j-1] {
			return false
		}
		i, j = i-1, j-1
	}
	// A component begins at the start, behind a separator or a digit, or at the hump of camelCase.
	return !s.whole || i == 0 || !is(name[i-1], cLetter) || is(name[i], cUpper) && is(name[i-1], cLower)
}

// SecretKey reports whether the value under an attribute key is a secret: the key's last component
// ("http.request.header.authorization") is a password, a token, a cookie or the like in any spelling. Where the word has other
// meanings ("pass", "token"), value must look like one: six digits, or six characters.
func SecretKey(key, value string) bool {
	return fits(nameStyle(key), value)
}

// fits reports whether v can be a secret of this style.
func fits(style secretStyle, v string) bool {
	switch style {
	case notSecret:
		return false
	case weakSecret:
		return weakValue(v)
	case pinSecret:
		return len(v) >= 4 && len(v) <= 12 && digitRun(v) == len(v)
	}
	return true
}

// SecretFlag reports whether arg is a command line flag ("--password") whose value is the next argument.
func SecretFlag(arg string) bool {
	return len(arg) > 3 && arg[0] == '-' && strings.IndexByte(arg, '=') < 0 && run(arg, 0, cKey, maxKeyName) == len(arg) && nameStyle(arg) != notSecret
}

// specific looks whether the value t[start:end] of a pair is of a more telling kind: a private key, a JWT, a vendor's token. It
// returns where the scan goes on, 0 if it is not.
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
		if len(sc.literals[t[k]]) > 0 {
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

// pair looks for a key and a value around the separator t[sep]: "k=v", "k: v", `"k":"v"`, "k => v", `{\"k\":\"v\"}`.
func (sc *scan) pair(sep int) int { return sc.pairOf(sep, sep) }

// pairOf is pair for a separator that begins at end and whose last byte is t[sep].
func (sc *scan) pairOf(end, sep int) int {
	t := sc.t
	quoted := false
	if end > 0 && t[end-1] == ':' { // :=
		end--
	}
	for end > 0 && sep-end < 8 && t[end-1] == ' ' {
		end--
	}
	if c := at(t, end-1); c == '"' || c == '\'' || c == '`' || c == ']' {
		end, quoted = end-1, true
		if end > 0 && t[end-1] == '\\' {
			for end > 0 && t[end-1] == '\\' && sep-end < 24 {
				end--
			}
		} else if c := at(t, end-1); end > 0 && (c == '"' || c == '\'') {
			end--
		}
	}
	start := end
	for start > 0 && end-start < maxKeyName && (is(t[start-1], cKey) || t[start-1] >= 0x80) {
		start--
	}
	name := t[start:end]
	style := notSecret
	kind := Password
	if sc.on.Has(Password) || sc.on.Has(AzureKey) || sc.on.Has(AWSKey) {
		style = nameStyle(name)
		if style == notSecret && len(name) == 5 && foldAt(t, start-7, "mot de passe") {
			style = plainSecret
		}
	}
	if t[sep] == '=' && sc.on.Has(URLSecret) {
		if c := at(t, start-1); c == '?' || c == '&' || c == ';' && strings.HasSuffix(t[:start], "&amp;") {
			// In the body of a form a password is a password; in a URL it is part of the query.
			if q := queryStyle(name); (q != notSecret || style != notSecret) && (c == '?' || style == notSecret || sc.inQuery(sep)) {
				return sc.query(sep+1, style == notSecret && q == weakSecret)
			}
		}
	}
	if style == notSecret && len(name) == 5 && foldAt(t, start, "value") {
		if name = entryName(t, start); name != "" {
			style = nameStyle(name)
		}
	}
	if style == notSecret {
		return sep + 1
	}
	switch {
	case hasNameEnd(name, secretName{name: "accountkey"}), hasNameEnd(name, secretName{name: "sharedaccesskey"}):
		kind = AzureKey
	case hasNameEnd(name, secretName{name: "secretaccesskey"}):
		kind = AWSKey
	}
	if !sc.on.Has(kind) {
		if kind = Password; !sc.on.Has(Password) {
			return sep + 1
		}
	}
	return sc.value(sep, name, style, kind, quoted)
}

// entryName returns what the entry is called whose value's key begins at i: {"name": "DB_PASSWORD", "value": "..."}, <add
// key="password" value="..."/>, "- name: DB_PASSWORD\n  value: ...". Empty if there is no name.
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

// inQuery reports whether a '?' stands in front of t[i] in the same word.
func (sc *scan) inQuery(i int) bool { return i < sc.queryEnd }

// question handles '?': it remembers how far its word goes.
func (sc *scan) question(i int) int {
	if i >= sc.queryEnd {
		end := i
		for end < len(sc.t) && end-i < 1<<13 && sc.t[end] > ' ' && sc.t[end] != '"' {
			end++
		}
		sc.queryEnd = end
	}
	return i + 1
}

// query takes the value of a query parameter; a weak name asks for a value that looks random.
func (sc *scan) query(i int, weak bool) int {
	end := i
	for end < len(sc.t) && end-i < maxValue && !queryEnd(sc.t[end]) {
		end++
	}
	if end == i {
		return i
	}
	if special := sc.specific(i, end); special > 0 {
		return special
	}
	v := sc.t[i:end]
	if placeholder(v) || weak && (len(v) < 8 || digitRun(v) == 0 && len(v) < 20) {
		return i
	}
	return sc.found(URLSecret, i, end)
}

func queryEnd(c byte) bool {
	return c <= ' ' || c == '&' || c == '#' || c == '"' || c == '\'' || c == '<' || c == '>' || c == '`' || c == '\\' || c == ')' || c == ']' || c == '}' || c == ',' || c == ';'
}

// value takes the value behind the separator.
func (sc *scan) value(sep int, name string, style secretStyle, kind Kind, keyQuoted bool) int {
	t := sc.t
	i := sep + 1
	if at(t, i) == '>' || at(t, i) == '=' { // =>, :=
		i++
	}
	spaced := false
	for i < len(t) && (t[i] == ' ' || t[i] == '\t') && i-sep < 16 {
		i, spaced = i+1, true
	}
	if end := Mark(t, i); end > 0 {
		return end
	}
	if at(t, i) == '[' && (at(t, i+1) == '"' || at(t, i+1) == '\'') { // a list of one
		i++
	}
	start, end := i, 0
	quoted := true
	slashes := backslashes(t, i)
	switch c := at(t, i); {
	case c == '"' || c == '\'' || c == '`':
		start = i + 1
		end = quoteEnd(t, start, c)
	case slashes > 0 && (at(t, i+slashes) == '"' || at(t, i+slashes) == '\''):
		start = i + slashes + 1
		end = escapedQuoteEnd(t, start, slashes, t[start-1])
	default:
		quoted = false
		switch style {
		case cookieSecret:
			end = cookieEnd(t, i)
		case authSecret:
			start, end = authValue(t, i)
		default:
			end = plainEnd(t, i)
		}
	}
	if quoted && style == authSecret {
		if from, _ := authValue(t[:end], start); from > start {
			start = from
		}
	}
	if end <= start {
		return i
	}
	if special := sc.specific(start, end); special > 0 {
		return special
	}
	v := t[start:end]
	if placeholder(v) || !quoted && t[sep] == ':' && (at(t, sep+1) == ':' || v[0] == '{') {
		return i
	}
	if !quoted && (code(v, at(t, end)) || spaced && len(name) >= len(v) && strings.EqualFold(v, name[len(name)-len(v):])) {
		return i
	}
	if !quoted && spaced && style != authSecret && style != cookieSecret && prose(v, at(t, end), keyQuoted) {
		return i
	}
	if !fits(style, v) {
		return i
	}
	if style == plainSecret && len(v) > 0 && v[0] == '/' && (strings.HasSuffix(name, "PWD") || strings.HasSuffix(name, "pwd")) { // a directory
		return i
	}
	return sc.found(kind, start, end)
}

// quoteEnd returns where the string that begins at i ends: before the quote, or where the line does.
func quoteEnd(t string, i int, quote byte) int {
	limit := min(len(t), i+maxValue)
	for j := i; j < limit; j++ {
		switch t[j] {
		case '\\':
			j++
		case quote:
			return j
		case '\n':
			return j
		}
	}
	return limit
}

// escapedQuoteEnd is quoteEnd inside of a string, or of a string in a string: the end is the quote behind as many backslashes as the
// beginning has, or fewer.
func escapedQuoteEnd(t string, i, slashes int, quote byte) int {
	limit := min(len(t), i+maxValue)
	for j := i; j < limit; j++ {
		n := backslashes(t, j)
		if at(t, j+n) == quote && n <= slashes {
			return j
		}
		j += n
	}
	return limit
}

// backslashes counts those that begin at i, up to fifteen.
func backslashes(t string, i int) (n int) {
	for n < 15 && at(t, i+n) == '\\' {
		n++
	}
	return n
}

// plainEnd returns where a value without quotes ends: at white space or a quote, and at punctuation if what follows it is the
// end, white space or another key.
func plainEnd(t string, i int) int {
	limit := min(len(t), i+maxValue)
	for j := i; j < limit; j++ {
		switch c := t[j]; {
		case c <= ' ', c == '"', c == '\'', c == '`', c == '<', c == '>':
			return j
		case c == '\\' && (at(t, j+1) == 'n' || at(t, j+1) == 'r' || at(t, j+1) == 't' || at(t, j+1) == '"'):
			return j
		case c == ',', c == ';', c == '&', c == ')', c == '}', c == ']', c == '|':
			if next := at(t, j+1); next <= ' ' || strings.IndexByte("\"'`,;)}]|", next) >= 0 {
				return j
			}
			if k := run(t, j+1, cKey, 40); k > j+1 && (at(t, k) == '=' || at(t, k) == ':') {
				return j
			}
		}
	}
	// A full stop ends the sentence.
	if limit > i+1 && t[limit-1] == '.' && limit == len(t) {
		limit--
	}
	return limit
}

// cookieEnd takes name=value pairs joined by "; " and the attributes of Set-Cookie.
func cookieEnd(t string, i int) int {
	end := i
	for j := i; ; {
		k := j
		for k < len(t) && k-i < maxValue && t[k] > ' ' && t[k] != ';' && t[k] != '"' && t[k] != '\'' && t[k] != '\\' {
			k++
		}
		if k == j {
			return end
		}
		end = k
		if at(t, k) != ';' || at(t, k+1) != ' ' || k-i >= maxValue {
			return end
		}
		j = k + 2
	}
}

// authValue finds the credentials behind a scheme, which stays, or the one token that stands there.
func authValue(t string, i int) (start, end int) {
	end = plainEnd(t, i)
	if at(t, end) == ' ' {
		for _, scheme := range authSchemes {
			if end-i == len(scheme) && foldAt(t, i, scheme) {
				return end + 1, plainEnd(t, end+1)
			}
		}
	}
	return i, end
}

var authSchemes = [...]string{"basic", "bearer", "digest", "token", "negotiate", "apikey", "ntlm", "hawk", "key", "aws", "aws4-hmac-sha256"}

// bearer looks for "Bearer <token>" that no header name precedes.
func (sc *scan) bearer(i int) int {
	if !foldAt(sc.t, i, "bearer ") || is(at(sc.t, i-1), cWord) {
		return 0
	}
	start := i + len("bearer ")
	if sc.on.Has(JWT) && strings.HasPrefix(sc.t[start:], "eyJ") { // its own detector knows it better
		return 0
	}
	end := start
	for end < len(sc.t) && end-start < maxValue && (is(sc.t[end], cBase64) || strings.IndexByte(".~+/=", sc.t[end]) >= 0) { // RFC 6750 section 2.1
		end++
	}
	for end > start && sc.t[end-1] == '.' {
		end--
	}
	if v := sc.t[start:end]; len(v) < 12 || placeholder(v) || len(v) < 24 && strings.IndexFunc(v[1:], isUpperOrDigit) < 0 {
		return 0
	}
	return sc.found(Password, start, end)
}

// sentence looks for "the password is x", "password x", "passwd (x)" (the 'w' is at i). Without a separator only what can't be a word
// is taken: letters and digits mixed.
func (sc *scan) sentence(i int) int {
	t := sc.t
	end := 0
	switch {
	case foldAt(t, i-4, "password"):
		end = i + 4
	case foldAt(t, i-4, "passwd"):
		end = i + 2
	case foldAt(t, i-1, "pwd") && !is(at(t, i-2), cLetter):
		end = i + 2
	default:
		return 0
	}
	if at(t, end) != ' ' {
		return 0
	}
	end++
	for _, verb := range [...]string{"is ", "was ", "to "} {
		if foldAt(t, end, verb) {
			end += len(verb)
			break
		}
	}
	start := end
	switch at(t, start) {
	case '(', '"', '\'':
		start++
	}
	end = plainEnd(t, start)
	for end > start && strings.IndexByte(".,;:!)", t[end-1]) >= 0 {
		end--
	}
	v := t[start:end]
	if len(v) < 6 || len(v) > 64 || !passwordLike(v) || placeholder(v) || code(v, at(t, end)) {
		return 0
	}
	return sc.found(Password, start, end)
}

// passwordLike reports whether v has a digit and a letter, and either two kinds of letters, or a sign, or eight characters; and isn't
// the name of an algorithm, an address or a path.
func passwordLike(v string) bool {
	var seen uint8
	signs := 0
	for i := 0; i < len(v); i++ {
		seen |= charClass[v[i]] & (cDigit | cUpper | cLower)
		if strings.IndexByte("!#$%^&*?~", v[i]) >= 0 {
			signs++
		}
		if v[i] == '/' || v[i] == '=' || v[i] == ':' || v[i] == '@' {
			return false
		}
	}
	if seen&cDigit == 0 || seen&cLetter == 0 || algorithms.in(v, 0, len(v)) {
		return false
	}
	return seen == cDigit|cLetter || signs > 0 || len(v) >= 8
}

var algorithms = wordsOf("sha", "sha1", "sha256", "sha512", "md5", "bcrypt", "argon2", "pbkdf2", "scrypt", "scram", "aes", "aes256", "base64", "utf8", "oauth2", "sha224", "sha384", "argon2id", "argon2i")

func isUpperOrDigit(r rune) bool { return r < 0x80 && is(byte(r), cUpper|cDigit) }

// element looks for "<password>value</password>" ('>' is at i).
func (sc *scan) element(i int) int {
	start := runBack(sc.t, i, cKey, maxKeyName)
	if start == i || at(sc.t, start-1) != '<' && at(sc.t, start-1) != ':' || nameStyle(sc.t[start:i]) == notSecret {
		return i + 1
	}
	end := i + 1
	for end < len(sc.t) && end-i < maxValue && sc.t[end] != '<' && sc.t[end] != '\n' {
		end++
	}
	if end == i+1 || at(sc.t, end) != '<' || placeholder(sc.t[i+1:end]) {
		return i + 1
	}
	if next := sc.specific(i+1, end); next > 0 {
		return next
	}
	return sc.found(Password, i+1, end)
}

var setPassword = wordsOf("set password")

// quote looks for "IDENTIFIED BY 'value'", "PASSWORD 'value'" and "SET PASSWORD ... = 'value'" of SQL (the quote is at i).
func (sc *scan) quote(i int) int {
	if at(sc.t, i-1) != ' ' || !foldAt(sc.t, i-len("identified by "), "identified by ") && !foldAt(sc.t, i-len(" password "), " password ") &&
		!(at(sc.t, i-2) == '=' && setPassword.in(sc.t, i-2*maxKeyName, i)) {
		return i + 1
	}
	end := quoteEnd(sc.t, i+1, '\'')
	if end == i+1 || at(sc.t, end) != '\'' || placeholder(sc.t[i+1:end]) {
		return i + 1
	}
	return sc.found(Password, i+1, end)
}

// toolFlag is a short flag of a command whose value is a secret: "sshpass -p x", "mysql -px", "curl -u user:x".
type toolFlag struct {
	letter   byte
	tools    words
	attached bool // the value follows without a blank
	user     bool // a user and a colon stand in front
}

var toolFlags = [...]toolFlag{
	{letter: 'u', tools: wordsOf("curl", "wget", "http", "xh"), user: true},
	{letter: 'p', tools: wordsOf("docker login", "podman login", "helm registry", "sshpass", "mongo", "mongodump", "az login")},
	{letter: 'p', tools: wordsOf("mysql", "mysqldump", "mysqladmin", "mariadb", "sshpass"), attached: true},
	{letter: 'a', tools: wordsOf("redis-cli")},
	{letter: 'w', tools: wordsOf("ldapsearch", "ldapmodify", "ldapadd", "ldapwhoami")},
	{letter: 'P', tools: wordsOf("sqlcmd", "bcp")},
}

// shortFlag looks for the value of a short flag (the dash is at i).
func (sc *scan) shortFlag(i int) int {
	t := sc.t
	if at(t, i-1) != ' ' {
		return 0
	}
	for k := range toolFlags {
		f := &toolFlags[k]
		if at(t, i+1) != f.letter || (at(t, i+2) != ' ') != f.attached || at(t, i+2) <= ' ' && f.attached || !f.tools.in(t, i-before, i) {
			continue
		}
		start := i + 2
		if !f.attached {
			start++
		}
		if end := sc.flagValue(start, f.user); end > start {
			return end
		}
	}
	return 0
}

// flagValue takes the value of a flag that begins at i; with user, what stands in front of it has a colon.
func (sc *scan) flagValue(i int, user bool) int {
	t := sc.t
	end := 0
	if c := at(t, i); c == '"' || c == '\'' {
		i++
		end = quoteEnd(t, i, c)
	} else {
		end = plainEnd(t, i)
	}
	password := i
	if user {
		n := strings.IndexByte(t[i:end], ':')
		if n < 1 {
			return 0
		}
		password = i + n + 1
	}
	if v := t[password:end]; placeholder(v) || v[0] == '-' {
		return 0
	}
	return sc.found(Password, i, end)
}

// flag looks for "--password value" (the dashes are at i).
func (sc *scan) flag(i int) int {
	t := sc.t
	if at(t, i-1) > ' ' && at(t, i-1) != '"' && at(t, i-1) != '\'' {
		return 0
	}
	end := run(t, i, cKey, maxKeyName)
	if at(t, end) != ' ' {
		return 0
	}
	if name := t[i:end]; (name == "--user" || name == "--proxy-user") && toolFlags[0].tools.in(t, i-before, i) {
		return sc.flagValue(end+1, true)
	}
	if !SecretFlag(t[i:end]) {
		return 0
	}
	return sc.value(end, t[i:end], plainSecret, Password, true)
}

// placeholder reports whether v says that the secret isn't here.
func placeholder(v string) bool {
	if v == "" || Mark(v, 0) == len(v) || strings.HasSuffix(v, TokenDomain) {
		return true
	}
	switch v[0] {
	case '$':
		return len(v) == 1 || v[1] == '{' || v[1] == '(' || variable(v[1:])
	case '{':
		return strings.HasPrefix(v, "{{") || strings.HasPrefix(v, "{}")
	case '<':
		return true
	case '%':
		return len(v) == 2 || at(v, 1) == '(' || at(v, 1) == '{' || v[len(v)-1] == '%'
	case '[':
		return run(strings.TrimSuffix(v, "]"), 1, cWord, 40) >= len(v)-1
	}
	if strings.Trim(v, v[:1]) == "" && (v[0] == '*' || v[0] == 'x' || v[0] == 'X' || v[0] == '.' || v[0] == '-' || v[0] == '#' || v[0] == '?' || v[0] == '_' || v[0] >= 0x80) {
		return true
	}
	return len(v) <= 12 && placeholderWords.exact(v)
}

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
	"must", "should", "cannot", "failed", "error", "valid", "enabled", "disabled", "unknown", "default", "bytes", "bearer", "basic")

func (w *words) exact(v string) bool {
	for _, word := range w.list {
		if len(v) == len(word) && foldAt(v, 0, word) {
			return true
		}
	}
	return false
}

// code reports whether an unquoted value is an expression: a call, a field, an index.
func code(v string, next byte) bool {
	i := 0
	for i < len(v) && (is(v[i], cWord) || v[i] == '.') {
		i++
	}
	if i > 0 && i < len(v) && (v[i] == '(' || v[i] == '[') && is(v[0], cLetter) {
		return true
	}
	if next == '(' {
		return true
	}
	dots := 0
	for j := 0; j < len(v); j++ {
		switch c := v[j]; {
		case c == '.' && j > 0 && j < len(v)-1:
			dots++
		case c != '_' && !is(c, cLetter):
			return false
		case is(c, cUpper) && (!is(at(v, j+1), cLower) || !is(at(v, j-1), cLower)): // a hump of camelCase, no random letter
			return false
		}
	}
	return dots > 0
}

// prose reports whether an unquoted value behind "key: " or "key = " is the first word of a sentence.
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

// weakValue reports whether the value of "token", "secret" or "pass" is one rather than a count or a name.
func weakValue(v string) bool {
	n := digitRun(v)
	if n == len(v) {
		return n >= 6
	}
	if len(v) >= 6 {
		return true
	}
	return n > 0 && len(v) >= 4
}
