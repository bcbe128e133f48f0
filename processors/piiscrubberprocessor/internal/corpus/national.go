package corpus

import (
	"fmt"
	"strings"
)

// search tries suffixes until ok accepts one: a check digit found the slow way, which needs no second implementation of the rule.
func search(prefix string, suffixes []string, ok func(string) bool) (string, bool) {
	for _, s := range suffixes {
		if ok(prefix + s) {
			return prefix + s, true
		}
	}
	return "", false
}

func numbers(digits int) (list []string) {
	limit := 1
	for range digits {
		limit *= 10
	}
	for i := range limit {
		list = append(list, fmt.Sprintf("%0*d", digits, i))
	}
	return list
}

func dot(s string, weights ...int) (sum int) {
	for i, w := range weights {
		sum += int(s[i]-'0') * w
	}
	return sum
}

// until draws prefixes until one has a valid check.
func until(prefix func() string, check int, ok func(string) bool) string {
	for {
		if s, found := search(prefix(), numbers(check), ok); found {
			return s
		}
	}
}

func ssn(g gen) (string, bool) {
	area := g.between(1, 898)
	if area == 666 {
		area = 667
	}
	a, b, c := fmt.Sprintf("%03d", area), fmt.Sprintf("%02d", g.between(1, 99)), fmt.Sprintf("%04d", g.between(1, 9999))
	switch g.IntN(5) {
	case 0:
		return a + b + c, true
	case 1:
		return a + " " + b + " " + c, true
	default:
		return a + "-" + b + "-" + c, true
	}
}

func nhs(g gen) (string, bool) {
	s := until(func() string { return fmt.Sprint(g.between(400, 999)) + g.digits(6) }, 1, func(s string) bool {
		c := 11 - dot(s, 10, 9, 8, 7, 6, 5, 4, 3, 2)%11
		return c != 10 && c%11 == int(s[9]-'0')
	})
	if g.IntN(2) == 0 {
		return s, true
	}
	return groups(s, " ", 3, 3, 4), true
}

func nino(g gen) (string, bool) {
	s := g.from("ABCEHJLMPRSWXY", 1) + g.from("ACEHJLMPRSWXY", 1)
	d := g.digits(6)
	if g.IntN(2) == 0 {
		return s + " " + groups(d, " ", 2, 2, 2) + " " + g.from("ABCD", 1), true
	}
	return s + d + g.from("ABCD", 1), true
}

func deTaxID(g gen) (string, bool) {
	perm := g.Perm(10)
	perm[9] = perm[g.between(0, 8)] // one digit twice
	g.Shuffle(10, func(i, j int) { perm[i], perm[j] = perm[j], perm[i] })
	if perm[0] == 0 {
		for i := range perm {
			if perm[i] != 0 {
				perm[0], perm[i] = perm[i], perm[0]
				break
			}
		}
	}
	p, s := 10, ""
	for _, d := range perm {
		s += fmt.Sprint(d)
		m := (d + p) % 10
		if m == 0 {
			m = 10
		}
		p = m * 2 % 11
	}
	s += fmt.Sprint((11 - p) % 10)
	if g.IntN(2) == 0 {
		return groups(s, " ", 2, 3, 3, 3), true
	}
	return s, true
}

func nir(g gen) (string, bool) {
	s := fmt.Sprintf("%d%02d%02d%02d%03d%03d", g.between(1, 2), g.between(30, 99), g.between(1, 12), g.between(1, 95), g.between(1, 600), g.between(1, 999))
	r := 0
	for _, c := range s {
		r = (r*10 + int(c-'0')) % 97
	}
	s += fmt.Sprintf("%02d", 97-r)
	if g.IntN(2) == 0 {
		return s, true
	}
	return groups(s, " ", 1, 2, 2, 2, 3, 3, 2), false
}

func dni(g gen) (string, bool) {
	const letters = "TRWAGMYFPDXBNJZSQVHLCKE"
	if g.IntN(3) == 0 {
		n := g.between(0, 9999999)
		c := g.IntN(3)
		return fmt.Sprintf("%c%07d%c", "XYZ"[c], n, letters[(c*10000000+n)%23]), true
	}
	n := g.between(10000000, 99999999)
	if g.IntN(3) == 0 {
		return fmt.Sprintf("%d-%c", n, letters[n%23]), true
	}
	return fmt.Sprintf("%d%c", n, letters[n%23]), true
}

func codiceFiscale(g gen) (string, bool) {
	odd := map[rune]int{}
	for i, v := range []int{1, 0, 5, 7, 9, 13, 15, 17, 19, 21} {
		odd[rune('0'+i)] = v
	}
	for i, v := range []int{1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23} {
		odd[rune('A'+i)] = v
	}
	s := g.from("BCDFGLMNPRSTV", 6) + g.digits(2) + g.from("ABCDEHLMPRST", 1) + fmt.Sprintf("%02d", g.between(1, 31)) + g.from("ABCDEFGHIL", 1) + g.digits(3)
	sum := 0
	for i, c := range s {
		switch {
		case i%2 == 0:
			sum += odd[c]
		case c >= 'A':
			sum += int(c - 'A')
		default:
			sum += int(c - '0')
		}
	}
	return s + string(rune('A'+sum%26)), true
}

