package detect

import "github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/dialplan"

const (
	minDial, maxDial = 7, 15 // digits of a telephone number; ITU-T E.164 allows 15
	maxDialGroups    = 8
	phoneAfter       = 12 // bytes behind a number in which a word may say that it is one
)

var (
	phoneWords = wordsOf("phone", "phones", "telephone", "téléphone", "telefon", "teléfono", "telefono", "telefone", "telefoon", "tel", "tlf", "fax", "msisdn",
		"whatsapp", "sms", "telefonnummer", "puhelin", "전화", "फ़ोन", "هاتف", "rufnummer", "handy", "móvil", "movil", "celular", "cellulare", "cellphone", "gsm", "rappel", "portable",
		"电话", "手机", "電話", "携帯", "телефон", "Телефон")
	phoneWeakWords = wordsOf("mobile", "mobil", "cell", "call", "callback", "caller", "dial", "dialed", "dialled", "contact", "ring", "hotline", "reach",
		"anrufen", "anruf", "appeler", "llamar", "bellen")
	mobileWords   = wordsOf("mobile", "mobil", "mobiel", "cell")
	notPhoneWords = wordsOf("id", "ids", "order", "ord", "trace", "span", "timestamp", "time", "ts", "epoch", "seq", "offset", "build", "version", "port", "pid",
		"invoice", "ticket", "serial", "isbn", "size", "bytes", "count", "total", "amount", "price", "sku", "tracking", "account", "txn", "imei", "duration")
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
	area := at(t, i-1) == '(' // there is one area code
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
	for g := d.groups - 1; g > 0; g-- {
		if d.upto[g] < 9 || d.upto[g] > 13 || is(at(t, d.end[g]), cWord) && lower(at(t, d.end[g])) != 'x' {
			continue
		}
		if g == 2 && d.size[0] == 3 && d.size[1] == 3 && d.size[2] == 4 || sc.validAnywhere(&d, d.upto[g]) || sc.validAbroad(&d, d.upto[g], false) {
			return sc.foundPhone(i, d.end[g])
		}
	}
	return i + 1
}

// phoneNational looks for a national number that begins with the run t[i:j]: in a format that says so, or with context.
func (sc *scan) phoneNational(i, j int) int {
	t := sc.t
	if j-i > maxDial || j-i < minDial && separatorMark(t, j) == 0 && at(t, j) != ')' && at(t, j) != '(' {
		return 0
	}
	if c := at(t, i-1); c == '.' || c == ':' && is(at(t, i-2), cDigit) || c == '_' || c == '$' || c == '-' && is(at(t, i-2), cAlnum) || c == '+' {
		return 0
	}
	d := readDial(t, i)
	if d.n < minDial {
		return 0
	}
	var c dialContext
	for g := d.groups - 1; g >= 0; g-- {
		n, end := d.upto[g], d.end[g]
		if n < minDial || n > maxDial || inOpaque(t, i, end) && !(lower(at(t, end)) == 'x' && is(at(t, end+1), cDigit)) || at(t, end) == ':' && is(at(t, end+1), cDigit) {
			continue
		}
		if at(t, end) == '.' && is(at(t, end+1), cDigit) || at(t, end) == '%' {
			continue
		}
		if n >= 11 && n-2 <= maxDial && abroadPrefix(&d) && !(g == 2 && n == 12 && d.size[0] == 4 && d.size[1] == 4) &&
			(g > 0 || sc.nearer(i, end, &phoneWords, phoneAfter)) && isolated(t, i, end) {
			rest := dialFrom(&d, 2, n)
			if sc.validAbroad(&rest, rest.n, g >= 2) {
				return sc.foundPhone(i, end)
			}
		}
		if formattedPhone(&d, g) && isolated(t, i, end) && !sc.labelled(i, &notPhoneWords) {
			if northAmerican(&d, g) || sc.validAnywhere(&d, n) {
				return sc.foundPhone(i, end)
			}
		}
		if !c.read {
			c = sc.readContext(i)
		}
		if sc.phoneContext(&c, &d, g) {
			return sc.foundPhone(i, end)
		}
	}
	return 0
}

// abroadPrefix reports whether d begins with 00 and, in the same group, nothing or a calling code.
func abroadPrefix(d *dial) bool {
	if d.digits[0] != '0' || d.digits[1] != '0' || d.digits[2] == '0' || d.size[0] < 2 {
		return false
	}
	return d.size[0] != 3 || d.digits[2] == '1' || d.digits[2] == '7'
}

// dialContext is what the words in front of a number, or its key, say about it.
type dialContext struct {
	read                     bool
	label, weakLabel, not    bool // of the label right in front
	value                    bool // the label is the key of a pair that means a number: "mobile: 3577 8068"
	strongBefore, weakBefore bool
}

