package detect

import "github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/dialplan"

const (
	minDial, maxDial = 7, 15 // digits of a telephone number; ITU-T E.164 allows 15
	maxDialGroups    = 8
	maxDialText      = 48 // bytes of the longest number as it is written, at least
	phoneAfter       = 12 // bytes after a number in which a word may name it
)

// dial is a telephone number as it is written: its digits, and where each group of them ends.
type dial struct {
	digits [maxDial + 2]byte
	n      int
	groups int
	size   [maxDialGroups]int // digits in the group
	upto   [maxDialGroups]int // digits up to the end of the group
	end    [maxDialGroups]int // where the group ends in the text
}

// readDial reads groups of digits from i on. More than E.164 allows end the reading.
func readDial(t string, i int) (d dial) {
	area := at(t, i-1) == '(' // a number has one area code
	dots, others := false, false
	for d.groups < maxDialGroups {
		j := run(t, i, cDigit, maxDial+2)
		if j == i || d.n+j-i > maxDial+1 {
			return d
		}
		copy(d.digits[d.n:], t[i:j])
		d.n += j - i
		d.size[d.groups], d.upto[d.groups], d.end[d.groups] = j-i, d.n, j
		d.groups++
		if d.groups == 4 && d.n == 4 || d.groups == 6 && d.n < 10 { // 1 2 3 4: a list
			return d
		}
		k := j
		dot := false
		for k < j+3 && k < len(t) && dialSeparator(t[k]) {
			switch t[k] {
			case '(':
				if area {
					return d
				}
				area = true
			case '.':
				dot = true
			}
			k++
		}
		if n := separatorMark(t, k); n > 1 && k == j {
			k += n
		}
		if k == j && at(t, k) == '+' { // a blank of a form
			k++
		} else if k == j && at(t, k) == '%' && at(t, k+1) == '2' && at(t, k+2) == '0' {
			k += 3
		}
		if k == j || !is(at(t, k), cDigit) {
			return d
		}
		// Dots go with nothing else, and not in front of a single digit: 252.227-7013, +35236450.6.
		if dots, others = dots || dot, others || !dot; dots && others || dot && (k > j+1 || !is(at(t, k+1), cDigit)) {
			return d
		}
		i = k
	}
	return d
}

func dialSeparator(c byte) bool {
	return c == ' ' || c == '-' || c == '.' || c == '(' || c == ')' || c == '/'
}

// phoneInternational handles '+': an E.164 number, its separators aside.
func (sc *scan) phoneInternational(i int) int {
	first := i + 1
	if at(sc.t, first) == '(' || at(sc.t, first) == ' ' {
		first++
	}
	if !is(at(sc.t, first), cDigit) || is(at(sc.t, i-1), cAlnum) || at(sc.t, i-1) == '+' {
		return i + 1
	}
	if at(sc.t, i+1) == ' ' && at(sc.t, i-1) == ' ' && (is(at(sc.t, i-2), cWord) || at(sc.t, i-2) == ')') { // a sum
		return i + 1
	}
	if end := sc.international(i, first); end > i {
		return end
	}
	return i + 1
}

// international reads the number at first, whose prefix ("+", "%2B", "00") begins at start.
func (sc *scan) international(start, first int) int {
	if sc.t[first] == '0' {
		return 0
	}
	d := readDial(sc.t, first)
	if d.groups > 1 && d.size[0] >= 9 { // written as one word: what follows is something else
		d.groups = 1
	}
	if d.groups == 0 { // longer than a telephone number
		return 0
	}
	if last := d.end[d.groups-1]; at(sc.t, last) == '.' && is(at(sc.t, last+1), cDigit) { // a decimal
		return 0
	}
	for g := d.groups - 1; g >= 0; g-- {
		if d.upto[g] < 8 || d.upto[g] > maxDial || is(at(sc.t, d.end[g]), cWord) && lower(at(sc.t, d.end[g])) != 'x' {
			continue
		}
		if sc.validAbroad(&d, d.upto[g], false) {
			return sc.foundPhone(start, d.end[g])
		}
	}
	// Not assigned, yet shaped and long enough: fictional numbers, fresh ranges.
	for g := d.groups - 1; g >= 0; g-- {
		if d.upto[g] < 9 || d.upto[g] > maxDial || is(at(sc.t, d.end[g]), cWord) && lower(at(sc.t, d.end[g])) != 'x' {
			continue
		}
		if (g >= 2 || d.upto[g] >= 10 || sc.near(start, d.end[g], &phoneWords)) && sc.validAbroad(&d, d.upto[g], true) {
			return sc.foundPhone(start, d.end[g])
		}
	}
	return 0
}

