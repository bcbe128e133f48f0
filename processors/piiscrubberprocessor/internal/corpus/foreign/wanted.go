package foreign

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// wanted are values that must be removed; forms name them in capitals.
var wanted = map[string]struct {
	detector string
	value    maker
}{
	"PW":    {"secret", func(g gen, _ string) string { return g.chosen() }},
	"GEN":   {"secret", func(g gen, _ string) string { return g.generated(g.in(14, 28)) }},
	"SIGNS": {"secret", func(g gen, _ string) string { return g.signs() }},
	"TOK":   {"secret", func(g gen, args string) string { return g.token(number(args)) }},
	"HEXKEY": {"secret", func(g gen, args string) string {
		return g.of("0123456789abcdef", number(args)-2) + g.of("23456789", 1) + g.of("abcdef", 1)
	}},
	"B64KEY": {"secret", func(g gen, args string) string {
		b := make([]byte, number(args))
		for i := range b {
			b[i] = byte(g.IntN(256))
		}
		return base64.StdEncoding.EncodeToString(b)
	}},
	"BASIC": {"secret", func(g gen, _ string) string {
		return base64.StdEncoding.EncodeToString([]byte(values["who"](g, "") + ":" + g.chosen()))
	}},
	"ONEPW": {"secret", func(g gen, _ string) string {
		const x = large + digits
		return "A3-" + g.of(x, 6) + "-" + g.of(x, 6) + "-" + g.of(x, 4) + "7-" + g.of(x, 5) + "-" + g.of(x, 5) + "-" + g.of(x, 5)
	}},
	"UUIDKEY": {"secret", uuid('4')},
	"JWT": {"secret", func(g gen, _ string) string {
		part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
		return part(g.word(`{"alg":"RS256","kid":"k`+g.of(digits, 3)+`"}|{"typ":"JWT","alg":"ES256"}`)) + "." + part(`{"iss":"idp","exp":`+values["epoch"](g, "")+`,"n":"`+g.generated(8)+`"}`) + "." + g.of(base62+"-_", 86)
	}},
	"B64PEM": {"secret", func(g gen, args string) string { return g.of(base62+"+/", number(args)) }},
	"CODE":   {"secret", func(g gen, args string) string { return g.of("123456789", number(args)) }},
	"EMAIL": {"email", func(g gen, _ string) string {
		return g.word("marta|oleg.k|yuki_s|f.al-amin|diego+lists|anneke99|n'golo") + g.word("@example.org|@mail.acme.co.uk|@tidepool.dev|@uni-bonn.de|@rathaus.berlin|@corp.example.com|@xn--bcher-kva.example")
	}},
	"IP4": {"ipv4", func(g gen, _ string) string {
		for {
			a := netip.AddrFrom4([4]byte{byte(g.in(23, 220)), byte(g.IntN(256)), byte(g.in(33, 255)), byte(g.in(1, 254))})
			if a.IsGlobalUnicast() && !a.IsPrivate() && a.As4()[0] != 127 && a.As4()[0] != 100 && a.As4()[0] != 169 && a.As4()[0] != 198 && a.As4()[0] != 192 && a.As4()[0] != 203 {
				return a.String()
			}
		}
	}},
	"IP6": {"ipv6", func(g gen, _ string) string {
		return g.word("2a00:1450|2600:1f18|2400:cb00|2001:4860") + ":" + g.of("123456789abcdef", 4) + g.word(":0:0:0:0|:"+g.of("123456789abc", 3)+":0:0:1|:") + ":" + g.of("123456789abcdef", 4)
	}},
	"MAC": {"mac", func(g gen, args string) string {
		sep := args
		if sep == "" {
			sep = ":"
		}
		return g.word("3c|f4|a0|9c") + sep + g.of("0123456789abcdef", 2) + sep + g.of("0123456789abcdef", 2) + sep + g.of("0123456789abcdef", 2) + sep + g.of("0123456789abcdef", 2) + sep + g.of("0123456789abcdef", 2)
	}},
	"FRAME": {"mac", func(g gen, _ string) string { // destination, source and type, as netfilter writes them
		h := "0123456789abcdef"
		pair := func() string { return ":" + g.of(h, 1) + g.of("0123456789", 1) }
		s := "3c"
		for range 11 {
			s += pair()
		}
		return s + ":08:00"
	}},
	"CARD": {"payment_card", func(g gen, sep string) string {
		n := luhn(g.word("4539|4716|5425|2223|6011|5105") + g.of(digits, 11))
		if sep == "" {
			return n
		}
		return n[:4] + sep + n[4:8] + sep + n[8:12] + sep + n[12:]
	}},
	"AMEX": {"payment_card", func(g gen, _ string) string { return luhn(g.word("34|37") + g.of(digits, 12)) }},
	"IBAN": {"iban", func(g gen, sep string) string {
		country, bban := g.word("DE|FR|NL|ES|PL|AT"), ""
		switch country {
		case "DE":
			bban = g.of(digits, 18)
		case "FR":
			bban = g.of(digits, 23)
		case "NL":
			bban = g.word("ABNA|INGB|RABO") + g.of(digits, 10)
		case "ES":
			bban = g.of(digits, 20)
		case "PL":
			bban = g.of(digits, 24)
		case "AT":
			bban = g.of(digits, 16)
		}
		whole := mod97(bban + country)
		s := country + whole[len(whole)-2:] + bban
		if sep == "" {
			return s
		}
		var groups []string
		for ; len(s) > 4; s = s[4:] {
			groups = append(groups, s[:4])
		}
		return strings.Join(append(groups, s), sep)
	}},
	"SSN": {"us_ssn", func(g gen, sep string) string {
		if sep == "" {
			sep = "-"
		}
		return fmt.Sprintf("%03d%s%02d%s%04d", g.in(101, 665), sep, g.in(1, 99), sep, g.in(1, 9999))
	}},
	"PHONE": {"phone", func(g gen, _ string) string {
		return g.word("+44 7700 9" + g.of(digits, 5) + "|+49 151 2" + g.of(digits, 7) + "|+1 (415) 55" + g.of("23456789", 1) + "-" + g.of(digits, 4) + "|+33 6 12 " + g.of(digits, 2) + " " + g.of(digits, 2) + " " + g.of(digits, 2) + "|+81-90-" + g.of("123456789", 4) + "-" + g.of(digits, 4) + "|+34612" + g.of(digits, 6))
	}},
	"TEL": {"phone", func(g gen, _ string) string {
		return g.word("0151 2" + g.of(digits, 7) + "|07700 9" + g.of(digits, 5) + "|06 12 " + g.of(digits, 2) + " " + g.of(digits, 2) + " " + g.of(digits, 2) + "|(415) 55" + g.of("23456789", 1) + "-" + g.of(digits, 4) + "|612 " + g.of(digits, 3) + " " + g.of(digits, 3))
	}},
	"DNI": {"es_dni", func(g gen, _ string) string {
		n := g.in(10000000, 79999999)
		return strconv.Itoa(n) + string("TRWAGMYFPDXBNJZSQVHLCKE"[n%23])
	}},
	"PNR": {"se_personnummer", func(g gen, _ string) string {
		s := fmt.Sprintf("%02d%02d%02d%03d", g.in(40, 99), g.in(1, 12), g.in(1, 28), g.in(1, 999))
		s = luhn(s)
		return s[:6] + "-" + s[6:]
	}},
	"BSN": {"nl_bsn", func(g gen, _ string) string {
		for {
			s := g.of("123456789", 1) + g.of(digits, 7)
			sum := 0
			for i := range s {
				sum += int(s[i]-'0') * (9 - i)
			}
			if sum%11 < 10 {
				return s + strconv.Itoa(sum%11)
			}
		}
	}},
	"CPF": {"br_cpf", func(g gen, _ string) string {
		s := g.of(digits, 9)
		for n := 10; n <= 11; n++ {
			sum := 0
			for i := range s {
				sum += int(s[i]-'0') * (n - i)
			}
			s += strconv.Itoa(sum * 10 % 11 % 10)
		}
		return s[:3] + "." + s[3:6] + "." + s[6:9] + "-" + s[9:]
	}},
	"PESEL": {"pl_pesel", func(g gen, _ string) string {
		return check(fmt.Sprintf("%02d%02d%02d%04d", g.in(40, 99), g.in(1, 12), g.in(1, 28), g.in(0, 9999)), 1, 3, 7, 9)
	}},
	"NINO": {"uk_nino", func(g gen, _ string) string {
		return g.word("AB|CE|JK|PX|WM") + g.of(digits, 6) + g.word("A|B|C|D")
	}},
}

// chosen is a password as people invent them: a word, a year or a row of keys, a sign; none is a single word.
func (g gen) chosen() string {
	return g.word("orchid|Falcon|gr33nTea|marzipan|Blue-Sky|sunflower|Kartoffel|qazwsx|nopasaran|Zanzibar|tulip.bulb") + g.word("1987|2024|42|007|99|1234|_88|0815") + g.word("||!|?|@|x|$")
}

// generated is n letters and digits of both cases, at least two of each.
func (g gen) generated(n int) string {
	return g.of(small, 2) + g.of(digits, 1) + g.of(base62, n-6) + g.of(large, 2) + g.of(digits, 1)
}

// token is n letters and digits.
func (g gen) token(n int) string {
	return g.of(base62, n-3) + g.of("23456789", 1) + g.of("ghjkmnp", 1) + g.of("RSTUVW", 1)
}

// signs is like the output of a password manager, without quotes and blanks, which a carrier would have to escape.
func (g gen) signs() string {
	const signs = "!#%*+-.:=?@^_~"
	return g.of(base62, 3) + g.of(signs, 1) + g.of(base62, 5) + g.of(signs, 1) + g.of(base62, 4) + g.of(digits, 1)
}
