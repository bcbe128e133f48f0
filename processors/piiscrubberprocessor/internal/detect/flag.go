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
	if at(t, i-1) != ' ' {
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
	for k := range toolFlags {
		f := &toolFlags[k]
		if at(t, i+1) != f.letter || (at(t, i+2) != ' ') != f.attached || at(t, i+2) <= ' ' && f.attached {
			continue
		}
		if have := sc.toolsBefore(i); have&f.of == 0 || have&f.with != f.with {
			continue
		}
		start := i + 2
		if !f.attached {
			start++
		}
		if f.pairs && strings.IndexByte(t[start:plainEnd(t, start+1)], '=') < 0 { // the name of a file
			continue
		}
		if f.strict && !typedIn(strings.Trim(t[start:plainEnd(t, min(start+1, len(t)))], "\"'")) {
			continue
		}
		if end := sc.flagValue(start, f.user); end > start {
			return end
		}
	}
	return 0
}

// flagValue detects the value of a flag that begins at i; with user, a user and this sign precede it.
func (sc *scan) flagValue(i int, user byte) int {
	t := sc.t
	end := 0
	if c := at(t, i); c == '"' || c == '\'' {
		i++
		end = quoteEnd(t, i, c)
	} else {
		end = plainEnd(t, i)
	}
	password := i
	if user != 0 {
		n := strings.IndexByte(t[i:end], user)
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
	if name := t[i:end]; (name == "--user" || name == "--proxy-user" || name == "--auth") && sc.toolsBefore(i)&(curlTool|wgetTool|httpieTool) != 0 {
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

// nextArgument detects the value of a flag in a list of arguments: ["--token", "x"] (the quote after the flag is at i).
func (sc *scan) nextArgument(name string, i int, quote byte) int {
	t := sc.t
	start := i + 1
	for c := at(t, start); c == ',' || c == ' '; c = at(t, start) {
		start++
	}
	if start == i+1 || at(t, start) != quote || !SecretFlag(name) {
		return 0
	}
	end := quoteEnd(t, start+1, quote)
	if v := t[start+1 : end]; len(v) < 4 || placeholder(v) || v[0] == '-' || oneWord(v) {
		return 0
	}
	return sc.found(Password, start+1, end)
}
