// Package detect finds personal data and secrets in text.
//
// One pass looks every byte up in a table. A byte that can indicate something (a digit, '@', ':', '=', the rarest byte of a vendor's
// prefix) calls the detectors for it, which examine a bounded distance on both sides, parse, and validate (checksums, issuing rules,
// decoding). So time is linear in the length of the text whatever it contains, and nothing is allocated unless something is found.
package detect

import (
	"strings"
)

// Options select what a Scanner detects. The zero value selects nothing.
type Options struct {
	// Detectors is the set of built-in detectors.
	Detectors Set
	// Regions are the ISO 3166 codes of regions whose national phone numbers are detected.
	Regions []string
	// IDRegions are the ISO 3166 codes of countries whose national identifiers are detected without a word beside them.
	IDRegions []string
	// HostNames detects IP addresses that are spelled in the host names of providers: ec2-93-184-41-253.compute.example.net.
	HostNames bool
	// SpecialAddresses detects private, loopback, link-local and documentation IP addresses too.
	SpecialAddresses bool
	// MinEntropy is the threshold of HighEntropy in bits per character; 0 means 4.
	MinEntropy float64
	// Custom are user-defined patterns. Their kinds begin with FirstCustom.
	Custom []Custom
}

// Scanner finds spans. It is immutable and safe for concurrent use.
type Scanner struct {
	table    [256]anchor
	gates    [256]gate
	on       Set
	regions  *regionSet
	special  bool
	entropy  float64
	custom   []Custom
	literals literalIndex
	ids      layoutIndex
	bareIDs  [maxBare + 1][]*idRule
	dull     [4][256]bool // bytes that may follow one to three digits that begin nothing
	homeIDs  Set          // precise bare identifiers of IDRegions
	fewest   [4]int       // digits of the shortest number that can be something, by those of its first group
	hosts    bool
}

// New builds a Scanner. It never panics; NewCustom compiles patterns.
func New(o Options) *Scanner {
	s := &Scanner{on: o.Detectors, regions: newRegionSet(o.Regions), special: o.SpecialAddresses, entropy: o.MinEntropy, custom: o.Custom, hosts: o.HostNames}
	if s.entropy == 0 {
		s.entropy = 4
	}
	set := func(a anchor, when Set, bytes string) {
		if !s.on.Any(when) {
			return
		}
		for i := 0; i < len(bytes); i++ {
			s.table[bytes[i]] = a
		}
	}
	of := func(kinds ...Kind) (x Set) {
		for _, k := range kinds {
			x = x.With(k)
		}
		return x
	}
	s.useLiterals()
	set(aDigit, of(Phone, PaymentCard, IBAN, IPv4)|idKinds, "0123456789")
	set(aAt, of(Email, URLCredentials), "@")
	set(aPercent, of(Email, Password, URLSecret), "%")
	set(aColon, of(IPv6, MAC, URLCredentials, Password, VendorToken), ":")
	set(aEqual, of(Password, URLSecret, AzureKey, AWSKey), "=")
	set(aPlus, of(Phone), "+")
	set(aParen, of(Phone, Password), "(")
	set(aEscape, of(Email), "\\#")
	set(aLine, of(Password), "\n")
	set(aAuth, of(Password), "H")
	set(aDash, of(MAC, PrivateKey, Password)|literalKinds, "-")
	set(aDot, of(MAC, VendorToken), ".")
	set(aBearer, of(Password), "bB")
	set(aElement, of(Password), ">")
	set(aQuote, of(Password), "'")
	set(aQuery, of(URLSecret), "?")
	set(aJ, ^Set(0), "J")
	set(aProse, of(Password), "wW\xB1\xA0\x8C")
	set(aWide, ^Set(0), "\xEF\xE2")
	set(aKeyword, of(Password), "kK")
	set(aDollar, of(Password, VendorToken), "$")
	set(aAmp, of(Password), "&")
	set(aPipe, of(Password), "|")
	set(aRequire, of(Password), "q")
	set(aBrace, of(Password), "{")
	set(aString, of(Password), "\"")
	set(aSecret, of(Password), "cC")
	set(aPass, of(Password), "sS")
	set(aLogin, of(Password), "G")
	if s.on != 0 {
		s.table['['] = aBracket
	}
	s.useIDs(o.IDRegions)
	s.useGates()
	s.useDull()
	return s
}

