package detect

// What a byte may begin (or indicate, if it is the rarest byte of a literal). The scanner's table maps every byte to one anchor; bytes
// that no enabled detector uses map to none, and cost nothing else. Most bytes of a clean line are such bytes.
type anchor uint8

const (
	none anchor = iota
	aDigit
	aAt
	aColon
	aEqual
	aPlus
	aParen
	aDash
	aPercent
	aBracket // '[': our own marks are skipped
	aLiteral // a byte chosen by a vendor prefix
	aBearer  // 'b', 'B'
	aJ       // eyJ
	aDot     // dotted MAC
	aElement // '>'
	aQuote   // '\''
	aQuery   // '?'
	aProse   // the 'w' of "password"
	aEscape  // '\\' and '#' of escapes
	aLine    // a line's end
	aAuth    // the 'H' of "AUTH"
	aWide    // the first bytes of full-width characters and of those without width
	aKeyword // the 'k' of "token" and "key"
	aDollar  // the hash of a password
	aAmp     // "&gt;"
	aPipe    // a command that reads another one's output
	aRequire // the 'q' of "requirepass"
	aBrace   // "password{"
	aString  // '"'
	aSecret  // the 'c' of "secret"
	aPass    // the second 's' of "pass"
	aLogin   // the 'G' of "LOGIN"
	aEnd
)

// Character classes, one bit each, in charClass.
const (
	cDigit uint8 = 1 << iota
	cUpper
	cLower
	cHex
	cWord   // letters, digits, '_'
	cBase64 // base64url without padding: letters, digits, '-', '_'
	cLocal  // what the local part of a mail address contains in practice
	cKey    // what a key of a pair contains: letters, digits, '_', '-', '.'
)

const (
	cLetter = cUpper | cLower
	cAlnum  = cLetter | cDigit
)

var charClass = func() (t [256]uint8) {
	for c := '0'; c <= '9'; c++ {
		t[c] |= cDigit | cHex | cWord | cBase64 | cLocal | cKey
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c] |= cLower | cWord | cBase64 | cLocal | cKey
		t[c-32] |= cUpper | cWord | cBase64 | cLocal | cKey
	}
	for c := 'a'; c <= 'f'; c++ {
		t[c] |= cHex
		t[c-32] |= cHex
	}
	t['_'] |= cWord | cBase64 | cLocal | cKey
	t['-'] |= cBase64 | cLocal | cKey
	t['.'] |= cLocal | cKey
	t['%'] |= cLocal
	t['+'] |= cLocal
	for c := 0x80; c < 0x100; c++ {
		t[c] |= cLocal
	}
	return t
}()

func is(c, class uint8) bool { return charClass[c]&class != 0 }

func lower(c byte) byte {
	if is(c, cUpper) {
		return c + 32
	}
	return c
}

// foldAt reports whether t holds the lower-case literal lit at i, in any case.
func foldAt(t string, i int, lit string) bool {
	if i < 0 || i+len(lit) > len(t) {
		return false
	}
	for j := 0; j < len(lit); j++ {
		if lower(t[i+j]) != lit[j] {
			return false
		}
	}
	return true
}

// at returns t[i], and 0 outside of t.
func at(t string, i int) byte {
	if uint(i) < uint(len(t)) {
		return t[i]
	}
	return 0
}

// run returns the end of the run of class bytes that starts at i, at most limit bytes long.
func run(t string, i int, class uint8, limit int) int {
	end := min(len(t), i+limit)
	for i < end && is(t[i], class) {
		i++
	}
	return i
}

// runBack returns the start of the run of class bytes that ends before i, at most limit bytes long.
func runBack(t string, i int, class uint8, limit int) int {
	low := max(0, i-limit)
	for i > low && is(t[i-1], class) {
		i--
	}
	return i
}