func bsn(g gen) (string, bool) {
	return until(func() string { return fmt.Sprint(g.between(10000000, 99999999)) }, 1, func(s string) bool {
		return dot(s, 9, 8, 7, 6, 5, 4, 3, 2, -1)%11 == 0
	}), true
}

func birthday(g gen) (yy, mm, dd string) {
	return g.digits(2), fmt.Sprintf("%02d", g.between(1, 12)), fmt.Sprintf("%02d", g.between(1, 28))
}

func nrn(g gen) (string, bool) {
	y, m, d := birthday(g)
	s := y + m + d + fmt.Sprintf("%03d", g.between(1, 997))
	n := 0
	fmt.Sscan(strings.TrimLeft(s, "0"), &n)
	s += fmt.Sprintf("%02d", 97-n%97)
	if g.IntN(2) == 0 {
		return s, true
	}
	return s[:2] + "." + s[2:4] + "." + s[4:6] + "-" + s[6:9] + "." + s[9:], true
}

func ahv(g gen) (string, bool) {
	s := until(func() string { return "756" + g.digits(9) }, 1, func(s string) bool {
		return dot(s, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1)%10 == 0
	})
	if g.IntN(2) == 0 {
		return s, true
	}
	return groups(s, ".", 3, 4, 4, 2), false
}

func pesel(g gen) (string, bool) {
	y, m, d := birthday(g)
	return until(func() string { return y + m + d + g.digits(4) }, 1, func(s string) bool {
		return dot(s, 1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)%10 == 0
	}), true
}

func personnummer(g gen) (string, bool) {
	y, m, d := birthday(g)
	s := withLuhn(y + m + d + g.digits(3))
	switch g.IntN(3) {
	case 0:
		return "19" + s[:6] + "-" + s[6:], true
	case 1:
		return s, true
	default:
		return s[:6] + "-" + s[6:], true
	}
}

func hetu(g gen) (string, bool) {
	y, m, d := birthday(g)
	n := fmt.Sprintf("%03d", g.between(2, 899))
	v := 0
	fmt.Sscan(strings.TrimLeft(d+m+y+n, "0"), &v)
	return d + m + y + pick(g, "-", "A") + n + string("0123456789ABCDEFHJKLMNPRSTUVWXY"[v%31]), true
}

func sin(g gen) (string, bool) {
	s := withLuhn(fmt.Sprint(g.between(1, 7)) + g.digits(7))
	switch g.IntN(3) {
	case 0:
		return s, true
	case 1:
		return groups(s, " ", 3, 3, 3), true
	default:
		return groups(s, "-", 3, 3, 3), true
	}
}

func cpf(g gen) (string, bool) {
	s := g.digits(9)
	for n := 9; n < 11; n++ {
		sum := 0
		for i := range n {
			sum += int(s[i]-'0') * (n + 1 - i)
		}
		c := 11 - sum%11
		if c > 9 {
			c = 0
		}
		s += fmt.Sprint(c)
	}
	if g.IntN(3) == 0 {
		return s, true
	}
	return s[:3] + "." + s[3:6] + "." + s[6:9] + "-" + s[9:], true
}

// aadhaar uses Verhoeff's published tables.
func aadhaar(g gen) (string, bool) {
	mul := [10]string{"0123456789", "1234067895", "2340178956", "3401289567", "4012395678", "5987604321", "6598710432", "7659821043", "8765932104", "9876543210"}
	perm := [8]string{"0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258"}
	s := until(func() string { return fmt.Sprint(g.between(2, 9)) + g.digits(10) }, 1, func(s string) bool {
		c := byte('0')
		for i := range s {
			p := perm[i%8][s[len(s)-1-i]-'0']
			c = mul[c-'0'][p-'0']
		}
		return c == '0'
	})
	if g.IntN(3) == 0 {
		return s, true
	}
	return groups(s, pick(g, " ", " ", "-"), 4, 4, 4), true
}

func residentID(g gen) (string, bool) {
	s := pick(g, "110105", "310101", "440305", "510104") + fmt.Sprint(g.between(1950, 2010)) + fmt.Sprintf("%02d%02d", g.between(1, 12), g.between(1, 28)) + g.digits(3)
	sum := dot(s, 7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
	return s + string("10X98765432"[sum%11]), true
}

func rrn(g gen) (string, bool) {
	y, m, d := birthday(g)
	s := until(func() string { return y + m + d + fmt.Sprint(g.between(1, 4)) + g.digits(5) }, 1, func(s string) bool {
		return (11-dot(s, 2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)%11)%10 == int(s[12]-'0')
	})
	return s[:6] + "-" + s[6:], true
}

func nric(g gen) (string, bool) {
	d := g.digits(7)
	sum := dot(d, 2, 7, 6, 5, 4, 3, 2)
	switch pick(g, 'S', 'T', 'F', 'G') {
	case 'S':
		return "S" + d + string("JZIHGFEDCBA"[sum%11]), true
	case 'T':
		return "T" + d + string("JZIHGFEDCBA"[(sum+4)%11]), true
	case 'F':
		return "F" + d + string("XWUTRQPNMLK"[sum%11]), true
	default:
		return "G" + d + string("XWUTRQPNMLK"[(sum+4)%11]), true
	}
}
