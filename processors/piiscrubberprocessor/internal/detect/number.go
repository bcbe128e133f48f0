package detect

import "strings"

const maxDigits = 24 // digits of the longest number that is examined

// number is a candidate's characters without separators. Validators get it by value, so that it needn't be allocated.
type number struct {
	b [maxDigits]byte
	n int
}

func (d *number) add(c byte) {
	if d.n < maxDigits {
		d.b[d.n] = c
		d.n++
	}
}

func (d *number) addAll(s string) {
	for i := 0; i < len(s); i++ {
		d.add(s[i])
	}
}

// digit returns the value of the i-th character, a digit.
func (d *number) digit(i int) int { return int(d.b[i] - '0') }

// value returns the number in characters from to to, all digits.
func (d *number) value(from, to int) (v int) {
	for i := from; i < to; i++ {
		v = v*10 + d.digit(i)
	}
	return v
}

// digits handles a run of digits that starts at i.
func (sc *scan) digits(i int) int {
	t := sc.t
	j := run(t, i, cDigit, len(t))
	n := j - i
	if n < len(sc.dull) && sc.alone(i, j, n) {
		return j
	}
	if is(at(t, i-1), cDigit) && !escaped(t, i) { // the middle of a run whose beginning was part of a finding
		return j
	}
	if at(t, i-1) == '%' && n > 2 { // "%204111...": the escape's digits aren't the number's
		return i + 2
	}
	if n < 24 && is(at(t, j), cHex) || i > 0 && is(t[i-1], cHex) {
		if end := hexToken(t, i); end > 0 {
			return end
		}
	}
	if escaped(t, i) {
		if foldAt(t, i-3, "%2b") && sc.on.Has(Phone) {
			if end := sc.international(i-3, i); end > i {
				return end
			}
		}
	} else if is(at(t, i-1), cLetter) {
		return sc.afterLetter(i, j)
	}
	if n >= 4 && n <= 8 && sc.on.Has(Password) && sc.spokenCode(i, j) {
		return sc.found(Password, i, j)
	}
	if n == 4 {
		if end := dateEnd(t, i); end > 0 {
			return end
		}
	}
	if n == 8 && at(t, j) == '-' {
		if end := uuidAt(t, i); end > 0 {
			return end
		}
	}
	quad := j
	if n <= 3 && at(t, j) == '.' && sc.on.Has(IPv4) {
		end, found := sc.ipv4(i)
		if found {
			return end
		}
		quad = max(j, end) // nothing begins inside an address that is not detected
	}
	if n <= 3 && at(t, j) == '-' && sc.on.Has(IPv4) {
		if end := sc.dashedIPv4(i); end > i {
			return end
		}
	}
	if sc.on.Has(PaymentCard) {
		if end := sc.card(i, j); end > i {
			return end
		}
	}
	if i < sc.accountEnd {
		return j
	}
	if end := sc.nationalID(i, j); end > i {
		return end
	}
	if sc.on.Has(Phone) {
		if end := sc.phoneNational(i, j); end > i {
			return end
		}
	}
	return quad
}

// alone reports whether the n digits t[i:j] are too few to be anything and no more follow that could make them so: most numbers in a log.
func (sc *scan) alone(i, j, n int) bool {
	t := sc.t
	prev, next, second := at(t, i-1), at(t, j), at(t, j+1)
	if is(prev, cWord) || prev == '%' || prev >= 0x80 || !sc.dull[n][next] {
		return false
	}
	if !is(second, cDigit) && !(dialSeparator(next) && dialSeparator(second)) {
		return true
	}
	dots, dashes, few := 0, 0, sc.fewest[n]
	for k := j; k < len(t) && k < j+maxReach; k++ {
		switch c := t[k]; {
		case is(c, cDigit):
			if n++; n >= few {
				return false
			}
		case c == '.':
			dots++
		case c == '-':
			dashes++
		case !dialSeparator(c) && c != '_' && c != '\n' && c != '%' && c != '+' && c < 0x80:
			k = len(t)
		}
	}
	return (next != '.' || dots < 3) && (next != '-' || dashes < 3)
}

// maxReach is how far after a short run of digits alone searches for more, in bytes.
const maxReach = 24

// useDull finds the bytes after one to three digits with which they begin nothing, if no digit follows that byte; and the fewest digits
// that can be something, addresses aside.
func (s *Scanner) useDull() {
	for n := 1; n < len(s.dull); n++ {
		s.fewest[n] = minDial
		for c := range 256 {
			dull := !is(byte(c), cHex) && c != '%' && c != '+' && c < 0x80
			for _, l := range s.ids.lists[s.ids.at[n][c]] {
				dull = dull && at(l.form, l.back+n+1) == 'd'
				digits, form := 0, l.form[l.back:]
				for k := 0; k < len(form) && form[k] != 'x' && !is(form[k], cUpper); k++ {
					if form[k] == 'd' {
						digits++
					}
				}
				s.fewest[n] = min(s.fewest[n], digits)
			}
			s.dull[n][c] = dull
		}
	}
}

// minHexToken is the length from which a run of hexadecimal digits contains nothing but itself: no IBAN whose country could be spelled so
// is as long.
const minHexToken = 30

// hexToken returns the end of the hash, the trace id or the UUID that t[i] is part of, 0 if it is part of none.
func hexToken(t string, i int) int {
	start, end := runBack(t, i, cHex, 128), run(t, i, cHex, 128)
	switch {
	case end-start >= minHexToken && hasHexLetter(t[start:end]) && !is(at(t, end), cAlnum) && !is(at(t, start-1), cAlnum):
		return end
	case end-start == 8 && at(t, end) == '-' && !is(at(t, start-1), cWord):
		return uuidAt(t, start)
	}
	return 0
}

