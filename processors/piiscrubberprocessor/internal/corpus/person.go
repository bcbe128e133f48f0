package corpus

import (
	"fmt"
	"strings"
)

var (
	firstNames = []string{"jane", "john", "maria", "ann", "olivia", "lukas", "chloé", "jürgen", "wei", "priya", "mateusz", "sofía", "oleg", "fatima", "hiro", "zoë"}
	lastNames  = []string{"doe", "smith", "garcia", "o'brien", "müller", "dupont", "rossi", "kowalski", "nguyen", "tanaka", "silva", "de-vries", "åberg", "ivanov", "khan"}
	mailHosts  = []string{"example.com", "example.org", "gmail.com", "mail.example.co.uk", "firma.de", "orange.fr", "acme.io", "sub.dept.uni-heidelberg.de",
		"corp.internal", "empresa.com.br", "xn--bcher-kva.example", "bücher.de", "例え.jp", "startup.ai", "x.museum", "hotmail.it", "a-b.technology", "post.cz"}
)

func email(g gen) (string, bool) {
	first, last := pick(g, firstNames...), pick(g, lastNames...)
	ascii := func(s string) string {
		return strings.NewReplacer("é", "e", "ü", "ue", "í", "i", "ë", "e", "å", "a", "'", "").Replace(s)
	}
	host := pick(g, mailHosts...)
	switch g.IntN(12) {
	case 0:
		return ascii(first) + "." + ascii(last) + "+" + pick(g, "news", "2024", "a.b-c") + "@" + host, false
	case 1:
		return ascii(first) + "_" + g.digits(2) + "@" + host, false
	case 2:
		return strings.ToUpper(ascii(first[:1])) + "." + strings.ToUpper(ascii(last)) + "@" + strings.ToUpper(pick(g, "example.com", "FIRMA.DE")), false
	case 3:
		return first + "." + last + "@" + host, false
	case 4:
		return g.digits(g.between(3, 9)) + "@" + pick(g, "qq.com", "163.com", "example.cn"), false
	case 5:
		return ascii(first) + "%40" + pick(g, "example.com", "firma.de", "gmail.com"), false
	case 6:
		return ascii(first) + "@" + pick(g, "mail", "mx1", "eu-west-1.mail") + "." + pick(g, "example.com", "example.net"), false
	case 7:
		return ascii(first) + "--" + ascii(last) + "@" + host, false
	case 8:
		return ascii(first)[:1] + "@" + pick(g, "t.co", "x.org", "b.io"), false
	default:
		return ascii(first) + pick(g, ".", "_", "-", "") + ascii(last) + "@" + host, false
	}
}

func phone(g gen) (string, bool) {
	two := func() string { return g.digits(2) }
	us := fmt.Sprint(pick(g, 212, 415, 310, 617, 206, 305, 512, 702))
	ex := fmt.Sprint(g.between(220, 989))
	line := g.digits(4)
	switch g.IntN(26) {
	case 0:
		return "+1" + us + ex + line, false
	case 1:
		return "+1 " + us + "-" + ex + "-" + line, false
	case 2:
		return "(" + us + ") " + ex + "-" + line, false
	case 3:
		return us + "-" + ex + "-" + line, false
	case 4:
		return us + "." + ex + "." + line, false
	case 5:
		return us + ex + line, true
	case 6:
		return "1-" + us + "-" + ex + "-" + line, true
	case 7:
		return "+44 20 79" + two() + " " + line, false
	case 8:
		return "07700 900" + g.digits(3), true
	case 9:
		return "020 7946 0" + g.digits(3), true
	case 10:
		return "+447911" + g.digits(6), false
	case 11:
		return "+49 30 " + fmt.Sprint(g.between(200000, 999999)), false
	case 12:
		return "+49 (0)89 " + fmt.Sprint(g.between(200000, 999999)), false
	case 13:
		return "0171 " + fmt.Sprint(g.between(2000000, 9999999)), true
	case 14:
		return "030/" + fmt.Sprint(g.between(200000, 999999)), true
	case 15:
		return "+33 6 " + strings.Join([]string{two(), two(), two(), two()}, " "), false
	case 16:
		return "06" + " " + strings.Join([]string{two(), two(), two(), two()}, pick(g, " ")), true
	case 17:
		return "01." + strings.Join([]string{"4" + g.digits(1), two(), two(), two()}, "."), true
	case 18:
		return "+34 6" + two() + " " + g.digits(3) + " " + g.digits(3), false
	case 19:
		return "6" + two() + " " + g.digits(3) + " " + g.digits(3), true
	case 20:
		return "+39 347 " + g.digits(7), false
	case 21:
		return "+91 98" + g.digits(3) + " " + g.digits(5), false
	case 22:
		return "+55 11 9" + fmt.Sprint(g.between(6000, 9999)) + "-" + g.digits(4), false
	case 23:
		return "+81 90-" + fmt.Sprint(g.between(1000, 9999)) + "-" + g.digits(4), false
	case 24:
		return "+86 138 " + g.digits(4) + " " + g.digits(4), false
	default:
		return "+61 4" + two() + " " + g.digits(3) + " " + g.digits(3), false
	}
}

