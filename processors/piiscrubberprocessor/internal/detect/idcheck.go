package detect

import "strings"

// validSSN applies the issuing rules of the Social Security Administration: areas 000, 666 and 900-999, group 00 and serial 0000 were
// never issued; two numbers are famous because they were printed.
func validSSN(d number) bool {
	area, group, serial := d.value(0, 3), d.value(3, 5), d.value(5, 9)
	return area != 0 && area != 666 && area < 900 && group != 0 && serial != 0 &&
		!(area == 78 && group == 5 && serial == 1120) && !(area == 219 && group == 9 && serial == 9999)
}

// validTaxpayer is validSSN, or an individual taxpayer number of the IRS: 9xx, and a group of 50 to 65, 70 to 88, 90 to 92, 94 to 99.
// Nothing distinguishes these from other numbers, so they are detected only if named.
func validTaxpayer(d number) bool {
	group := d.value(3, 5)
	return validSSN(d) || d.b[0] == '9' && (group >= 50 && group <= 65 || group >= 70 && group <= 88 || group >= 90 && group != 93)
}

// weighted returns the sum of digit i times w[i].
func weighted(d number, w ...int) (sum int) {
	for i, f := range w {
		sum += d.digit(i) * f
	}
	return sum
}

func repeated(d number) bool {
	for i := 1; i < d.n; i++ {
		if d.b[i] != d.b[0] {
			return false
		}
	}
	return true
}

// validNHS: modulus 11 (NHS Data Dictionary, NHS NUMBER).
func validNHS(d number) bool {
	check := 11 - weighted(d, 10, 9, 8, 7, 6, 5, 4, 3, 2)%11
	return !repeated(d) && check != 10 && check%11 == d.digit(9)
}

// validNINO: HMRC manual NIM39110. It has no checksum, only prefixes that were never issued, and the suffix.
func validNINO(d number) bool {
	p := string(d.b[:2])
	if strings.IndexByte("DFIQUV", p[0]) >= 0 || strings.IndexByte("DFIQUVO", p[1]) >= 0 || d.b[8] < 'A' || d.b[8] > 'D' {
		return false
	}
	switch p {
	case "BG", "GB", "NK", "KN", "TN", "NT", "ZZ":
		return false
	}
	return true
}

// shapedNINO accepts a number that is named as one: also prefixes for tests (ZZ) and temporary numbers (suffix T).
func shapedNINO(d number) bool { return d.b[8] <= 'D' || d.b[8] == 'T' }

// validDETaxID: ISO 7064 mod 11,10; among the first ten digits one occurs two or three times, all others at most once.
func validDETaxID(d number) bool {
	if d.b[0] == '0' {
		return false
	}
	var count [10]int
	p := 10
	for i := range 10 {
		count[d.digit(i)]++
		if p = (p + d.digit(i)) % 10; p == 0 {
			p = 10
		}
		p = p * 2 % 11
	}
	multiple := 0
	for _, c := range count {
		if c > 3 {
			return false
		}
		if c > 1 {
			multiple++
		}
	}
	return multiple == 1 && (11-p)%10 == d.digit(10)
}

// validNIR accepts a number without a name: a man's or a woman's, with a known month of birth.
func validNIR(d number) bool {
	return shapedNIR(d) && d.b[0] <= '2' && d.value(3, 5) <= 12
}

// shapedNIR: sex, year, month, department, commune, order, key = 97 - number mod 97; Corsica's 2A and 2B count as 19 and 18.
func shapedNIR(d number) bool {
	if d.n != 15 || strings.IndexByte("123478", d.b[0]) < 0 {
		return false
	}
	n := d
	switch d.b[6] {
	case 'A':
		n.b[5], n.b[6] = '1', '9'
	case 'B':
		n.b[5], n.b[6] = '1', '8'
	}
	for i := range n.n {
		if !is(n.b[i], cDigit) {
			return false
		}
	}
	month := n.value(3, 5)
	return (month >= 1 && month <= 12 || month >= 20) && n.value(5, 7) > 0 && n.value(10, 13) > 0 && 97-n.value(0, 13)%97 == n.value(13, 15)
}

// validDNI: the letter is the number modulo 23; X, Y, Z of a foreigner's number stand for 0, 1, 2.
func validDNI(d number) bool {
	n := d
	if is(n.b[0], cUpper) {
		if n.b[0] < 'X' {
			return false
		}
		n.b[0] = n.b[0] - 'X' + '0'
	}
	return "TRWAGMYFPDXBNJZSQVHLCKE"[n.value(0, n.n-1)%23] == d.b[d.n-1]
}

// validFiscalCode: the last letter is a sum over tables for odd and even places (Decreto ministeriale 23/12/1976).
func validFiscalCode(d number) bool {
	const (
		odd    = "BAKPLCQDREVOSFTGUHMINJWZYX" // position in this string is the value at odd places
		months = "ABCDEHLMPRST"
		omocod = "LMNPQRSTUV" // letters that replace digits when codes collide
	)
	sum := 0
	for i := range 15 {
		c := d.b[i]
		letter := i < 6 || i == 8 || i == 11
		if is(c, cDigit) == letter || !letter && !is(c, cDigit) && strings.IndexByte(omocod, c) < 0 {
			return false
		}
		v := int(c - 'A')
		if is(c, cDigit) {
			v = int(c - '0')
		}
		if i&1 == 0 {
			v = strings.IndexByte(odd, byte(v)+'A')
		}
		sum += v
	}
	return strings.IndexByte(months, d.b[8]) >= 0 && d.b[15] == byte('A'+sum%26)
}

// validBSN: the eleven test with a last weight of -1.
func validBSN(d number) bool {
	return d.value(0, 9) > 9999999 && weighted(d, 9, 8, 7, 6, 5, 4, 3, 2, -1)%11 == 0 && !repeated(d)
}

