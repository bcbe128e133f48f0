package detect

import "strings"

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