func (sc *scan) readContext(i int) dialContext {
	if sc.key == "" && !sc.letters(i-before, i) { // numbers among numbers
		return dialContext{read: true}
	}
	return dialContext{
		read:         true,
		label:        sc.labelled(i, &phoneWords),
		weakLabel:    sc.labelled(i, &phoneWeakWords),
		value:        sc.pairValue(i) && sc.labelled(i, &mobileWords),
		not:          sc.labelled(i, &notPhoneWords),
		strongBefore: sc.nearer(i, i, &phoneWords, 0),
		weakBefore:   sc.nearer(i, i, &phoneWeakWords, 0),
	}
}

// pairValue reports whether a key and a separator, quotes aside, stand in front of i.
func (sc *scan) pairValue(i int) bool {
	for i > 0 && (sc.t[i-1] == ' ' || sc.t[i-1] == '"' || sc.t[i-1] == '\'' || sc.t[i-1] == '\\') {
		i--
	}
	c := at(sc.t, i-1)
	return c == ':' || c == '=' || i == 0 && sc.key != ""
}

// phoneContext reports whether words around the number of groups 0 to g say that it is one to call.
func (sc *scan) phoneContext(c *dialContext, d *dial, g int) bool {
	if c.not {
		return false
	}
	if c.label || c.value && d.upto[g] >= 8 {
		return true
	}
	end := d.end[g]
	if d.upto[g] < 9 || !c.strongBefore && !c.weakBefore && !sc.letters(end, end+phoneAfter) {
		return false
	}
	strong := c.strongBefore || phoneWords.in(sc.t, end, end+phoneAfter)
	if !strong && (g == 0 && d.digits[0] != '0' && !c.weakLabel || !c.weakBefore && !phoneWeakWords.in(sc.t, end, end+phoneAfter)) {
		return false
	}
	return sc.validAnywhere(d, d.upto[g])
}

// counting reports whether pairs of digits count up: 06 07 08 09 10.
func counting(d *dial) bool {
	for k := 2; k+1 < d.n; k += 2 {
		if int(d.digits[k]-'0')*10+int(d.digits[k+1]-'0') != int(d.digits[k-2]-'0')*10+int(d.digits[k-1]-'0')+1 {
			return false
		}
	}
	return true
}

// northAmerican: 3-3-4 with codes that can be, or that behind a 1. Fictional numbers count.
func northAmerican(d *dial, g int) bool {
	switch g {
	case 2:
		return d.size[0] == 3 && d.size[1] == 3 && d.size[2] == 4 && d.digits[0] >= '2' && d.digits[3] >= '2'
	case 3:
		return d.size[0] == 1 && d.size[1] == 3 && d.size[2] == 3 && d.size[3] == 4 && d.digits[0] == '1' && d.digits[1] >= '2' && d.digits[4] >= '2'
	}
	return false
}

// formattedPhone: groupings that little else uses. North America, Russian, Chinese and Brazilian mobiles; with a trunk zero those of
// Europe, Japan, Australia.
func formattedPhone(d *dial, g int) bool {
	if g > 4 {
		return false
	}
	size := d.size[:g+1]
	match := func(want ...int) bool {
		if len(size) != len(want) {
			return false
		}
		for k := range want {
			if size[k] != want[k] {
				return false
			}
		}
		return true
	}
	if northAmerican(d, g) {
		return true
	}
	switch {
	case d.digits[0] == '8' && d.digits[1] == '9' && match(1, 3, 3, 2, 2): // Russia
		return true
	case d.digits[0] == '1' && d.digits[1] >= '3' && match(3, 4, 4): // China
		return true
	case d.digits[0] >= '1' && d.digits[1] >= '1' && d.digits[2] == '9' && match(2, 5, 4): // Brazil
		return true
	}
	if d.digits[0] != '0' || d.digits[1] == '0' {
		return false
	}
	return match(2, 2, 2, 2, 2) && !counting(d) || match(5, 6) || match(5, 3, 3) || match(4, 3, 4) || match(3, 4, 4) || match(5, 5) || match(4, 3, 3) ||
		match(4, 7) || match(4, 8) || match(3, 8) || match(3, 7) || match(2, 8) || match(3, 3, 2, 2) || match(4, 2, 2, 2) || match(2, 4, 4) ||
		match(3, 3, 4) || match(2, 3, 4) || match(2, 3, 3, 2) || match(2, 3, 2, 2) || match(4, 3, 2, 2)
}

// validAnywhere reports whether the first n digits are a national number in one of the configured regions.
func (sc *scan) validAnywhere(d *dial, n int) bool {
	return sc.regions.valid(d, n)
}

// validAbroad asks the same of an international number; possible asks for length and country code only.
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

// foundPhone takes an extension along.
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
