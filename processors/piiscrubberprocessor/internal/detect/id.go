package detect

import (
	"slices"
	"strings"
)

const (
	maxGroup = 17 // digits of the first group of a layout
	maxBare  = 18
)

// idRule describes a national identifier: its forms and its check.
type idRule struct {
	kind Kind
	// country is the ISO 3166 code used in Options.IDRegions.
	country string
	// layouts: 'd' a digit, 'A' a letter, 'x' either, anything else itself. One letter's check digit is passed by one random number in 10
	// to 31, so a layout requires a word beside it, or its country in IDRegions. A leading '?' always requires the word; a leading '!'
	// never does: only this number has the form, and random values of it pass less than once in a thousand, or only its form is known.
	layouts []string
	// bare are the lengths in which it is written without separators, digits only: if named, or if precise and in IDRegions.
	bare    []int
	precise bool
	valid   func(number) bool
	named   func(number) bool // used instead of valid if words name the identifier; nil: valid
	words   words
	// weak words are ambiguous: they count only as the whole key before ':' or '='.
	weak words
	// kin are words of its surroundings: they count only for a number in its own grouping, the first layout.
	kin words
}

// check returns the rule's check.
func (r *idRule) check(named bool) func(number) bool {
	if named && r.named != nil {
		return r.named
	}
	return r.valid
}

type layout struct {
	rule    *idRule
	form    string
	back    int  // characters in front of the first digit
	next    byte // the byte after the first digits, 0 if it is a letter or a digit
	letter  bool // a letter precedes the first digits
	first   bool // it is the first of its rule
	context bool
}

