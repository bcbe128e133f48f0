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

// specialIPv4 reports whether ip belongs to no one outside: RFC 6890 and its registry (private, loopback, link-local, shared,
// documentation, benchmarking, multicast, reserved).
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

var versionWords = wordsOf("version", "ver", "rv", "release", "build", "firmware", "driver", "oid", "section", "chapter", "rev", "revision", "upgrade", "upgrading", "upgraded",
	"downgrade", "downgrading", "package", "installed", "assembly")

// ipv4 looks for an address at the digit i.
func (sc *scan) ipv4(i int) int {
	prev := at(sc.t, i-1)
	if prev == '.' || prev == '-' && is(at(sc.t, i-2), cAlnum) {
		return 0
	}
	ip, end := ipv4At(sc.t, i)
	if end == 0 || !sc.special && specialIPv4(ip) {
		return 0
	}
	// nginx/1.25.3.1 is a product; host/198.51.7.2:443 (Java) an address.
	if prev == '/' && is(at(sc.t, i-2), cLetter) && at(sc.t, end) != ':' {
		return 0
	}
	if at(sc.t, end) == '/' && is(at(sc.t, end+1), cDigit) && ip[3] == 0 { // a network
		return 0
	}
	if prev == '=' && strings.IndexByte("=<>~!", at(sc.t, i-2)) >= 0 && i > 1 || prev == '^' || prev == '~' { // foo==1.2.3.4
		return 0
	}
	if sc.labelled(i, &versionWords) || ip[0] < 20 && ip[1] < 100 && ip[2] < 100 && ip[3] < 100 && versionWords.in(sc.t, i-before, i) {
		return 0
	}
	return sc.found(IPv4, i, end)
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
			return head, 0
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
	if gap < 0 && groups != 8 || gap >= 0 && groups > 7 || is(at(t, i), cWord) || at(t, i) == ':' && is(at(t, i+1), cHex) {
		return head, 0
	}
	return head, i
}

// wideGroups reports whether an address outside of what has been given out so far is written as nothing else is: four groups or
// more, two of them of three digits or more.
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

func hexValue(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	}
	return c - 'A' + 10
}

// ipv6 looks for an address whose first colon is at i.
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
	if sc.special && !global && end-start < 6 {
		return 0
	}
	return sc.found(IPv6, start, end)
}
