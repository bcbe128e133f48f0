package detect

import "strings"

// ipv4At parses a dotted quad at i and returns its end, 0 if there is none. Octets have no leading zeros (RFC 6943 3.1.1).
func ipv4At(t string, i int) (ip [4]byte, end int) {
	for n := 0; n < 4; n++ {
		j, v := i, 0
		for ; j < len(t) && j < i+3 && is(t[j], cDigit); j++ {
			v = v*10 + int(t[j]-'0')
		}
		if j == i || v > 255 || t[i] == '0' && j > i+1 {
			return ip, 0
		}
		ip[n] = byte(v)
		if i = j; n < 3 {
			if at(t, i) != '.' {
				return ip, 0
			}
			i++
		}
	}
	if is(at(t, i), cWord) || at(t, i) == '.' && is(at(t, i+1), cAlnum) || at(t, i) == '-' && is(at(t, i+1), cLetter) {
		return ip, 0
	}
	return ip, i
}

// specialIPv4 reports whether ip is in a special range of RFC 6890 and its registry (private, loopback, link-local, shared, documentation,
// benchmarking, multicast, reserved).
func specialIPv4(ip [4]byte) bool {
	a, b, c := ip[0], ip[1], ip[2]
	switch {
	case a == 0, a == 10, a == 127, a >= 224:
	case a == 100 && b&0xC0 == 64, a == 169 && b == 254, a == 172 && b&0xF0 == 16, a == 192 && b == 168:
	case a == 192 && b == 0 && (c == 0 || c == 2), a == 198 && b&0xFE == 18, a == 198 && b == 51 && c == 100, a == 203 && b == 0 && c == 113:
	default:
		return false
	}
	return true
}

var (
	versionWords = wordsOf("version", "ver", "rv", "release", "build", "firmware", "driver", "oid", "section", "chapter", "rev", "revision", "upgrade", "upgrading", "upgraded",
		"downgrade", "downgrading", "downgraded", "package", "installed", "assembly", "patch", "sdk", "tag")
	// addressWords say that what is beside them is an address, whatever it looks like.
	addressWords = wordsOf("ip", "ips", "ipv4", "addr", "address", "addresses", "host", "hosts", "client", "server", "peer", "from", "src", "dst", "remote", "source", "destination",
		"gateway", "nameserver", "dns", "resolver", "to", "by", "via", "ping", "forwarded", "for", "node", "dial", "connect", "connected", "connection", "listen", "inet", "ban", "banned", "blocked",
		"block", "allow", "deny", "resolved", "rhost", "laddr", "raddr", "sender", "router", "proxy", "upstream", "origin", "at", "on", "with", "and", "real", "login", "user", "attack", "attacker")
	hostWords = wordsOf("host", "hosts", "localhost", "client", "server", "peer", "addr", "address", "node", "remote", "from", "ip", "src", "dst", "socket", "inet", "unknown", "endpoint", "proxy", "user", "id")
)

// ipv4 detects an address at the digit i, and returns its end. It ignores special addresses and versions.
func (sc *scan) ipv4(i int) (end int, found bool) {
	t := sc.t
	prev := at(t, i-1)
	if prev == '.' || prev == '-' && is(at(t, i-2), cAlnum) {
		return 0, false
	}
	ip, end := ipv4At(t, i)
	if end == 0 {
		end = sc.reverseIPv4(i)
		return end, end > i
	}
	if !sc.special && specialIPv4(ip) || sc.versionQuad(ip, i, end) {
		return end, false
	}
	return sc.found(IPv4, i, end), true
}

