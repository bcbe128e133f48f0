package detect

import "strings"

// ibanTable lists the BBAN of each country in the notation of the SWIFT IBAN registry: n digits, a letters, c either.
const ibanTable = "AD8n12c AE19n AL8n16c AT16n AZ4a20c BA16n BE12n BG4a6n8c BH4a14c BI23n BR23n1a1c BY4c4n16c CH5n12c CR18n CY8n16c CZ20n DE18n " +
	"DJ23n DK14n DO4c20n EE16n EG25n ES20n FI14n FK2a12n FO14n FR10n11c2n GB4a14n GE2a16n GI4a15c GL14n GR7n16c GT24c HR17n HU24n IE4a14n " +
	"IL19n IQ4a15n IS22n IT1a10n12c JO4a4n18c KW4a22c KZ3n13c LB4n20c LC4a24c LI5n12c LT16n LU3n13c LV4a13c LY21n MC10n11c2n MD20c ME18n " +
	"MK3n10c2n MN16n MR23n MT4a5n18c MU4a19n3a NI4a20n NL4a10n NO11n OM3n16c PK4a16c PL24n PS4a21c PT21n QA4a21c RO4a16c RS18n RU14n15c " +
	"SA2n18c SC4a20n3a SD14n SE20n SI15n SK20n SM1a10n12c SO19n ST21n SV4a20n TL19n TN20n TR5n1n16c UA6n19c VA18n VG4a16n XK16n YE4a4n18c"

// ibanFormats holds ibanTable spelled out, one class letter a character: "DE" -> "nnnnnnnnnnnnnnnnnn".
var ibanFormats = func() map[[2]byte]string {
	m := make(map[[2]byte]string, 100)
	for _, entry := range strings.Fields(ibanTable) {
		var b strings.Builder
		n := 0
		for _, c := range []byte(entry[2:]) {
			if is(c, cDigit) {
				n = n*10 + int(c-'0')
				continue
			}
			b.WriteString(strings.Repeat(string(c), n))
			n = 0
		}
		m[[2]byte{entry[0], entry[1]}] = b.String()
	}
	return m
}()

// iban detects an account number (ISO 13616) whose country code is at i: as one word, or in groups with one separator between them.
func (sc *scan) iban(i int) int {
	t := sc.t
	format, ok := ibanFormats[[2]byte{t[i] &^ 32, t[i+1] &^ 32}]
	if !ok || !isNumber(t, i+2, 2) {
		return 0
	}
	var text [34]byte
	n, j, group := 0, i, 0
	lowerCase := false
	for n < len(format)+4 {
		c := at(t, j)
		if !is(c, cAlnum) {
			s := separatorMark(t, j)
			if s == 0 || group < 2 || !is(at(t, j+s), cAlnum) {
				return 0
			}
			j, group = j+s, 0
			continue
		}
		if is(c, cLower) {
			lowerCase, c = true, c-32
		}
		if n >= 4 {
			switch format[n-4] {
			case 'n':
				ok = is(c, cDigit)
			case 'a':
				ok = is(c, cUpper)
			}
			if !ok {
				return 0
			}
		}
		text[n] = c
		n, j, group = n+1, j+1, group+1
	}
	if is(at(t, j), cWord) {
		return 0
	}
	if !lowerCase { // whether the check digits are right or not, its groups are not a telephone number or another identifier
		sc.accountEnd = j
	}
	if !mod97(text[:n]) || lowerCase && strings.IndexByte(format, 'n') < 0 {
		return 0
	}
	return sc.found(IBAN, i, j)
}

// mod97 checks an IBAN (ISO 7064 mod 97-10, the first four characters moved to the end). b is upper-case.
func mod97(b []byte) bool {
	r := uint64(0)
	step := func(c byte) {
		if is(c, cDigit) {
			r = r*10 + uint64(c-'0')
		} else {
			r = r*100 + uint64(c-'A') + 10
		}
		if r >= 1<<56 {
			r %= 97
		}
	}
	for _, c := range b[4:] {
		step(c)
	}
	for _, c := range b[:4] {
		step(c)
	}
	return r%97 == 1
}
