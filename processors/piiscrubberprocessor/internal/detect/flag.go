package detect

import "strings"

// toolFlag is a short flag of a command whose value is a secret: "sshpass -p x", "mysql -px", "curl -u user:x".
type toolFlag struct {
	letter   byte
	of       tools // any of these
	with     tools // and this, if not zero
	attached bool  // the value follows without a blank
	user     byte  // a user and this sign precede the value
	pairs    bool  // the value is pairs of a cookie
	strict   bool  // the flag has other meanings, or none: the value is not a word, name or path
}

var toolFlags = [...]toolFlag{
	{letter: 'u', of: curlTool | wgetTool | httpieTool, user: ':'},
	{letter: 'u', of: curlTool, attached: true, user: ':'},
	{letter: 'a', of: httpieTool, user: ':'},
	{letter: 'U', of: sambaTool, user: '%'},
	{letter: 'u', of: lftpTool, user: ','},
	{letter: 'b', of: curlTool, pairs: true},
	{letter: 'p', of: containerTool | helmTool, with: loginVerb},
	{letter: 'p', of: sshpassTool | mongoTool | cloudTool | uploadTool},
	{letter: 'p', of: mysqlTool | sshpassTool, attached: true},
	{letter: 'a', of: redisTool},
	{letter: 'A', of: snmpTool},
	{letter: 'X', of: snmpTool},
	{letter: 'c', of: snmpTool},
	{letter: 'w', of: ldapTool},
	{letter: 's', of: ldapPasswordTool},
	{letter: 'P', of: sqlTool | ipmiTool},
	{letter: 'U', of: curlTool, user: ':'},
	{letter: 'p', of: shellTool, strict: true},
	{letter: 'p', of: archiveTool, attached: true, strict: true},
	{letter: 'P', of: upperTool, strict: true},
	{letter: 'k', of: keyTool, strict: true},
	{letter: 'w', of: kadminTool, strict: true},
	{letter: 'N', of: keygenTool},
}

// flagLetters are those of toolFlags.
var flagLetters = func() (set [256]bool) {
	for k := range toolFlags {
		set[toolFlags[k].letter] = true
	}
	return set
}()

// shortFlag detects the value of a short flag (the dash is at i).
func (sc *scan) shortFlag(i int) int {
	t := sc.t
	if c := at(t, i-1); c == '"' || c == '\'' {
		return sc.listedFlag(i)
	} else if c != ' ' {
		return 0
	}
	if is(at(t, i+4), cLetter) || foldAt(t, i, "-pw ") { // -storepass x, -password x
		if end := run(t, i, cKey, maxKeyName); at(t, end) == ' ' && SecretFlag(t[i:end]) {
			v := t[end+1 : plainEnd(t, end+1)]
			if len(v) >= 4 && !placeholder(v) && !oneWord(v) && v[0] != '-' && !code(t, end+1, end+1+len(v)) {
				return sc.found(Password, end+1, end+1+len(v))
			}
		}
	}
	if !flagLetters[at(t, i+1)] {
		return 0
	}
	start, attached := i+3, false
	if at(t, i+2) != ' ' {
		start, attached = i+2, true
	}
	if at(t, start) <= ' ' {
		return 0
	}
	have := sc.toolsBefore(i)
	if have == 0 {
		return 0
	}
	start, end := argumentAt(t, start)
	if !have.take(t[i+1], attached, t[start:end]) {
		return 0
	}
	return sc.found(Password, start, end)
}

// argumentAt returns the bounds of the argument at i, without its quotes if it is in some.
func argumentAt(t string, i int) (start, end int) {
	if c := at(t, i); c == '"' || c == '\'' {
		return i + 1, quoteEnd(t, i+1, c)
	}
	return i, plainEnd(t, i)
}

// take reports whether v is a secret as the value of the short flag with this letter, after these tools.
func (have tools) take(letter byte, attached bool, v string) bool {
	for k := range toolFlags {
		f := &toolFlags[k]
		if letter != f.letter || attached != f.attached || have&f.of == 0 || have&f.with != f.with {
			continue
		}
		if f.pairs && strings.IndexByte(v, '=') < 0 || f.strict && !typedIn(v) { // the name of a file; something else
			continue
		}
		if letter == 'p' && ports(v) {
			continue
		}
		if password, ok := passwordOf(v, f.user); ok && !placeholder(password) && password[0] != '-' {
			return true
		}
	}
	return false
}

// ports reports whether v is a port, or a mapping of ports: sshpass -p x ssh -p 2222, docker run --name mysql -p3306:3306.
func ports(v string) bool {
	return len(v) < 6 && digitRun(v) == len(v) || strings.IndexByte(v, ':') > 0 && strings.Trim(v, "0123456789.:") == ""
}

// passwordOf returns what follows the user in v and the sign behind it; all of v if user is 0.
func passwordOf(v string, user byte) (string, bool) {
	if user == 0 {
		return v, true
	}
	n := strings.IndexByte(v, user)
	return v[n+1:], n > 0
}

// listedFlag is shortFlag for an element of a list: ["curl", "-u", "user:x"], ['mysql', '-px'] (the dash is at i, the quote before it).
func (sc *scan) listedFlag(i int) int {
	t, quote := sc.t, at(sc.t, i-1)
	if !flagLetters[at(t, i+1)] || sc.toolsBefore(i) == 0 {
		return 0
	}
	start, attached := i+2, at(t, i+2) != quote
	if !attached {
		if start = nextElement(t, start, quote); start == 0 {
			return 0
		}
	}
	end := quoteEnd(t, start, quote)
	if !sc.tools.take(t[i+1], attached, t[start:end]) {
		return 0
	}
	return sc.found(Password, start, end)
}