// escaped reports whether a percent-encoded byte ends before i.
func escaped(t string, i int) bool {
	return i >= 3 && t[i-3] == '%' && is(t[i-2], cHex) && is(t[i-1], cHex)
}

// afterLetter handles a run of digits t[i:j] after a letter: an IBAN, an id that begins with letters.
func (sc *scan) afterLetter(i, j int) int {
	t := sc.t
	if sc.on.Has(IBAN) && j-i >= 2 && is(at(t, i-2), cLetter) && !is(at(t, i-3), cWord) {
		if end := sc.iban(i - 2); end > i {
			return end
		}
	}
	if n := j - i; sc.on.Has(PaymentCard) && n >= 12 && n <= 19 {
		// "%B4111..." of a magnetic stripe, "card4111...".
		from := runBack(t, i, cLetter, 20)
		if i-from == 1 && t[from] == 'B' && at(t, from-1) == '%' || from < i && cardWords.exact(t[from:i]) {
			if end := sc.gluedCard(i, j); end > i {
				return end
			}
		}
	}
	if end := sc.nationalID(i, j); end > i {
		return end
	}
	return j
}

// dateEnd returns the end of a date (2024-01-15, 2024/01/15), and of the time behind it, at i; 0 if there is none.
func dateEnd(t string, i int) int {
	sep := at(t, i+4)
	if sep != '-' && sep != '/' || at(t, i+7) != sep || !isNumber(t, i+5, 2) || !isNumber(t, i+8, 2) || t[i] > '2' || t[i+5] > '1' || t[i+8] > '3' {
		return 0
	}
	end := i + 10
	if is(at(t, end), cDigit) || at(t, end) == sep {
		return 0
	}
	if c := at(t, end); (c == 'T' || c == ' ') && isNumber(t, end+1, 2) && at(t, end+3) == ':' && isNumber(t, end+4, 2) {
		end += 6
		if at(t, end) == ':' && isNumber(t, end+1, 2) {
			end += 3
		}
		if c := at(t, end); (c == '.' || c == ',') && is(at(t, end+1), cDigit) {
			end = run(t, end+1, cDigit, 12)
		}
	}
	return end
}

func isNumber(t string, i, n int) bool {
	if i < 0 || i+n > len(t) {
		return false
	}
	for k := i; k < i+n; k++ {
		if !is(t[k], cDigit) {
			return false
		}
	}
	return true
}

// separator returns the length of what may be between two groups of digits at i: one mark, or one between two spaces; 0 if there is none.
func separator(t string, i int) int {
	n := separatorMark(t, i)
	if n > 0 && t[i] == ' ' {
		if m := separatorMark(t, i+1); m > 0 && t[i+1] != ' ' && at(t, i+1+m) == ' ' {
			return m + 2
		}
		if at(t, i+1) == ' ' {
			return 2
		}
	}
	return n
}

func separatorMark(t string, i int) int {
	switch at(t, i) {
	case ' ', '-', '.', '_', '/':
		return 1
	case 0xC2: // no-break space
		if at(t, i+1) == 0xA0 {
			return 2
		}
	case 0xE2: // hyphens and dashes U+2010 to U+2015, thin and narrow spaces
		if c := at(t, i+2); at(t, i+1) == 0x80 && (c >= 0x90 && c <= 0x95 || c == 0x89 || c == 0xAF) {
			return 3
		}
	}
	return 0
}

// isolated reports whether no further digits are next to t[start:end] after one separator. Blanks separate columns: they count only if the
// number itself is written with them, and not after a time of day.
func isolated(t string, start, end int) bool {
	spaced := strings.IndexByte(t[start:end], ' ') >= 0
	if n := separatorMark(t, end); n > 0 && is(at(t, end+n), cDigit) && (spaced || t[end] != ' ') {
		return false
	}
	if at(t, start-1) == ' ' && (hexPair(t, start-3) || hexByte(t, start-6) && hexByte(t, start-3) && !isNumber(t, start-3, 2)) ||
		at(t, end) == ' ' && (hexPair(t, end+1) || hexByte(t, end+1) && hexByte(t, end+4) && !isNumber(t, end+1, 2)) {
		return false
	}
	switch at(t, start-1) {
	case ' ':
		return !spaced || !is(at(t, start-2), cDigit) || clockBefore(t, start-1)
	case '-', '.', '/', '_':
		return !is(at(t, start-2), cDigit)
	}
	return true
}

// clockBefore reports whether a time of day ("10:22:33", "10:22:33.123") ends before i.
func clockBefore(t string, i int) bool {
	from := runBack(t, i, cDigit, 9)
	if c := at(t, from-1); c == '.' || c == ',' {
		i = from - 1
		from = runBack(t, i, cDigit, 3)
	}
	return i-from == 2 && at(t, from-1) == ':' && is(at(t, from-2), cDigit)
}

// hexPair reports whether two hexadecimal digits are separate at i, one of them a letter and one not: a dump of bytes.
func hexPair(t string, i int) bool {
	return hexByte(t, i) && is(t[i], cLetter) != is(t[i+1], cLetter)
}

// hexByte reports whether two hexadecimal digits are separate at i.
func hexByte(t string, i int) bool {
	return is(at(t, i), cHex) && is(at(t, i+1), cHex) && !is(at(t, i-1), cWord) && !is(at(t, i+2), cWord)
}

// luhn is the check of ISO/IEC 7812-1 annex B.
func luhn(d number) bool {
	sum := 0
	for i := range d.n {
		v := d.digit(d.n - 1 - i)
		if i&1 == 1 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return d.n > 1 && sum%10 == 0
}