// scan is the state of one Scan; it is on the stack.
type scan struct {
	*Scanner
	t, key string
	out    []Span
	base   int // len(out) when the scan began: older spans belong to the caller
	atPos  int // position of the first '@' at or after the last query, so that a text is searched once
	endPos int // the same for "-----END"
	pemRun int // up to here the text was read for parts of a key
	// queryEnd is the end of the word that contains the last '?'.
	queryEnd int
	// t[plainFrom:plainTo] contains no letter.
	plainFrom, plainTo int
	lineStart          int // beginning of the line that the last newline ended
	tableEnd           int // lines up to here are rows of a table
	// extra are findings that are known before the scan reaches them: values of tables and rows, in order.
	extra []Span
	memos [memoEnd]memo
	hints hint // of words that may begin in t[hintFrom:hintTo]

	hintFrom, hintTo int
	hidden           bool    // characters hide others: the text is also searched as people read it
	secrets          docKind // whether the text is the manifest of a Kubernetes Secret
	// tools are those named by the command before commandTo.
	tools      tools
	accountEnd int // the groups up to here have the form of an IBAN
	commandTo  int
	inside     bool // the text is what another one had in base64
}

// Scan appends the findings in text to dst, in order and without overlap, and returns it. key is the attribute key (or another label) of
// the text: it counts as context ("phone", "ssn"); empty if there is none.
func (s *Scanner) Scan(dst []Span, key, text string) []Span {
	sc := scan{Scanner: s, t: text, key: key, out: dst, base: len(dst), atPos: -1, endPos: -1}
	if s.on != 0 {
		sc.walk()
		if sc.hidden {
			sc.searchReadable()
		}
		if s.on.Has(HighEntropy) {
			sc.highEntropy()
		}
	}
	for k := range s.custom {
		sc.customSpans(k)
	}
	return sc.out
}

// walk calls the detectors at each byte that may indicate something.
func (sc *scan) walk() {
	t, table := sc.t, &sc.table
	for i := 0; i < len(t); {
		switch a := table[t[i]]; a {
		case none:
			i++
		case aDigit:
			i = sc.digits(i)
		default:
			if g := &sc.gates[t[i]]; g.before.has(at(t, i-1)) || g.behind.has(at(t, i+1)) {
				i = sc.look(i, a)
			} else {
				i++
			}
		}
	}
	if len(sc.extra) > 0 {
		sc.out = merge(append(sc.out, sc.extra...), sc.base)
	}
}

// look calls the detectors of anchor a at i and returns where the scan continues, always after i.
func (sc *scan) look(i int, a anchor) int {
	switch a {
	case aAt:
		return sc.at(i)
	case aEscape:
		return sc.escapedAt(i)
	case aLine:
		return sc.line(i)
	case aAuth:
		return sc.orLiteral(i, sc.auth(i))
	case aPercent:
		switch {
		case at(sc.t, i+1) == '2' && at(sc.t, i+2) == '5' && sc.on.Has(Email):
			return sc.escapedAt(i)
		case at(sc.t, i+1) == '4' && at(sc.t, i+2) == '0' && sc.on.Has(Email):
			return sc.email(i, i+3)
		case at(sc.t, i+1) == '3':
			return sc.encodedPair(i)
		}
	case aColon:
		return sc.colon(i)
	case aEqual:
		return sc.equal(i)
	case aPlus:
		return sc.phoneInternational(i)
	case aParen:
		return sc.paren(i)
	case aDash:
		return sc.dash(i)
	case aDot:
		return sc.dot(i)
	case aBracket:
		if end := Mark(sc.t, i); end > 0 {
			return end
		}
		return max(i+1, sc.couple(i))
	case aBearer:
		return sc.orLiteral(i, sc.bearer(i))
	case aJ:
		if end := sc.jwt(i); end > i {
			return end
		}
		return sc.orLiteral(i, sc.encoded(i))
	case aElement:
		return sc.element(i)
	case aQuote:
		return sc.quote(i)
	case aQuery:
		return sc.question(i)
	case aProse:
		if end := sc.sentence(i); end > i {
			return end
		}
	case aWide:
		return sc.wide(i)
	case aLiteral:
		return sc.literal(i)
	case aKeyword:
		return sc.orLiteral(i, sc.keyword(i))
	case aDollar:
		return sc.dollar(i)
	case aAmp:
		return sc.escapedElement(i)
	case aPipe:
		return sc.piped(i)
	case aRequire:
		return sc.requirePass(i)
	case aBrace:
		return sc.braced(i)
	case aString:
		return sc.quotedName(i)
	case aSecret:
		return sc.orLiteral(i, sc.secretWord(i))
	case aPass:
		return sc.orLiteral(i, sc.pass(i))
	case aLogin:
		return sc.orLiteral(i, sc.login(i))
	}
	return i + 1
}

