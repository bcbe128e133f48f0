package detect

import "strings"

// toolFlag is a short flag of a command whose value is a secret: "sshpass -p x", "mysql -px", "curl -u user:x".
type toolFlag struct {
	letter   byte
	tools    words
	attached bool // the value follows without a blank
	user     bool // a user and a colon stand in front
	pairs    bool // the value is pairs of a cookie
}

var toolFlags = [...]toolFlag{
	{letter: 'u', tools: wordsOf("curl", "wget", "http", "xh"), user: true},
	{letter: 'b', tools: wordsOf("curl"), pairs: true},
	{letter: 'p', tools: wordsOf("docker login", "podman login", "helm registry", "sshpass", "mongo", "mongodump", "az login")},
	{letter: 'p', tools: wordsOf("mysql", "mysqldump", "mysqladmin", "mariadb", "sshpass"), attached: true},
	{letter: 'a', tools: wordsOf("redis-cli")},
	{letter: 'A', tools: snmpTools},
	{letter: 'X', tools: snmpTools},
	{letter: 'w', tools: wordsOf("ldapsearch", "ldapmodify", "ldapadd", "ldapwhoami")},
	{letter: 'P', tools: wordsOf("sqlcmd", "bcp")},
}

var snmpTools = wordsOf("snmpwalk", "snmpget", "snmpset", "snmpbulkwalk", "snmptrap", "snmpstatus")

// shortFlag looks for the value of a short flag (the dash is at i).
func (sc *scan) shortFlag(i int) int {
	t := sc.t
	if at(t, i-1) != ' ' {
		return 0
	}
	if is(at(t, i+4), cLetter) { // -storepass x, -password x
		if end := run(t, i, cKey, maxKeyName); at(t, end) == ' ' && SecretFlag(t[i:end]) {
			v := t[end+1 : plainEnd(t, end+1)]
			if len(v) >= 4 && !placeholder(v) && !oneWord(v) && v[0] != '-' && !code(t, end+1, end+1+len(v)) {
				return sc.found(Password, end+1, end+1+len(v))
			}
		}
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
		if f.pairs && strings.IndexByte(t[start:plainEnd(t, start+1)], '=') < 0 { // the name of a file
			continue
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
