package detect

import "strings"

// How the value of a named secret is delimited.
type secretStyle uint8

const (
	notSecret secretStyle = iota
	plainSecret
	weakSecret // an ambiguous word: the value must look random
	passSecret // "pass", which is also used for tests and cards
	pinSecret  // digits only
	authSecret // "Bearer x", "Basic x"
	cookieSecret
	dataSecret   // the values of a Kubernetes Secret
	phraseSecret // words of a wallet
	basicSecret  // base64 of "user:password"
	codesSecret  // a list of one-time codes
)

type secretName struct {
	name  string
	style secretStyle
	whole bool // must be a separate component: "pass", not "bypass"
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
		"storagekey", "authkey", "credential", "passkey", "connectionstring", "jwtsecret", "signingsecret", "webhooksecret", "hmacsecret", "cookiesecret", "sessionsecret",
		"requirepass", "masterauth", "bindpw", "rootpw", "passwordconfirmation", "passwordconfirm", "passwordrepeat", "passwordagain", "passwordretype", "passwordnew", "passwordold", "password1", "password2",
		"unsealkey", "recoverykey", "oauthverifier", "codeverifier", "sonarlogin", "סיסמה", "סיסמא", "รหัสผ่าน", "parole", "lozinka", "geslo", "парола", "Парола", "slaptažodis", "katasandi", "tokensecret", "oauthsecret", "enckey", "aeskey", "decryptionkey", "subscriptionkey", "presharedkey", "isakmpkey", "sharedkey", "storepass", "keypass", "sshpass", "rediscliauth", "aspnetsessionid", "connectsid", "clientkeydata", "secrettoken", "deploytoken", "bottoken", "secretid", "secretkeybase", "redisauth", "passwordplain", "authpass", "remotepass")
	add(plainSecret, true, "pwd", "pw", "pswd", "passcode", "cvv", "cvc", "cvv2", "otp", "jsessionid", "phpsessid", "psk")
	add(pinSecret, true, "pin", "pincode", "pinnumber", "mfacode", "otpcode", "totpcode", "2facode", "smscode", "verificationcode", "confirmationcode", "onetimecode")
	add(codesSecret, false, "backupcodes", "recoverycodes", "scratchcodes")
	add(phraseSecret, false, "mnemonic", "seedphrase", "recoveryphrase")
	add(basicSecret, true, "auth")
	add(passSecret, true, "pass")
	add(passSecret, false, "dbpass", "userpass", "adminpass", "rootpass")
	add(weakSecret, true, "secret", "token", "credentials", "creds", "jwt", "bearer", "csrf", "xsrf", "cleartext", "plaintext", "κωδικός", "Κωδικός", "المرور")
	add(weakSecret, false, "appkey", "applicationkey", "recoverycode", "backupcode")
	add(authSecret, true, "authorization", "proxyauthorization", "xauthorization")
	add(cookieSecret, true, "cookie", "setcookie")
	add(dataSecret, true, "data", "stringdata")
	return t
}()

// queryNames are names of query parameters that carry secrets, in addition to secretNames.
var queryNames = map[string]secretStyle{
	"sig": plainSecret, "signature": plainSecret, "x-amz-signature": plainSecret, "x-amz-credential": plainSecret,
	"x-amz-security-token": plainSecret, "x-goog-signature": plainSecret, "x-goog-credential": plainSecret, "hmac": plainSecret,
	"samlresponse": plainSecret, "samlrequest": plainSecret, "assertion": plainSecret, "client_assertion": plainSecret, "jwt": plainSecret,
	"token": plainSecret, "secret": plainSecret, "auth": plainSecret, "pass": plainSecret, "temp_url_sig": plainSecret, "sign": weakSecret,
	"sid": weakSecret, "key": weakSecret, "code": weakSecret, "session": weakSecret, "session_id": weakSecret, "sessionid": weakSecret, "ticket": weakSecret,
}