// validNRN: 97 minus the first nine digits modulo 97; a 2 in front for the births since 2000.
func validNRN(d number) bool {
	n, check := d.value(0, 9), d.value(9, 11)
	return d.value(2, 4)%20 <= 12 && d.value(4, 6) <= 31 && (97-n%97 == check || 97-(2000000000+n)%97 == check)
}

// validAHV: country 756 and an EAN-13 check digit.
func validAHV(d number) bool {
	return d.value(0, 3) == 756 && validEAN(d)
}

// validEAN: the check digit of EAN-13.
func validEAN(d number) bool { return weighted(d, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1)%10 == 0 }

// date reports whether year, month and day could be a birthday.
func date(month, day int) bool { return month >= 1 && month <= 12 && day >= 1 && day <= 31 }

// validPESEL: weights 1 3 7 9; the month carries the century in steps of twenty.
func validPESEL(d number) bool {
	return weighted(d, 1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)%10 == 0 && date(d.value(2, 4)%20, d.value(4, 6))
}

// validPersonnummer: YYMMDD and four digits that pass Luhn, the century aside; coordination numbers add 60 to the day.
func validPersonnummer(d number) bool {
	if d.n == 12 {
		if c := d.value(0, 2); c < 18 || c > 20 {
			return false
		}
		copy(d.b[:], d.b[2:12])
		d.n = 10
	}
	day := d.value(4, 6)
	if day > 60 {
		day -= 60
	}
	return d.n == 10 && date(d.value(2, 4), day) && luhn(d)
}

// validHETU: DDMMYY, a sign for the century, three digits, and the nine digits modulo 31 as a character.
func validHETU(d number) bool {
	if d.n == 11 { // the sign is a letter
		if strings.IndexByte("ABCDEFYXWVU", d.b[6]) < 0 {
			return false
		}
		copy(d.b[6:], d.b[7:11])
		d.n = 10
	}
	return date(d.value(2, 4), d.value(0, 2)) && "0123456789ABCDEFHJKLMNPRSTUVWXY"[d.value(0, 9)%31] == d.b[9]
}

// validSIN: Luhn; numbers that begin with 0 or 8 belong to no person.
func validSIN(d number) bool { return d.b[0] != '0' && d.b[0] != '8' && luhn(d) }

// validCPF: two check digits modulo 11.
func validCPF(d number) bool {
	if repeated(d) {
		return false
	}
	for n := 9; n <= 10; n++ {
		sum := 0
		for i := range n {
			sum += d.digit(i) * (n + 1 - i)
		}
		if sum*10%11%10 != d.digit(n) {
			return false
		}
	}
	return true
}

// validAadhaar: Verhoeff's check; the first digit is neither 0 nor 1.
func validAadhaar(d number) bool {
	return d.b[0] >= '2' && !repeated(d) && verhoeff(d)
}

// verhoeff is Verhoeff's check over the dihedral group D5.
func verhoeff(d number) bool {
	c := uint8(0)
	for i := range d.n {
		c = verhoeffStep[i&7][c][d.digit(d.n-1-i)]
	}
	return c == 0
}

// verhoeffStep holds, by place, the sum so far and the digit: the next sum.
var verhoeffStep = func() (t [8][10][10]uint8) {
	for place := range t {
		for sum := range 10 {
			for digit := range 10 {
				v := digit
				for range place {
					v = [10]int{1, 5, 7, 6, 2, 8, 3, 0, 9, 4}[v]
				}
				t[place][sum][digit] = uint8(dihedral(sum, v))
			}
		}
	}
	return t
}()

// dihedral multiplies in D5: 0-4 are rotations, 5-9 reflections.
func dihedral(a, b int) int {
	switch {
	case a < 5 && b < 5:
		return (a + b) % 5
	case a < 5:
		return 5 + (a+b-5)%5
	case b < 5:
		return 5 + (a-5+5-b)%5
	}
	return (a - b + 5) % 5
}

// validCNResident: GB 11643: a region, a birthday, ISO 7064 mod 11-2.
func validCNResident(d number) bool {
	year := d.value(6, 10)
	if d.n != 18 || d.b[0] == '0' || d.b[0] > '8' || year < 1900 || year > 2100 || !date(d.value(10, 12), d.value(12, 14)) {
		return false
	}
	sum := weighted(d, 7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
	return "10X98765432"[sum%11] == d.b[17]
}

// validRRN: a birthday, sex and century, weights 2 to 9 and 2 to 5 (numbers given out before October 2020).
func validRRN(d number) bool {
	sum := weighted(d, 2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
	return date(d.value(2, 4), d.value(4, 6)) && d.b[6] >= '1' && d.b[6] <= '8' && (11-sum%11)%10 == d.digit(12)
}

// shapedRRN accepts a number that is named as one: since October 2020 there is no check digit.
func shapedRRN(d number) bool {
	return date(d.value(2, 4), d.value(4, 6)) && d.b[6] >= '1' && d.b[6] <= '8'
}

// validNRIC: weights 2 7 6 5 4 3 2, an offset for later series, a letter by series.
func validNRIC(d number) bool {
	sum := 0
	for i, w := range [7]int{2, 7, 6, 5, 4, 3, 2} {
		sum += d.digit(i+1) * w
	}
	table := "JZIHGFEDCBA"
	switch d.b[0] {
	case 'S':
	case 'T':
		sum += 4
	case 'F':
		table = "XWUTRQPNMLK"
	case 'G':
		sum, table = sum+4, "XWUTRQPNMLK"
	case 'M':
		sum, table = sum+3, "KLJNPQRTUWX"
		return table[10-sum%11] == d.b[8]
	default:
		return false
	}
	return table[sum%11] == d.b[8]
}