// versionQuad reports whether the four numbers t[i:end] are a version, an object identifier or a network, and so not a person's address.
func (sc *scan) versionQuad(ip [4]byte, i, end int) bool {
	t, prev, next := sc.t, at(sc.t, i-1), at(sc.t, end)
	if next == '/' && is(at(t, end+1), cDigit) && ip[3] == 0 { // a network
		return true
	}
	if ip[3] == 0 && next == ' ' && (foldAt(t, end+1, "netmask") || foldAt(t, end+1, "mask") || specialNext(t, end+1)) {
		return true
	}
	if prev == '=' && strings.IndexByte("=<>~!", at(t, i-2)) >= 0 && i > 1 || prev == '^' || prev == '~' { // foo==1.2.3.4
		return true
	}
	if next == ':' && is(at(t, end+1), cDigit) { // a port
		return false
	}
	if prev == ':' && coordinates(t, i-1) || sc.labelled(i, &versionWords) {
		return true
	}
	if prev == '_' || next == '-' && is(at(t, end+1), cAlnum) || next == '+' && is(at(t, end+1), cAlnum) {
		return true
	}
	if upgraded(t, i) {
		return true
	}
	if ip[0] == 2 && ip[1] == 5 && ip[2] < 32 && !sc.near(i, end, &addressWords) { // 2.5.4.3, 2.5.29.37: attributes and extensions of X.500
		return true
	}
	low := ip[0] < 32 && ip[1] < 32 && ip[2] < 32 && ip[3] < 32
	if prev == '/' && is(at(t, i-2), cAlnum) {
		// "nginx/1.25.3.1" is a product, "db1/93.184.41.253" of Java and "/ban/93.184.41.253" hold addresses.
		from := runBack(t, i-1, cKey, 64)
		word := t[from : i-1]
		switch {
		case at(t, from-1) == '/' && from > 0 || strings.IndexByte(word, '.') >= 0 || hostWords.exact(word):
			return low && !resolver(ip) && !sc.near(i, end, &addressWords)
		case is(word[0], cUpper) || ip[0] < 32:
			return true
		}
		return false
	}
	if prev == ' ' || prev == '/' && at(t, i-2) == ' ' {
		word := i - 1
		from := runBack(t, word, cKey, 32)
		if name := t[from:word]; len(name) > 1 && !addressWords.exact(name) {
			// "Chrome 47.0.150.50", "sysUpTime 2.1.4.3": a name, and numbers like those of releases.
			if products.exact(name) || ip[0] < 16 && ip[1] < 16 && ip[2] < 100 || is(name[0], cUpper) && (ip[1] == 0 || ip[2] == 0) {
				return true
			}
		}
	}
	// Four small numbers: one address in twenty thousand, and most version numbers.
	return low && !resolver(ip) && !sc.near(i, end, &addressWords)
}

// resolver reports whether ip is one of the well-known public resolvers.
func resolver(ip [4]byte) bool {
	switch ip {
	case [4]byte{8, 8, 8, 8}, [4]byte{8, 8, 4, 4}, [4]byte{1, 1, 1, 1}, [4]byte{1, 0, 0, 1}, [4]byte{9, 9, 9, 9}:
		return true
	}
	return false
}

var upgrades = wordsOf("upgrade", "upgraded", "upgrading", "downgrade", "downgraded", "downgrading", "bumped", "bump", "migrated")

// upgraded reports whether "upgraded from" or "upgraded from 1.2.3.4 to" ends before i.
func upgraded(t string, i int) bool {
	if end := run(t, i, cKey, 20); (foldAt(t, end, " -> ") || foldAt(t, i-4, "-> ") || foldAt(t, i-3, "-> ")) && upgrades.in(t, i-before, i) {
		return true
	}
	return (foldAt(t, i-5, "from ") || foldAt(t, i-3, "to ")) && upgrades.in(t, i-before, i)
}

var products = wordsOf("chrome", "chromium", "firefox", "safari", "edge", "edg", "opera", "opr", "msie", "trident", "webkit", "java", "jdk", "jre", "jvm", "openjdk", "python", "ruby", "php", "perl", "go", "rust",
	"nodejs", "npm", "nginx", "apache", "httpd", "tomcat", "jetty", "mysql", "mariadb", "postgresql", "postgres", "oracle", "mongodb", "redis", "kafka", "elasticsearch", "kernel", "linux",
	"windows", "android", "ios", "macos", "openssl", "curl", "wget", "docker", "kubernetes", "openssh", "bios", "uefi", "office", "teams", "outlook", "acrobat", "flash", "silverlight")

// specialNext reports whether another quad follows that is a special address: the rest of a row of a routing table.
func specialNext(t string, i int) bool {
	for at(t, i) == ' ' {
		i++
	}
	ip, end := ipv4At(t, i)
	return end > 0 && specialIPv4(ip)
}