// queryStyle returns the kind of secret of the query parameter name.
func queryStyle(name string) secretStyle {
	var buf [24]byte
	if len(name) > len(buf) || !queryTails.has(name) {
		return notSecret
	}
	if foldAt(name, len(name)-len("-signature"), "-signature") { // of object stores: x-oss-signature, q-signature
		return plainSecret
	}
	for i := 0; i < len(name); i++ {
		buf[i] = lower(name[i])
	}
	return queryNames[string(buf[:len(name)])]
}

// nameStyle returns the kind of secret that the key name means.
func nameStyle(name string) secretStyle {
	if len(name) < 2 {
		return notSecret
	}
	for _, s := range secretNameEnds.of(name) {
		if hasNameEnd(name, s) {
			for k := range notSecrets {
				if hasNameEnd(name, notSecrets[k]) {
					return notSecret
				}
			}
			return s.style
		}
	}
	if len(name) > 6 && lower(name[0]) == 'x' && name[1] == '-' && foldAt(name, len(name)-4, "-key") && !otherKeys.exact(lastWord(name[:len(name)-4])) { // headers of vendors: x-functions-key
		return weakSecret
	}
	return notSecret
}

// nameEnds finds names by the low five bits of their last two bytes, which are the same in both cases.
type nameEnds struct {
	at    [32][32]uint8 // of lists, by the last byte and the one before it
	lists [][]secretName
}

var secretNameEnds = func() (e nameEnds) {
	e.lists = make([][]secretName, 1)
	for _, list := range secretNames {
		for _, s := range list {
			k := &e.at[s.name[len(s.name)-1]&31][s.name[len(s.name)-2]&31]
			if *k == 0 {
				*k = uint8(len(e.lists))
				e.lists = append(e.lists, nil)
			}
			e.lists[*k] = append(e.lists[*k], s)
		}
	}
	return e
}()

// of returns the names that name may end with. A separator before its last byte may be inside one.
func (e *nameEnds) of(name string) []secretName {
	last, prev := lower(name[len(name)-1]), name[len(name)-2]
	if nameSeparator(prev) {
		return secretNames[last]
	}
	return e.lists[e.at[last&31][prev&31]]
}

// otherKeys end in "key" and open nothing.
var otherKeys = wordsOf("correlation", "idempotency", "request", "cache", "routing", "sort", "surrogate", "trace", "partition", "dedup", "deduplication", "group", "lock", "ordering", "message", "event", "object", "storage", "public", "primary", "translation")

// notSecrets end like secrets but are none: the key of a .NET assembly, positions in lists, what stops a task, a command.
var notSecrets = [...]secretName{{name: "publickeytoken"}, {name: "pagetoken"}, {name: "nexttoken"}, {name: "continuationtoken"}, {name: "synctoken"}, {name: "cancellationtoken"}, {name: "chpasswd"}}

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
	// A component begins at the start, after a separator or a digit, or at the hump of camelCase.
	return !s.whole || i == 0 || !is(name[i-1], cLetter) || is(name[i], cUpper) && is(name[i-1], cLower)
}

// SecretKey reports whether the value under an attribute key is a secret: the key's last component ("http.request.header.authorization")
// is a password, a token, a cookie or similar in any spelling. If the word is ambiguous ("pass", "token", "pin"), value must look like a
// secret.
func SecretKey(key, value string) bool {
	style := nameStyle(key)
	if style == pinSecret && hardware(key, len(key)) {
		return false
	}
	return fits(style, value)
}

// SecretName reports whether the values under key are secrets, all of them or those that look like one.
func SecretName(key string) bool { return nameStyle(key) != notSecret }

