package detect

// byteSet is a set of bytes.
type byteSet [4]uint64

func (s *byteSet) has(c byte) bool { return s[c>>6]&(1<<(c&63)) != 0 }

func (s *byteSet) add(bytes string) {
	for i := 0; i < len(bytes); i++ {
		s[bytes[i]>>6] |= 1 << (bytes[i] & 63)
	}
}

// addClass adds the bytes of a character class.
func (s *byteSet) addClass(class uint8) {
	for c := range 256 {
		if is(byte(c), class) {
			s.add(string([]byte{byte(c)}))
		}
	}
}

// everyByte is the set of all.
var everyByte = byteSet{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}

// gate belongs to a byte that may indicate something. Its detectors find nothing unless the byte before it is in before or the one after
// it in behind; both are 0 outside the text. Most such bytes of a clean text are rejected here.
type gate struct{ before, behind byteSet }

// gateOf is the gate of an anchor: the condition of its detectors on the two neighbours, which is checked first. Anchors whose condition
// needs more than two bytes, or that are rare, have none.
var gateOf = func() (t [aEnd]gate) {
	shut := map[anchor]struct{ before, behind string }{
		aPercent: {behind: "234"},
		aPlus:    {behind: "0123456789( "},
		aParen:   {before: "esS ", behind: " \"'`\\@$+0123456789psatPSATb"},
		aDash:    {before: "< \"'0123456789abcdefABCDEF", behind: "->sSlLbB"},
		aBracket: {behind: "RETH\""},
		aBearer:  {behind: "eEyYaAsS"},
		aJ:       {before: "y"},
		aElement: {before: " \"'"},
		aQuote:   {before: " "},
		aProse:   {before: "sSnNpPtT\xC3\xE7\xD1"},
		aEscape:  {before: "&", behind: "uUxX"},
		aAuth:    {before: "T"},
		aKeyword: {before: "oO", behind: "eE"},
		aDollar:  {behind: "0123456789ayps"},
		aAmp:     {behind: "g"},
		aPipe:    {behind: " "},
		aRequire: {before: "eE"},
		aBrace:   {behind: "\":psatPSAT"},
		aString:  {before: " "},
		aSecret:  {before: "eE"},
		aPass:    {before: "sS"},
		aLogin:   {before: "O"},
		aLiteral: {},
	}
	for _, r := range readers {
		p := shut[aPipe]
		p.behind += r[:1]
		shut[aPipe] = p
	}
	for a := range t {
		s, asks := shut[anchor(a)]
		if !asks {
			t[a] = gate{everyByte, everyByte}
			continue
		}
		t[a].before.add(s.before)
		t[a].behind.add(s.behind)
	}
	t[aElement].before.addClass(cKey)
	return t
}()

// useGates gives each byte the gate of its anchor, and also accepts what may precede it in a vendor's prefix.
func (s *Scanner) useGates() {
	for c := range s.table {
		if s.table[c] == none {
			continue
		}
		g := &s.gates[c]
		*g = gateOf[s.table[c]]
		for prior, list := range s.literals.priors(byte(c)) {
			if list != 0 {
				g.before.add(string([]byte{byte(prior)}))
			}
		}
	}
}

// priors returns the lists of literals whose anchor is c, by the byte before it.
func (x *literalIndex) priors(c byte) (lists [256]uint8) {
	if r := x.row[c]; r != 0 {
		lists = x.next[r]
	}
	return lists
}
