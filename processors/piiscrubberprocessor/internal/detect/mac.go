package detect

import "strings"

// macAt returns the end of six pairs of hexadecimal digits at i, separated by t[i+2]; 0 if there is none, if it is part of something
// longer (a fingerprint), or if it is not a device's: all zeros, broadcast, the documentation range of RFC 7042.
func macAt(t string, i int) int {
	const n = 17
	if i < 0 || i+n > len(t) || is(at(t, i-1), cWord) {
		return 0
	}
	sep := t[i+2]
	var or, and byte = 0, 0xFF
	for k := 0; k < n; k += 3 {
		if !is(t[i+k], cHex) || !is(t[i+k+1], cHex) || k < 15 && t[i+k+2] != sep {
			return 0
		}
		b := hexValue(t[i+k])<<4 | hexValue(t[i+k+1])
		or, and = or|b, and&b
	}
	if is(at(t, i+n), cWord) || at(t, i+n) == sep && is(at(t, i+n+1), cHex) || at(t, i-1) == sep && is(at(t, i-2), cHex) {
		return 0
	}
	if groupMAC(t[i : i+8]) {
		return 0
	}
	if or == 0 || and == 0xFF || t[i:i+2] == "00" && t[i+3:i+5] == "00" && foldAt(t, i+6, "5e") && t[i+9:i+11] == "00" && t[i+12:i+14] == "53" {
		return 0
	}
	return i + n
}

// groupMAC reports whether an address begins like those of groups, which are not devices': IPv4 and IPv6 multicast, bridges, Cisco's own.
func groupMAC(head string) bool {
	return strings.HasPrefix(head, "33") && head[3:5] == "33" || head[0] == '0' && head[1] == '1' &&
		(head[3:5] == "00" && (foldAt(head, 6, "5e") || foldAt(head, 6, "0c")) || head[3:5] == "80" && foldAt(head, 6, "c2"))
}

var macWords = wordsOf("mac", "macs", "hwaddr", "hardware", "ether", "lladdr", "bssid", "ethernet", "physical", "macaddr", "bluetooth", "chaddr", "wwn")

// mac detects the address at i if one of its digits is a letter, or a word names it: 17:34:27:09:46:59 is two times of day.
func (sc *scan) mac(i int) int {
	end := macAt(sc.t, i)
	if end == 0 && foldAt(sc.t, i-4, "mac=") && !is(at(sc.t, i-5), cWord) { // netfilter: destination, source and type of a frame
		for k := i; ; k += 3 {
			if k-i > 45 || !is(at(sc.t, k), cHex) || !is(at(sc.t, k+1), cHex) {
				return 0
			}
			if at(sc.t, k+2) != ':' {
				if k-i != 39 {
					return 0
				}
				return sc.found(MAC, i, k+2)
			}
		}
	}
	if end == 0 || inID(sc.t, i, end) || !hasHexLetter(sc.t[i:end]) && !sc.near(i, end, &macWords) {
		return 0
	}
	return sc.found(MAC, i, end)
}

// dottedMAC returns the end of a Cisco-style address (aabb.ccdd.eeff) at i, 0 if there is none.
func dottedMAC(t string, i int) int {
	const n = 14
	if i < 0 || i+n > len(t) || is(at(t, i-1), cWord) || at(t, i-1) == '.' || is(at(t, i+n), cWord) {
		return 0
	}
	letters := false
	if foldAt(t, i, "0000.5e00.53") { // for documentation (RFC 7042)
		return 0
	}
	for k := 0; k < n; k++ {
		if k%5 == 4 {
			if t[i+k] != '.' {
				return 0
			}
			continue
		}
		if !is(t[i+k], cHex) {
			return 0
		}
		letters = letters || is(t[i+k], cLetter)
	}
	if at(t, i+n) == '.' && is(at(t, i+n+1), cAlnum) || !letters { // four digits, a dot, four digits: numbers of some kind
		return 0
	}
	return i + n
}