var idRules = [...]idRule{
	{kind: USSSN, country: "US", layouts: []string{"ddd-dd-dddd", "?ddd dd dddd", "?ddd.dd.dddd"}, bare: []int{9}, valid: validSSN, named: validTaxpayer,
		words: wordsOf("ssn", "ssns", "social security", "taxpayer", "itin", "tax payer"), weak: wordsOf("tin", "ss", "social"),
		kin: wordsOf("tax", "taxes", "irs", "w2", "payroll", "medicare", "medicaid", "dob", "birth", "birthday", "birthdate", "born", "applicant", "borrower", "claimant", "beneficiary", "spouse", "dependent", "employee", "identity", "identification")},
	{kind: UKNHS, country: "GB", layouts: []string{"ddd ddd dddd", "?ddd-ddd-dddd"}, bare: []int{10}, valid: validNHS,
		words: wordsOf("nhs", "national health"), weak: wordsOf("patient", "patient_id", "patientid")},
	{kind: UKNINO, country: "GB", layouts: []string{"AA dd dd dd A", "AA-dd-dd-dd-A", "?AA dddddd A", "?AAddddddA"}, valid: validNINO, named: shapedNINO,
		words: wordsOf("nino", "national insurance", "insurance number", "ni number", "ni no", "ni num"), weak: wordsOf("ni", "nin")},
	{kind: DETaxID, country: "DE", layouts: []string{"dd ddd ddd ddd", "?dd/ddd/ddd/ddd", "?dd-ddd-ddd-ddd"}, bare: []int{11}, valid: validDETaxID,
		words: wordsOf("steuer", "idnr", "tax id", "tax no", "tax num", "tax ident", "identifikationsnummer"), weak: wordsOf("tin")},
	{kind: FRNIR, country: "FR", layouts: []string{"!d dd dd dd ddd ddd dd", "!d dd dd dx ddd ddd dd", "!d-dd-dd-dd-ddd-ddd-dd", "!d dd dd dd ddd ddd-dd", "ddddddAdddddddd"}, bare: []int{15}, precise: true, valid: validNIR,
		named: shapedNIR, words: wordsOf("nir", "sécurité", "securite", "insee", "sécu", "secu")},
	{kind: ESDNI, country: "ES", layouts: []string{"dddddddd-A", "?ddddddddA", "AdddddddA", "A-ddddddd-A"}, valid: validDNI,
		words: wordsOf("dni", "nif", "nie", "identidad", "documento")},
	{kind: ITFiscalCode, country: "IT", layouts: []string{"AAAAAAxxAxxAxxxA", "AAA AAA xxAxx AxxxA"}, valid: validFiscalCode,
		words: wordsOf("fiscale", "codfisc", "cod fisc", "codice fisc"), weak: wordsOf("cf")},
	{kind: NLBSN, country: "NL", layouts: []string{"?dddd.dd.ddd", "?ddd ddd ddd"}, bare: []int{9}, valid: validBSN,
		words: wordsOf("bsn", "burgerservicenummer", "sofi")},
	{kind: BENRN, country: "BE", layouts: []string{"dd.dd.dd-ddd.dd", "?dd.dd.dd ddd dd"}, bare: []int{11}, valid: validNRN,
		words: wordsOf("rijksregister", "registre national", "nrn", "niss", "insz", "national register")},
	{kind: CHAHV, country: "CH", layouts: []string{"!ddd.dddd.dddd.dd", "?ddd dddd dddd dd"}, bare: []int{13}, precise: true, valid: validAHV,
		words: wordsOf("ahv", "avs", "sozialversicherung")},
	{kind: PLPESEL, country: "PL", bare: []int{11}, valid: validPESEL, words: wordsOf("pesel")},
	{kind: FIHETU, country: "FI", layouts: []string{"dddddd-dddx", "ddddddAdddx"}, valid: validHETU, words: wordsOf("hetu", "henkilötunnus", "henkilotunnus")},
	{kind: SEPersonnummer, country: "SE", layouts: []string{"dddddd-dddd", "dddddddd-dddd", "?dddddd+dddd"}, bare: []int{10, 12}, valid: validPersonnummer,
		words: wordsOf("personnummer", "personnr", "person nr", "personal identity", "pnr")},
	{kind: CASIN, country: "CA", layouts: []string{"?ddd-ddd-ddd", "?ddd ddd ddd"}, bare: []int{9}, valid: validSIN,
		words: wordsOf("social insurance", "assurance sociale", "sin number", "sin no", "sin num", "sin card"), weak: wordsOf("sin", "nas")},
	{kind: BRCPF, country: "BR", layouts: []string{"ddd.ddd.ddd-dd", "?ddd ddd ddd dd"}, bare: []int{11}, valid: validCPF, words: wordsOf("cpf")},
	{kind: INAadhaar, country: "IN", layouts: []string{"?dddd dddd dddd", "?dddd-dddd-dddd"}, bare: []int{12}, valid: validAadhaar,
		words: wordsOf("aadhaar", "aadhar", "adhaar", "uidai", "आधार"), weak: wordsOf("uid")},
	{kind: CNResidentID, country: "CN", layouts: []string{"dddddddddddddddddA"}, bare: []int{18}, precise: true, valid: validCNResident,
		words: wordsOf("身份证", "身份證", "resident id", "resident card", "resident no", "resident num", "identity card", "id card", "idcard", "citizen id"), weak: wordsOf("resident")},
	{kind: KRRRN, country: "KR", layouts: []string{"dddddd-ddddddd"}, bare: []int{13}, valid: validRRN, named: shapedRRN, words: wordsOf("rrn", "주민등록번호", "resident reg")},
	{kind: SGNRIC, country: "SG", layouts: []string{"AdddddddA"}, valid: validNRIC, words: wordsOf("nric"), weak: wordsOf("fin")},
}

// idWords are the words of all rules: most numbers have none of them beside them.
var idWords = func() words {
	var list []string
	for i := range idRules {
		list = slices.Concat(list, idRules[i].words.list, idRules[i].kin.list)
	}
	slices.Sort(list)
	return wordsOf(slices.Compact(list)...).hinted(idHint)
}()