// phoneParen handles '(': an area code in parentheses.
func (sc *scan) phoneParen(i int) int {
	t := sc.t
	if at(t, i+1) == '+' { // "(+358) 40 123 4567"
		if d := readDial(t, i+2); d.groups > 1 && at(t, d.end[0]) == ')' && !is(at(t, d.end[d.groups-1]), cWord) && sc.validAbroad(&d, d.n, true) {
			return sc.foundPhone(i, d.end[d.groups-1])
		}
		return i + 1
	}
	j := run(t, i+1, cDigit, 6)
	if n := j - i - 1; n < 2 || n > 5 || at(t, j) != ')' || is(at(t, i-1), cWord) {
		return i + 1
	}
	d := readDial(t, i+1)
	var c dialContext
	for g := d.groups - 1; g > 0; g-- {
		if d.upto[g] < 8 || d.upto[g] > 13 || is(at(t, d.end[g]), cWord) && lower(at(t, d.end[g])) != 'x' {
			continue
		}
		start := i
		if c := at(t, i-1); (c == ' ' || c == '-' || c == '.') && at(t, i-2) == '1' && !is(at(t, i-3), cWord) && at(t, i-3) != '.' && at(t, i-3) != '-' { // "1 (800) ..."
			start = i - 2
		}
		if g == 2 && d.size[0] == 3 && d.size[1] == 3 && d.size[2] == 4 && !glued(t, start, d.end[g]) {
			return sc.foundPhone(start, d.end[g])
		}
		if !c.read {
			c = sc.readContext(i)
		}
		if sc.phoneContext(&c, &d, g, i) {
			return sc.foundPhone(i, d.end[g])
		}
	}
	return i + 1
}

// phoneNational detects a national number that begins with the run t[i:j]: in an unmistakable format, or with context.
func (sc *scan) phoneNational(i, j int) int {
	t := sc.t
	if j-i > maxDial || j-i < minDial && !moreDigits(t, j) {
		return 0
	}
	if c := at(t, i-1); c == '.' || c == ':' && is(at(t, i-2), cDigit) || c == '_' || c == '$' || c == '-' && is(at(t, i-2), cAlnum) || c == '+' {
		return 0
	}
	if j-i >= minDial && sc.unlabelled(i) {
		return 0
	}
	free := j-i == 3 && t[i] >= '2' && isNumber(t, j+1, 3) && !is(at(t, j+4), cDigit) // it may be a 3-3-4
	if !free && sc.key == "" && !sc.letters(i-before, j+before) {                     // numbers among numbers
		return 0
	}
	d := readDial(t, i)
	if d.n < minDial || j-i < minDial && sc.unlabelled(i) || !sc.dialable(&d) && !phoneContexts.in(sc.label(i), 0, maxLabel) {
		return 0
	}
	var c dialContext
	if j-i >= minDial { // a separate number: most are not named
		if c = sc.readContext(i); c.silent() {
			if !sc.namedBehind(j, j+maxDialText+phoneAfter) {
				return 0
			}
			sc.readLabel(i, &c) // the text after it may be about something else than the label's
		}
	}
	for g := d.groups - 1; g >= 0; g-- {
		n, end := d.upto[g], d.end[g]
		if n < minDial || n > maxDial || inOpaque(t, i, end) && !(lower(at(t, end)) == 'x' && is(at(t, end+1), cDigit)) || at(t, end) == ':' && is(at(t, end+1), cDigit) {
			continue
		}
		if at(t, end) == '.' && is(at(t, end+1), cDigit) || at(t, end) == '%' && !(at(t, end+1) == '2' && (at(t, end+2) == '2' || at(t, end+2) == '6' || lower(at(t, end+2)) == 'c')) {
			continue
		}
		if n >= 11 && n-2 <= maxDial && abroadPrefix(&d) && !(g == 2 && n == 12 && d.size[0] == 4 && d.size[1] == 4) &&
			(sc.nearer(i, end, &phoneWords, phoneAfter) || sc.named(i, &phoneKeys) || sc.nearer(i, end, &phoneWeakWords, 0)) && isolated(t, i, end) {
			rest := dialFrom(&d, 2, n)
			if sc.validAbroad(&rest, rest.n, g >= 2) {
				return sc.foundPhone(i, end)
			}
		}
		if g == 2 && northAmerican(&d, g) && sameSeparators(t, &d) && isolated(t, i, end) && !glued(t, i, end) && !sc.labelled(i, &notPhoneWords) {
			return sc.foundPhone(i, end)
		}
		if !c.read {
			c = sc.readContext(i)
			if c.silent() && (d.size[0] != 3 || g <= 2) && !sc.namedBehind(d.end[0], d.end[d.groups-1]+phoneAfter) {
				return 0
			}
			if c.silent() {
				sc.readLabel(i, &c)
			}
		}
		if sc.phoneContext(&c, &d, g, i) {
			return sc.foundPhone(i, end)
		}
	}
	return 0
}