// coordinates reports whether "group:artifact:" ends at the colon t[i].
func coordinates(t string, i int) bool {
	from := runBack(t, i, cKey, 64)
	if from == i || at(t, from-1) != ':' || !strings.ContainsFunc(t[from:i], isLetter) {
		return false
	}
	group := runBack(t, from-1, cKey, 96)
	return group < from-1 && is(t[group], cLetter) && (strings.IndexByte(t[group:from-1], '.') > 0 || strings.IndexByte(t[from:i], '-') > 0 || at(t, group-1) == ':')
}

func isLetter(r rune) bool { return r < 0x80 && is(byte(r), cLetter) }

// reverseIPv4 detects an address in the name of a host: backwards before in-addr.arpa, and, with dashes between its numbers, at the
// beginning of a name ("93-184-41-253.rev.example.net"). With HostNames also after a prefix and with dots.
func (sc *scan) reverseIPv4(i int) int {
	ip, end := quadAt(sc.t, i)
	if end == 0 || at(sc.t, end) != '.' && at(sc.t, end) != '-' {
		return 0
	}
	if port := run(sc.t, end+1, cDigit, 6); port > end+1 && (foldAt(sc.t, port, " >") || at(sc.t, port) == ':' && strings.HasSuffix(sc.t[:i], "> ")) {
		if !sc.special && specialIPv4(ip) { // tcpdump writes a port behind a dot
			return 0
		}
		return sc.found(IPv4, i, end)
	}
	if foldAt(sc.t, end, ".in-addr.arpa") {
		if reversed := [4]byte{ip[3], ip[2], ip[1], ip[0]}; sc.special || !specialIPv4(reversed) {
			return sc.found(IPv4, i, end)
		}
		return 0
	}
	if !sc.special && specialIPv4(ip) {
		return 0
	}
	// Dots are used by addresses too; a name that begins with a dotted one is detected only with HostNames.
	if sc.hosts && !is(at(sc.t, i-1), cWord) && hostTail(sc.t, end) {
		return sc.found(IPv4, i, end)
	}
	return 0
}

// dashedIPv4 detects an address with dashes at i, at the beginning of a host's name, or, with HostNames, after a prefix.
func (sc *scan) dashedIPv4(i int) int {
	t := sc.t
	if prev := at(t, i-1); prev == '-' || prev == '.' {
		if !sc.hosts || !is(at(t, i-2), cAlnum) {
			return 0
		}
	} else if is(prev, cWord) && !(sc.hosts && is(prev, cLetter)) {
		return 0
	}
	ip, end := dashedQuad(t, i)
	if end == 0 || at(t, end) != '.' || !sc.special && specialIPv4(ip) || !hostTail(t, end) {
		return 0
	}
	return sc.found(IPv4, i, end)
}

// hostTail reports whether the labels of a domain follow at i: ".rev.example.net", at least two, the last of which does not begin with a
// digit.
func hostTail(t string, i int) bool {
	labels := 0
	for (at(t, i) == '.' || at(t, i) == '-' && labels == 0) && is(at(t, i+1), cAlnum) {
		end := i + 1
		for is(at(t, end), cAlnum) || at(t, end) == '-' {
			end++
		}
		if labels++; labels > 8 {
			return true
		}
		if at(t, end) != '.' || !is(at(t, end+1), cAlnum) {
			return labels >= 2 && end-i > 2 && !is(at(t, end), cWord) && run(t, i+1, cLetter, 24) == end
		}
		i = end
	}
	return false
}

// quadAt is ipv4At without a condition on what follows.
func quadAt(t string, i int) (ip [4]byte, end int) { return quad(t, i, '.') }

// dashedQuad parses 93-184-41-253.
func dashedQuad(t string, i int) (ip [4]byte, end int) { return quad(t, i, '-') }

func quad(t string, i int, sep byte) (ip [4]byte, end int) {
	for n := 0; n < 4; n++ {
		j, v := i, 0
		for ; j < len(t) && j < i+3 && is(t[j], cDigit); j++ {
			v = v*10 + int(t[j]-'0')
		}
		if j == i || v > 255 || is(at(t, j), cDigit) {
			return ip, 0
		}
		ip[n] = byte(v)
		if i = j; n < 3 {
			if at(t, i) != sep {
				return ip, 0
			}
			i++
		}
	}
	return ip, i
}

