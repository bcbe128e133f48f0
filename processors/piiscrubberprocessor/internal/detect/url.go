package detect

import "strings"

const maxAuthority = 1024 // bytes of a URL's authority that are searched for credentials

// colon handles ':': a URL, a hardware address, an IPv6 address, a bot token, a pair.
func (sc *scan) colon(i int) int {
	t := sc.t
	if at(t, i+1) == '/' && at(t, i+2) == '/' {
		if sc.on.Has(URLCredentials) && is(at(t, i-1), cAlnum) {
			if end := sc.credentials(i + 3); end > i {
				return end
			}
		}
		return i + 3
	}
	if is(at(t, i-1), cHex) || at(t, i+1) == ':' {
		if at(t, i+3) == ':' && sc.on.Has(MAC) {
			if end := sc.mac(i - 2); end > 0 {
				return end
			}
		}
		if sc.on.Has(IPv6) {
			if end := sc.ipv6(i); end > i {
				return end
			}
		}
		if sc.on.Has(VendorToken) && at(t, i+1) == 'A' && at(t, i+2) == 'A' && is(at(t, i-1), cDigit) {
			if end := sc.telegram(i); end > i {
				return end
			}
		}
	}
	if sc.on.Has(Password) {
		if c := at(t, i+1); c == '5' || c == '6' || c == '*' {
			if end := sc.passFile(i); end > i {
				return end
			}
		}
		if numeral(t, i) {
			return i + 1
		}
		return sc.pair(i)
	}
	return i + 1
}

// numeral reports whether a number of two digits or more, and nothing else, ends before i: hours, an address before a port.
func numeral(t string, i int) bool {
	from := runBack(t, i, cDigit, 24)
	c := at(t, from-1)
	return i-from > 1 && i-from < 24 && !is(c, cKey) && c < 0x80 && at(t, i+1) != '"'
}

// telegram: a bot token is a number of 8 to 10 digits, a colon, 35 characters that begin with AA.
func (sc *scan) telegram(i int) int {
	start := runBack(sc.t, i, cDigit, 11)
	end := run(sc.t, i+1, cBase64, 37)
	if n := i - start; n < 8 || n > 10 || end-i-1 != 35 || is(at(sc.t, start-1), cLetter) && !foldAt(sc.t, start-3, "bot") {
		return 0
	}
	return sc.found(VendorToken, start, end)
}

// credentials detects "user:password@" (RFC 3986 section 3.2.1) in the authority that begins at i.
func (sc *scan) credentials(i int) int {
	t := sc.t
	limit := min(len(t), i+maxAuthority)
	if sc.firstAt(i) >= limit {
		return 0
	}
	end, last, colon := i, -1, -1
	for ; end < limit && !authorityEnd(t[end]); end++ {
		switch t[end] {
		case '@':
			last = end
		case ':':
			if colon < 0 {
				colon = end
			}
		}
	}
	if last < 0 {
		// "user:pa/ss@host": a password that should have been escaped. What follows the colon is not a port.
		if colon < 0 || is(at(t, colon+1), cDigit) && run(t, colon+1, cDigit, 6) == end {
			return 0
		}
		last = sc.firstAt(i)
		for j := end; j < last; j++ {
			if t[j] <= ' ' || strings.IndexByte("\"'<>`", t[j]) >= 0 {
				return 0
			}
		}
		if !is(at(t, last+1), cAlnum) && at(t, last+1) != '[' {
			return 0
		}
	}
	if k := run(t, colon+1, cDigit, 6); colon >= 0 && k > colon+1 && (at(t, k) == ';' || at(t, k) == ',') { // host:port;user=x;password=y@z
		return 0
	}
	if colon < 0 || colon > last {
		// A user alone is not a secret ("ssh://git@host"), but a long token in its place is.
		if last-i < 20 || !mixed(t[i:last]) && !(last-i >= 24 && run(t, i, cAlnum, last-i) == last && digitAndLetter(t[i:last]) && randomLooking(t[i:last])) {
			return 0
		}
	}
	if colon >= 0 && colon+1 < last && placeholder(t[colon+1:last]) || placeholder(t[i:last]) {
		return 0
	}
	if colon+1 == last && !mixed(t[i:colon]) { // no password; a token before the colon still is one
		return 0
	}
	return max(last+1, sc.found(URLCredentials, i, last)) // behind the '@'
}

func authorityEnd(c byte) bool {
	return c <= ' ' || c == '/' || c == '?' || c == '#' || c == '"' || c == '\'' || c == '<' || c == '>' || c == '`' || c == '\\'
}

// dsn detects credentials before an '@' in connection strings that aren't URLs: user:password@tcp(host) of MySQL's Go driver,
// user/password@//host of Oracle.
func (sc *scan) dsn(i int) int {
	t := sc.t
	sep := byte(':')
	switch {
	case strings.HasPrefix(t[i+1:], "tcp("), strings.HasPrefix(t[i+1:], "unix("):
	case strings.HasPrefix(t[i+1:], "//"), oracle(t, i):
		sep = '/'
	default:
		return 0
	}
	start := i
	for start > 0 && i-start < 256 && t[start-1] > ' ' && strings.IndexByte("\"'<>`=,;", t[start-1]) < 0 {
		start--
	}
	if n := strings.LastIndexByte(t[start:i], ':'); sep == '/' && n >= 0 { // jdbc:oracle:thin:user/password
		start += n + 1
	}
	if k := strings.IndexByte(t[start:i], sep); k < 1 || k == i-start-1 {
		return 0
	}
	return max(i+1, sc.found(URLCredentials, start, i))
}

// oracle reports whether the '@' at i is in a URL of Oracle's thin or thick driver, or after the name of its client:
// jdbc:oracle:thin:user/password@host:1521:SID.
func oracle(t string, i int) bool {
	low := max(0, i-128)
	slash := i
	for slash > 0 && i-slash < 64 && t[slash] != '/' && t[slash] > ' ' {
		slash--
	}
	if t[slash] != '/' {
		return false
	}
	for _, head := range [...]string{"oracle:thin:", "oracle:oci:", "oracle:oci8:", "sqlplus ", "target ", "expdp ", "impdp ", "User Id=", "user id=", "userid="} {
		if n := strings.LastIndex(t[low:i], head); n >= 0 && strings.IndexByte(t[low+n+len(head):i], ' ') < 0 {
			return true
		}
	}
	return false
}