// flagValue detects the value of a flag that begins at i; with user, a user and this sign precede it.
func (sc *scan) flagValue(i int, user byte) int {
	t := sc.t
	i, end := argumentAt(t, i)
	if password, ok := passwordOf(t[i:end], user); !ok || placeholder(password) || password[0] == '-' {
		return 0
	}
	return sc.found(Password, i, end)
}

// flag detects "--password value" (the dashes are at i).
func (sc *scan) flag(i int) int {
	t := sc.t
	if at(t, i-1) > ' ' && at(t, i-1) != '"' && at(t, i-1) != '\'' {
		return 0
	}
	end := run(t, i, cKey, maxKeyName)
	if q := at(t, end); q == '"' || q == '\'' {
		return sc.nextArgument(t[i:end], end, q)
	}
	if at(t, end) != ' ' {
		return 0
	}
	if name := t[i:end]; userFlag(name) && sc.toolsBefore(i)&userTools != 0 {
		return sc.flagValue(end+1, ':')
	} else if name == "--body" && strings.Contains(t[max(0, i-maxKeyName):i], "secret set ") {
		return sc.flagValue(end+1, 0)
	}
	name := t[i:end]
	if secureValue(t, i, name) {
		return sc.flagValue(end+1, 0)
	}
	if !SecretFlag(name) || at(t, end+1) == '-' {
		return 0
	}
	if v := t[end+1 : plainEnd(t, end+1)]; name == "--secret" && nameStyle(v) != notSecret { // pulumi config set --secret dbPassword x
		if end += 1 + len(v); at(t, end) != ' ' {
			return 0
		}
	} else if name == "--secret" && !typedIn(v) { // of Docker: a name
		return 0
	} else if strings.HasSuffix(name, "-id") && (suffixed(v) || strings.IndexByte(v, '/') >= 0) { // the name of one
		return 0
	}
	return sc.value(end, name, plainSecret, Password, true)
}

// secureValue reports whether the flag name at i has a secret as value because of its command: aws ssm put-parameter --type SecureString
// --value x, az keyvault secret set --value x.
func secureValue(t string, i int, name string) bool {
	if name == "--secret-string" {
		return !strings.HasPrefix(t[i+len(name):], " file:")
	}
	if name != "--value" {
		return false
	}
	line := t[max(0, i-maxCommand):i]
	return strings.Contains(line, " SecureString") || strings.Contains(line, "keyvault secret set")
}

// nextElement returns where the string begins that follows the one whose closing quote is at i in a list, 0 if none does.
func nextElement(t string, i int, quote byte) int {
	start := i + 1
	for c := at(t, start); c == ',' || c == ' ' || c == '\n'; c = at(t, start) {
		start++
	}
	if start == i+1 || at(t, start) != quote {
		return 0
	}
	return start + 1
}

// nextArgument detects the value of a flag in a list of arguments: ["--token", "x"], ["curl", "--user", "bob:x"] (the quote after the flag
// is at i).
func (sc *scan) nextArgument(name string, i int, quote byte) int {
	t := sc.t
	start := nextElement(t, i, quote)
	if start == 0 {
		return 0
	}
	end := quoteEnd(t, start, quote)
	v := t[start:end]
	if userFlag(name) && sc.toolsBefore(i)&userTools != 0 {
		if password, ok := passwordOf(v, ':'); ok && !placeholder(password) {
			return sc.found(Password, start, end)
		}
	}
	if !SecretFlag(name) || len(v) < 4 || placeholder(v) || v[0] == '-' || oneWord(v) {
		return 0
	}
	return sc.found(Password, start, end)
}

// userTools are the tools whose userFlag has a user and a password as its value.
const userTools = curlTool | wgetTool | httpieTool

// userFlag reports whether name is a long flag that has such a value.
func userFlag(name string) bool {
	return name == "--user" || name == "--proxy-user" || name == "--auth"
}

// Arguments follows a list of arguments and says which of them are secrets. The zero value is before the first.
type Arguments struct {
	tools tools
	flag  string // the argument before, if the next one may be its value
}

// Secret reports whether the next argument contains a secret, and at which byte of it that begins: what follows "--password" or, after curl,
// "-u"; the end of "-px" after mysql.
func (a *Arguments) Secret(arg string) (from int, secret bool) {
	flag := a.flag
	a.flag = ""
	switch {
	case flag == "":
	case len(flag) > 2 || a.tools.take(flag[1], false, arg):
		return 0, true
	}
	if len(arg) < 2 {
		return 0, false
	}
	if arg[0] != '-' {
		if word := strings.TrimSuffix(arg[strings.LastIndexAny(arg, `/\\`)+1:], ".exe"); len(word) < 16 {
			a.tools |= toolOf[word]
		}
		return 0, false
	}
	switch {
	case SecretFlag(arg), len(arg) == 2 && flagLetters[arg[1]]:
		a.flag = arg
	case userFlag(arg) && a.tools&userTools != 0:
		a.flag = "-u"
	case flagLetters[arg[1]] && a.tools.take(arg[1], true, arg[2:]):
		return 2, true
	}
	return 0, false
}