// orLiteral returns end, where a finding at i ends; if there is none, it searches for a vendor's prefix.
func (sc *scan) orLiteral(i, end int) int {
	if end > i {
		return end
	}
	return sc.literal(i)
}

// dot handles the dot at i.
func (sc *scan) dot(i int) int {
	if at(sc.t, i+5) == '.' && sc.on.Has(MAC) && is(at(sc.t, i-1), cHex) {
		if end := dottedMAC(sc.t, i-4); end > 0 {
			return sc.found(MAC, i-4, end)
		}
	}
	if end := sc.discord(i); end > i {
		return end
	}
	if end := sc.airtable(i); end > i {
		return end
	}
	return sc.literal(i)
}

// found records a finding and returns its end. It replaces earlier findings inside it; a partial overlap becomes one finding, so that no
// byte of either is left. What begins with one of our marks was found before.
func (sc *scan) found(k Kind, start, end int) int {
	if mark := Mark(sc.t, start); mark > 0 {
		return mark
	}
	for n := len(sc.out); n > sc.base && sc.out[n-1].End > start; n = len(sc.out) {
		last := sc.out[n-1]
		if last.Start < start {
			if end > last.End {
				sc.out[n-1].End = end
			}
			return max(end, last.End)
		}
		sc.out = sc.out[:n-1]
		end = max(end, last.End)
	}
	sc.out = append(sc.out, Span{start, end, k})
	return end
}

// firstAt returns the position of the first '@' at or after i, len(t) if there is none. It is called with growing i, so all calls together
// search the text once.
func (sc *scan) firstAt(i int) int {
	if sc.atPos < i {
		if n := strings.IndexByte(sc.t[i:], '@'); n >= 0 {
			sc.atPos = i + n
		} else {
			sc.atPos = len(sc.t)
		}
	}
	return sc.atPos
}

// Mark returns the end of a mark of this processor that starts at i, 0 if there is none. A mark is "[REDACTED:name]" or
// "[ENC:name:key:letters]", "[TOK:...]", "[HMAC:...]". Its payload has only letters from 'a' to 'p', so it can't smuggle a number or an
// address past the scanner.
func Mark(t string, i int) int {
	for _, m := range markHeads {
		if !strings.HasPrefix(t[i:], m) {
			continue
		}
		j := i + len(m)
		name := j
		for name < len(t) && name-j < 64 && (is(t[name], cLower|cDigit) || t[name] == '_') { // as Config requires of a detector's name
			name++
		}
		if name == j || !is(t[j], cLower) || digitRun(t[j:name]) > 4 {
			return 0
		}
		if m == markHeads[0] {
			if at(t, name) == ']' {
				return name + 1
			}
			return 0
		}
		key := run(t, name+1, cWord|cBase64, 33)
		if at(t, name) != ':' || at(t, key) != ':' || digitRun(t[name+1:key]) > 4 {
			return 0
		}
		end := key + 1
		for end < len(t) && t[end] >= 'a' && t[end] <= 'p' {
			end++
		}
		if end > key+16 && at(t, end) == ']' {
			return end + 1
		}
		return 0
	}
	return 0
}

// maxMark is how far back the beginning of a mark is searched for, in bytes.
const maxMark = 1 << 12

var markHeads = [...]string{"[REDACTED:", "[ENC:", "[TOK:", "[HMAC:"}

// digitRun returns the number of digits in s.
func digitRun(s string) (n int) {
	for i := 0; i < len(s); i++ {
		if is(s[i], cDigit) {
			n++
		}
	}
	return n
}