// fits reports whether v, which is written as the value of a key, can be a secret of this style.
func fits(style secretStyle, v string) bool {
	switch style {
	case notSecret, dataSecret:
		return false
	case codesSecret:
		return len(v) >= 12 && digitRun(v) > 5
	case phraseSecret:
		return strings.Count(v, " ") >= 11
	case basicSecret:
		return basic(v)
	case weakSecret:
		return assigned(v)
	case passSecret:
		if decimal(v) { // a score
			return false
		}
		return assigned(v) || digitRun(v) > 0 && digitRun(v) < len(v) && len(v) >= 4 || len(v) >= 4 && digitRun(v) == 0 || digitRun(v) == len(v) && len(v) >= 6
	case pinSecret:
		return len(v) >= 4 && len(v) <= 12 && digitRun(v) == len(v)
	case authSecret:
		scheme, _, two := strings.Cut(v, " ")
		return !oneWord(v) && (!two || schemed(scheme) || randomLooking(scheme)) || len(v) >= 24 && !two
	}
	return true
}

// decimal reports whether v is a number with a point: "-0.001".
func decimal(v string) bool {
	i := 0
	if v[0] == '-' || v[0] == '+' {
		i++
	}
	j := run(v, i, cDigit, len(v))
	return j > i && at(v, j) == '.' && j+1 < len(v) && run(v, j+1, cDigit, len(v)) == len(v)
}

// basic reports whether v is the base64 of a user, a colon and a password.
func basic(v string) bool {
	if len(v) < 8 || len(v) > maxValue {
		return false
	}
	bits, acc, colon := 0, uint32(0), false
	for i := 0; i < len(v) && v[i] != '='; i++ {
		x := base64Value(v[i])
		if x == 0xFF {
			return false
		}
		if acc, bits = acc<<6|uint32(x), bits+6; bits >= 8 {
			bits -= 8
			c := byte(acc >> bits)
			if c < ' ' || c == 0x7f {
				return false
			}
			colon = colon || c == ':' && i > 1
		}
	}
	return colon
}

// schemed reports whether v is a scheme of HTTP authentication.
func schemed(v string) bool {
	for _, s := range authSchemes {
		if strings.EqualFold(v, s) {
			return true
		}
	}
	return false
}

// The other pins: of chips and boards; and the words before a personal pin.
var (
	hardwareWords = wordsOf("gpio", "led", "cs", "irq", "clk", "clock", "sda", "scl", "mosi", "miso", "tx", "rx", "rst", "reset", "board", "chip", "adc", "pwm", "io", "int", "interrupt", "pwr", "power",
		"output", "input", "digital", "analog", "bcm", "port", "header", "connector", "enable", "dc", "busy", "row", "col", "data", "bus", "trigger", "echo", "sensor", "relay", "servo", "motor", "button", "switch")
	pinOwners = wordsOf("your", "my", "his", "her", "the", "their", "user", "card", "atm", "sim", "debit", "credit", "security", "door", "bank", "login", "new", "old", "current", "account", "customer", "access",
		"entry", "unlock", "personal", "phone", "voicemail", "alarm", "wallet", "app", "banking", "member", "employee", "temporary", "a", "and", "with", "with")
)

// hardware reports whether the pin that t[:end] names is one of a chip: "gpio pin", "led_pin", "csPin".
func hardware(t string, end int) bool {
	i := end
	for i > 0 && end-i < 12 && is(t[i-1], cLetter) { // "pin", or "csPin"
		i--
		if is(t[i], cUpper) && i > 0 && is(t[i-1], cLower) {
			break
		}
	}
	if i == 0 || !is(t[i-1], cLetter) && t[i-1] != '_' && t[i-1] != '-' && t[i-1] != '.' && t[i-1] != ' ' {
		return false
	}
	joined := is(t[i-1], cLetter)
	if !joined {
		i--
	}
	from := runBack(t, i, cLetter|cDigit, 24)
	word := t[from:i]
	if hardwareWords.exact(strings.TrimRight(word, "0123456789")) {
		return true
	}
	return !joined && at(t, i) == ' ' && word != "" && !pinOwners.exact(word)
}

// SecretFlag reports whether arg is a command line flag ("--password") whose value is the next argument.
func SecretFlag(arg string) bool {
	return len(arg) > 2 && arg[0] == '-' && strings.IndexByte(arg, '=') < 0 && run(arg, 0, cKey, maxKeyName) == len(arg) && nameStyle(arg) != notSecret
}