// ipv6At parses an IPv6 address (RFC 4291 section 2.2) at i. It returns the first two groups and the end, 0 if there is none.
func ipv6At(t string, i int) (head [2]uint16, end int) {
	groups, gap := 0, -1
	if at(t, i) == ':' {
		if at(t, i+1) != ':' {
			return head, 0
		}
		gap, i = 0, i+2
	}
	for groups < 8 {
		j, v := i, 0
		for ; j < len(t) && j < i+5 && is(t[j], cHex); j++ {
			v = v<<4 | int(hexValue(t[j]))
		}
		if j == i {
			break
		}
		if j == i+5 {
			if gap < 0 || groups == 0 || !portAt(t, i) {
				return head, 0
			}
			i--
			break
		}
		if at(t, j) == '.' && groups > 0 {
			_, e := ipv4At(t, i)
			if e == 0 && is(at(t, j+1), cDigit) {
				return head, 0
			}
			if e > 0 {
				groups, i = groups+2, e
				break
			}
		}
		if groups < 2 && gap < 0 {
			head[groups] = uint16(v)
		}
		groups, i = groups+1, j
		if at(t, i) != ':' || groups == 8 {
			break
		}
		if at(t, i+1) == ':' {
			if gap >= 0 {
				return head, 0
			}
			gap, i = groups, i+2
			continue
		}
		if !is(at(t, i+1), cHex) {
			break
		}
		i++
	}
	if gap < 0 && groups != 8 || gap >= 0 && groups > 7 || is(at(t, i), cWord) || at(t, i) == ':' && is(at(t, i+1), cHex) && !portAt(t, i+1) {
		return head, 0
	}
	return head, i
}

// portAt reports whether the number at i is a port behind an address without brackets, and nothing that belongs to it follows.
func portAt(t string, i int) bool {
	end := run(t, i, cDigit, 6)
	return end > i && end-i < 6 && !is(at(t, end), cWord) && (at(t, end) != ':' && at(t, end) != '.' || !is(at(t, end+1), cAlnum))
}

// wideGroups reports whether an address outside the allocated ranges has an unmistakable form: four groups or more, two of them of three
// digits or more.
func wideGroups(t string) bool {
	groups, wide, n := 0, 0, 0
	for i := 0; i <= len(t); i++ {
		if is(at(t, i), cHex) {
			n++
			continue
		}
		if n > 0 {
			groups++
		}
		if n > 2 {
			wide++
		}
		n = 0
	}
	return groups >= 4 && wide >= 2
}

// inID reports whether dashes or underscores join t[start:end] to something on both sides.
func inID(t string, start, end int) bool {
	before, behind := at(t, start-1), at(t, end)
	return (before == '-' || before == '_') && is(at(t, start-2), cAlnum) && (behind == '-' || behind == '_') && is(at(t, end+1), cAlnum)
}

func hexValue(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	}
	return c - 'A' + 10
}

// ipv6 detects an address whose first colon is at i.
func (sc *scan) ipv6(i int) int {
	start := runBack(sc.t, i, cHex, 5)
	if i-start > 4 || is(at(sc.t, start-1), cWord) || at(sc.t, start-1) == ':' && start > 0 {
		return 0
	}
	head, end := ipv6At(sc.t, start)
	if end == 0 || end-start < 3 {
		return 0
	}
	global := i-start == 4 && head[0]>>13 == 1 || // 2000::/3
		head[0]>>8 > 0 && head[0]>>9 != 0xFC>>1 && head[0]>>6 != 0xFE80>>6 && head[0]>>8 != 0xFF && wideGroups(sc.t[start:end])
	documentation := head[0] == 0x2001 && head[1] == 0xdb8 || head[0] == 0x3fff && head[1] < 0x1000
	if !sc.special && (!global || documentation) {
		return 0
	}
	if sc.special && !global && end-start < 6 || inID(sc.t, start, end) {
		return 0
	}
	return sc.found(IPv6, start, end)
}