// dialable reports whether d or its beginning is a number somewhere; if not, only its label can make it one.
func (sc *scan) dialable(d *dial) bool {
	for g := d.groups - 1; g >= 0; g-- {
		if d.upto[g] >= minDial && d.upto[g] <= maxDial && (g == 2 && northAmerican(d, g) || sc.validAnywhere(d, d.upto[g])) {
			return true
		}
	}
	return abroadPrefix(d)
}

// unlabelled reports whether the number at i is part of a path or an id whose label, the only context that counts there, names no
// telephone.
func (sc *scan) unlabelled(i int) bool {
	return joined(sc.t, i) && !(sc.t[i] == '0' && at(sc.t, i+1) == '0') && !phoneContexts.in(sc.label(i), 0, maxLabel)
}

// moreDigits reports whether readDial may read another group of digits after one that ends at j.
func moreDigits(t string, j int) bool {
	k := j
	for k < j+3 && dialSeparator(at(t, k)) {
		k++
	}
	if k > j {
		return is(at(t, k), cDigit)
	}
	c := at(t, j)
	return c == '+' || c == '%' || c >= 0x80
}

// namedBehind reports whether there is a word for a telephone in t[from:to].
func (sc *scan) namedBehind(from, to int) bool {
	return sc.letters(from, to) && sc.mayHold(phoneHint, from, to) && (phoneWords.in(sc.t, from, to) || phoneWeakWords.in(sc.t, from, to))
}

// abroadPrefix reports whether d begins with 00 and, in the same group, nothing or a calling code.
func abroadPrefix(d *dial) bool {
	if d.digits[0] != '0' || d.digits[1] != '0' || d.digits[2] == '0' || d.size[0] < 2 {
		return false
	}
	return d.size[0] != 3 || d.digits[2] == '1' || d.digits[2] == '7'
}

// northAmerican: 3-3-4 with possible codes, or the same after a 1. Fictional numbers count.
func northAmerican(d *dial, g int) bool {
	switch g {
	case 2:
		return d.size[0] == 3 && d.size[1] == 3 && d.size[2] == 4 && d.digits[0] >= '2' && d.digits[3] >= '2'
	case 3:
		return d.size[0] == 1 && d.size[1] == 3 && d.size[2] == 3 && d.size[3] == 4 && d.digits[0] == '1' && d.digits[1] >= '2' && d.digits[4] >= '2'
	}
	return false
}

// sameSeparators reports whether all groups have the same single separator: 415-555-2671, not 415-555/2671.
func sameSeparators(t string, d *dial) bool {
	a, b := d.end[0], d.end[1]
	return d.end[1]-a == d.size[1]+1 && d.end[2]-b == d.size[2]+1 && t[a] == t[b] && t[a] != '/' && t[a] != '(' && t[a] != ')'
}

// validAnywhere reports whether the first n digits are a national number in one of the configured regions.
func (sc *scan) validAnywhere(d *dial, n int) bool {
	return sc.regions.valid(d, n)
}

// validAbroad reports the same for an international number; possible requires only length and country code.
func (sc *scan) validAbroad(d *dial, n int, possible bool) bool {
	p, code := dialplan.ForNumber(d.digits[:n])
	if p == nil {
		return false
	}
	national := d.digits[code:n]
	if possible {
		return p.Possible(national) || p.Possible(p.Strip(national))
	}
	return p.Valid(national) || p.Valid(p.Strip(national)) // "+49 (0)30 ..."
}

func dialFrom(d *dial, from, to int) (rest dial) {
	rest.n = copy(rest.digits[:], d.digits[from:to])
	return rest
}

// foundPhone includes an extension.
func (sc *scan) foundPhone(start, end int) int {
	t, j := sc.t, end
	if at(t, j) == ' ' {
		j++
	}
	for _, word := range [...]string{"extension", "ext.", "ext", "x"} {
		if !foldAt(t, j, word) {
			continue
		}
		k := j + len(word)
		if at(t, k) == ' ' {
			k++
		}
		if e := run(t, k, cDigit, 7); e > k && e-k <= 6 && !is(at(t, e), cAlnum) {
			end = e
		}
		break
	}
	return sc.found(Phone, start, end)
}
