package detect

import "strings"

// tools are the commands whose short flags have secrets as values, one bit each.
type tools uint32

const (
	curlTool tools = 1 << iota
	wgetTool
	httpieTool
	containerTool
	helmTool
	loginVerb // and "registry"
	sshpassTool
	mongoTool
	cloudTool // az, oc
	mysqlTool
	redisTool
	snmpTool
	ldapTool
	ldapPasswordTool
	sqlTool
	ipmiTool
	sambaTool
	lftpTool
	uploadTool // twine, cqlsh, rdesktop
	remoteTool // clients of RDP
	shellTool  // psexec and others whose -p may take a name too
	upperTool  // zip, mosquitto_pub
	keyTool    // openssl, nuget
	kadminTool
	archiveTool
	keygenTool
)

// toolOf returns the tool named by a word of a command line.
var toolOf = func() map[string]tools {
	m := map[string]tools{}
	for t, list := range map[tools]string{
		curlTool: "curl", wgetTool: "wget etcdctl", httpieTool: "http https xh", containerTool: "docker podman nerdctl buildah skopeo", helmTool: "helm", loginVerb: "login registry", sshpassTool: "sshpass",
		mongoTool: "mongo mongosh mongodump mongorestore mongoimport mongoexport", cloudTool: "az oc", mysqlTool: "mysql mysqldump mysqladmin mysqlimport mariadb mariadb-dump mycli", redisTool: "redis-cli valkey-cli redis-benchmark",
		snmpTool: "snmpwalk snmpget snmpset snmpbulkwalk snmpbulkget snmptrap snmpstatus snmptable", ldapTool: "ldapsearch ldapmodify ldapadd ldapwhoami ldapdelete", ldapPasswordTool: "ldappasswd",
		sqlTool: "sqlcmd bcp", ipmiTool: "ipmitool", sambaTool: "smbclient rpcclient winexe smbmap", lftpTool: "lftp", uploadTool: "twine cqlsh rdesktop",
		remoteTool: "xfreerdp xfreerdp3 wfreerdp wlfreerdp sdl-freerdp", shellTool: "psexec psexec.py crackmapexec nxc netexec evil-winrm rabbitmqadmin racadm youtube-dl yt-dlp ncftpput ncftpget useradd usermod altool security crane",
		upperTool: "osql mosquitto_pub mosquitto_sub zip unzip p4", keyTool: "openssl nuget", kadminTool: "kadmin kadmin.local", archiveTool: "7z 7za 7zz rar unrar", keygenTool: "ssh-keygen",
	} {
		for _, word := range strings.Fields(list) {
			m[word] = t
		}
	}
	return m
}()

// maxCommand is how far before a flag its command is searched for, in bytes.
const maxCommand = 256

// toolsBefore returns the tools that are named before i in the same command. It is called with growing i, so all calls together read the
// text once.
func (sc *scan) toolsBefore(i int) tools {
	t := sc.t
	from := sc.commandTo
	if low := i - maxCommand; from < low || from > i {
		from, sc.tools = max(low, 0), 0
	}
	for k := from; k < i; {
		switch c := t[k]; {
		case c == '\n' || c == '|' || c == ';':
			if k++; c != '\n' || !quoteNext(t, k) || at(t, k-2) != ',' { // a list goes on in the next line
				sc.tools = 0
			}
		case is(c, cAlnum):
			end := run(t, k, cKey, maxKeyName)
			if end > i {
				end = i
			}
			word := strings.TrimSuffix(t[k:end], ".exe")
			if len(word) < 16 {
				sc.tools |= toolOf[word]
			}
			k = end
		case is(c, cKey):
			k = run(t, k, cKey, maxKeyName)
		default:
			k++
		}
	}
	sc.commandTo = i
	return sc.tools
}

// readers of a password from their standard input.
var readers = [...]string{"sudo -S", "docker login", "podman login", "helm registry login", "kinit", "chpasswd", "passwd --stdin", "gh auth login", "cryptsetup", "oras login", "crane auth login", "vault login -"}

// record detects the value in a row of two cells, or in a row with a rule on both sides, whose first cell is the name of a secret (the '|'
// between them is at i): psql's expanded display, a table of settings.
func (sc *scan) record(i int) int {
	t := sc.t
	stop := blanksBefore(t, i)
	start := runBack(t, stop, cKey, maxKeyName)
	name := t[start:stop]
	if stop == i || name == "" || !nameTails.has(name) {
		return 0
	}
	begin := blanksBefore(t, start)
	if at(t, begin-1) == '|' {
		begin--
	}
	if begin > 0 && t[begin-1] != '\n' || nameStyle(name) != plainSecret {
		return 0
	}
	from := i + 1
	for at(t, from) == ' ' && from-i < maxKeyName {
		from++
	}
	end := plainEnd(t, from)
	if next := strings.TrimLeft(t[end:min(len(t), end+maxKeyName)], " "); next != "" && next[0] != '\n' && next[0] != '\r' && next[0] != '|' || !typedIn(t[from:end]) || sqlType(t[from:end]) {
		return 0
	}
	return sc.found(Password, from, end)
}

// sqlType reports whether v has the form of a column's type: varchar(255), decimal(10,2).
func sqlType(v string) bool {
	open := strings.IndexByte(v, '(')
	return open > 2 && run(v, 0, cAlnum, 16) == open && strings.HasSuffix(v, ")") && strings.Trim(v[open+1:len(v)-1], "0123456789,") == ""
}

// blanksBefore returns where the blanks begin that end before i.
func blanksBefore(t string, i int) int {
	from := i
	for from > 0 && i-from < maxKeyName && t[from-1] == ' ' {
		from--
	}
	return from
}

// piped detects a secret that a command pipes into one that reads it: echo x | sudo -S (the '|' is at i).
func (sc *scan) piped(i int) int {
	t := sc.t
	if stop := sc.record(i); stop > i {
		return stop
	}
	next := i + 1
	for at(t, next) == ' ' {
		next++
	}
	reads := false
	for _, r := range readers {
		reads = reads || strings.HasPrefix(t[next:], r)
	}
	if !reads {
		return i + 1
	}
	low := max(0, i-maxCommand)
	if n := strings.LastIndexAny(t[low:i], "\n|;"); n >= 0 {
		low += n + 1
	}
	n := -1
	for _, word := range [...]string{"echo ", "echo -n ", "printf ", "printf %s "} {
		if k := strings.LastIndex(t[low:i], word); k >= 0 {
			n = max(n, low+k+len(word))
		}
	}
	if n < 0 {
		return i + 1
	}
	end := i
	for end > n && t[end-1] == ' ' {
		end--
	}
	if c := at(t, n); (c == '"' || c == '\'') && end > n+1 && t[end-1] == c {
		n, end = n+1, end-1
	}
	if v := t[n:end]; len(v) < 3 || placeholder(v) || v[0] == '-' || strings.IndexByte(v, ' ') >= 0 {
		return i + 1
	}
	return max(i+1, sc.found(Password, n, end))
}