// withLuhn appends the check digit.
func withLuhn(s string) string {
	for d := byte('0'); d <= '9'; d++ {
		sum := 0
		t := s + string(d)
		for i := len(t) - 1; i >= 0; i-- {
			v := int(t[i] - '0')
			if (len(t)-1-i)%2 == 1 {
				v = v*2/10 + v*2%10
			}
			sum += v
		}
		if sum%10 == 0 {
			return t
		}
	}
	panic("no check digit")
}

func groups(s, sep string, sizes ...int) string {
	var parts []string
	for _, n := range sizes {
		parts = append(parts, s[:n])
		s = s[n:]
	}
	return strings.Join(parts, sep)
}

func card(g gen) (string, bool) {
	sep := pick(g, "", "", " ", " ", "-", "-", ".", "\u00a0", "_", "\u2013")
	switch g.IntN(12) {
	case 0: // American Express
		n := withLuhn(pick(g, "34", "37") + g.digits(12))
		if sep != "" {
			return groups(n, sep, 4, 6, 5), true
		}
		return n, true
	case 1: // Diners Club
		n := withLuhn(pick(g, "300", "305", "36", "38") + g.digits(13)[:13])
		n = withLuhn(n[:13])
		if sep != "" {
			return groups(n, sep, 4, 6, 4), true
		}
		return n, true
	case 2: // 13 digits
		return withLuhn("4" + g.digits(11)), true
	case 3: // 19 digits
		n := withLuhn(pick(g, "62", "4") + g.digits(18)[:17])
		n = withLuhn(n[:18])
		if sep != "" {
			return groups(n, sep, 4, 4, 4, 4, 3), true
		}
		return n, true
	default:
		prefix := pick(g, "4", "4", "51", "55", "2221", "2720", "6011", "65", "3530", "62", "644", "2200", "6521")
		n := withLuhn(prefix + g.digits(15-len(prefix)))
		if sep != "" {
			return groups(n, sep, 4, 4, 4, 4), true
		}
		return n, true
	}
}

func iban(g gen) (string, bool) {
	bank := g.from(upper, 4)
	c := pick(g, "DE:"+g.digits(18), "FR:"+g.digits(10)+g.from(upper+decimal, 11)+g.digits(2), "GB:"+bank+g.digits(14), "ES:"+g.digits(20),
		"IT:"+g.from(upper, 1)+g.digits(10)+g.from(upper+decimal, 12), "NL:"+bank+g.digits(10), "BE:"+g.digits(12), "CH:"+g.digits(5)+g.from(upper+decimal, 12),
		"AT:"+g.digits(16), "PL:"+g.digits(24), "SE:"+g.digits(20), "NO:"+g.digits(11), "PT:"+g.digits(21), "IE:"+bank+g.digits(14), "MT:"+bank+g.digits(5)+g.from(upper+decimal, 18))
	country, bban, _ := strings.Cut(c, ":")
	r := 0
	for _, ch := range bban + country + "00" {
		if ch >= 'A' {
			r = (r*100 + int(ch-'A') + 10) % 97
		} else {
			r = (r*10 + int(ch-'0')) % 97
		}
	}
	s := fmt.Sprintf("%s%02d%s", country, 98-r, bban)
	switch g.IntN(5) {
	case 0, 1:
		return s, false
	case 2:
		return strings.ToLower(s), false
	default:
		var parts []string
		for len(s) > 4 {
			parts, s = append(parts, s[:4]), s[4:]
		}
		return strings.Join(append(parts, s), pick(g, " ", " ", "-")), false
	}
}