// IDRegions lists the countries whose identifiers are known.
func IDRegions() (list []string) {
	for i := range idRules {
		if c := idRules[i].country; !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	slices.Sort(list)
	return list
}

var idKinds = func() (s Set) {
	for i := range idRules {
		s = s.With(idRules[i].kind)
	}
	return s
}()

// layoutIndex finds the layouts that a run of digits and the byte after it may begin.
type layoutIndex struct {
	at    [maxGroup + 1][256]uint8 // of lists, by the length of the run and the byte behind it
	lists [][]layout               // the first is empty
}

func (x *layoutIndex) add(n int, l layout) {
	for next := range 256 {
		if l.next != 0 && byte(next) != l.next || l.next == 0 && !is(byte(next), cAlnum) {
			continue
		}
		// Equal sets share a list: the layouts come in order, so each byte's list only grows.
		k := x.at[n][next]
		list := append(slices.Clip(x.listAt(k)), l)
		x.at[n][next] = x.intern(list)
	}
}

func (x *layoutIndex) listAt(k uint8) []layout { return x.lists[k] }

// intern returns the number of list.
func (x *layoutIndex) intern(list []layout) uint8 {
	for k, have := range x.lists {
		if slices.EqualFunc(have, list, func(a, b layout) bool { return a.rule == b.rule && a.form == b.form }) {
			return uint8(k)
		}
	}
	x.lists = append(x.lists, list)
	return uint8(len(x.lists) - 1)
}

// useIDs indexes the layouts of the enabled kinds by the length of their first run of digits. The identifiers of regions need no word.
func (s *Scanner) useIDs(regions []string) {
	s.ids.lists = make([][]layout, 1)
	for i := range idRules {
		r := &idRules[i]
		if !s.on.Has(r.kind) {
			continue
		}
		home := slices.Contains(regions, r.country)
		if home && r.precise {
			s.homeIDs = s.homeIDs.With(r.kind)
		}
		for k, form := range r.layouts {
			l := layout{rule: r, first: k == 0, form: strings.TrimLeft(form, "?!"), context: form[0] != '!' && (!home || form[0] == '?')}
			for is(l.form[l.back], cUpper) || l.form[l.back] == ' ' || l.form[l.back] == '-' {
				l.back++
			}
			l.letter = l.back > 0 && l.form[l.back-1] == 'A'
			n := l.back
			for n < len(l.form) && l.form[n] == 'd' {
				n++
			}
			if c := at(l.form, n); c != 'A' && c != 'x' {
				l.next = c
			}
			if n -= l.back; n > maxGroup || n == 0 {
				n = 0 // of any length
			}
			s.ids.add(n, l)
		}
		for _, n := range r.bare {
			s.bareIDs[n] = append(s.bareIDs[n], r)
		}
	}
}

// nationalID detects an identifier at the run of digits t[i:j]. If it could be several, the one whose name is near is chosen.
func (sc *scan) nationalID(i, j int) int {
	var best Span
	n := j - i
	lettered := is(at(sc.t, i-1), cLetter)
	if n <= maxGroup {
		if list := sc.ids.at[n][at(sc.t, j)]; list != 0 && sc.laidOut(list, i, lettered, &best) {
			return sc.found(best.Kind, best.Start, best.End)
		}
	}
	if lettered && sc.laidOut(sc.ids.at[0]['A'], i, true, &best) {
		return sc.found(best.Kind, best.Start, best.End)
	}
	if n <= maxBare && len(sc.bareIDs[n]) > 0 && !is(at(sc.t, i-1), cLetter) && sc.bareID(i, j, &best) || best.End > 0 {
		return sc.found(best.Kind, best.Start, best.End)
	}
	return 0
}

// laidOut tries a list of layouts whose first digit is at i; it is sure if context confirms it.
func (sc *scan) laidOut(n uint8, i int, lettered bool, best *Span) (sure bool) {
	list := sc.ids.lists[n]
	for k := range list {
		if l := &list[k]; (!l.letter || lettered) && sc.formatted(l, i, best) {
			return true
		}
	}
	return false
}

// bareID tries the rules for t[i:j] without separators. Like formatted it stores its finding in best, and is sure if context confirms it.
func (sc *scan) bareID(i, j int, best *Span) (sure bool) {
	t := sc.t
	if is(at(t, j), cAlnum) || at(t, i-1) == '.' || at(t, j) == '.' && is(at(t, j+1), cDigit) || inOpaque(t, i, j) {
		return false
	}
	var d number
	d.addAll(t[i:j])
	asked, spoken := false, false
	for _, r := range sc.bareIDs[j-i] {
		if !r.check(true)(d) {
			continue
		}
		if !asked {
			asked, spoken = true, sc.near(i, j, &idWords)
		}
		if spoken && sc.near(i, j, &r.words) || len(r.weak.list) > 0 && sc.named(i, &r.weak) {
			*best = Span{i, j, r.kind}
			return true
		}
		if sc.homeIDs.Has(r.kind) && best.End == 0 && !sc.labelled(i, &notCardWords) {
			*best = Span{i, j, r.kind}
		}
	}
	return false
}

// formatted tries one layout whose first digit is at i. The first that fits becomes best; it is sure if context confirms it.
func (sc *scan) formatted(l *layout, i int, best *Span) (sure bool) {
	t, start := sc.t, i-l.back
	end := start + len(l.form)
	if start < 0 || end > len(t) {
		return false
	}
	var d number
	spaced := false
	for k := 0; k < len(l.form); k++ {
		c := t[start+k]
		switch f := l.form[k]; f {
		case 'd':
			if !is(c, cDigit) {
				return false
			}
		case 'A':
			if !is(c, cLetter) {
				return false
			}
		case 'x':
			if !is(c, cAlnum) {
				return false
			}
		default:
			if c != f {
				return false
			}
			spaced = spaced || f == ' '
			continue
		}
		if is(c, cLower) {
			c -= 32
		}
		d.add(c)
	}
	if is(at(t, end), cWord) || is(at(t, start-1), cWord) && !escaped(t, start) || inOpaque(t, start, end) {
		return false
	}
	if l.context && sc.key == "" && !sc.letters(start-before, start) && !sc.letters(end, end+after) || l.rule.named == nil && !l.rule.valid(d) {
		return false
	}
	named := len(l.rule.weak.list) > 0 && sc.named(start, &l.rule.weak) || sc.near(start, end, &idWords) && (sc.near(start, end, &l.rule.words) ||
		l.first && len(l.rule.kin.list) > 0 && sc.near(start, end, &l.rule.kin))
	if !l.rule.check(named)(d) {
		return false
	}
	if !named && (l.rule.kind == SEPersonnummer || l.rule.kind == FIHETU) && stamp(t[start:end]) {
		return false
	}
	if !named && (l.context || glued(t, start, end)) || !isolated(t, start, end) && !(spaced && named) {
		return false
	}
	if len(l.form) == d.n && is(t[end-1], cLower) && !named { // lower-case letters are how hexadecimal is written
		return false
	}
	if l.rule.kind == UKNHS && !named && (sc.near(start, end, &phoneWords) || sc.near(start, end, &phoneWeakWords)) {
		return false
	}
	if named || best.End == 0 {
		*best = Span{start, end, l.rule.kind}
	}
	return named
}

// glued reports whether t[start:end] is part of a longer id or of a path: a dash, an underscore or a slash joins it to something.
func glued(t string, start, end int) bool {
	if joined(t, start) {
		return true
	}
	switch at(t, end) {
	case '-', '_', '/':
		return true
	case '.', ':':
		return is(at(t, end+1), cAlnum)
	}
	return false
}

// joined reports whether a dash, an underscore or a slash joins what begins at start to something before it.
func joined(t string, start int) bool {
	switch at(t, start-1) {
	case '-', '_', '/', '.', '#':
		return true
	}
	return false
}

// stamp reports whether s can be read as a date of these years (2018 to 2032) and a time of day: 240115-1030, 20240115-1030. One in fifty
// personal numbers can.
func stamp(s string) bool {
	day, clock, _ := strings.Cut(s, "-")
	if len(day) == 8 && day[:2] == "20" {
		day = day[2:]
	}
	if len(day) != 6 || len(clock) != 4 {
		return false
	}
	var d number
	d.addAll(day)
	d.addAll(clock)
	return allDigits(d) && d.value(0, 2) >= 18 && d.value(0, 2) <= 32 && date(d.value(2, 4), d.value(4, 6)) && d.value(6, 8) < 24 && d.value(8, 10) < 60
}
