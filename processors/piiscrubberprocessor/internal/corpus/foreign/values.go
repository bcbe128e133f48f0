package foreign

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
)

type maker func(g gen, args string) string

// letters returns a maker of n characters of an alphabet.
func letters(alphabet string) maker {
	return func(g gen, args string) string { return g.of(alphabet, number(args)) }
}

// at is an instant of the years 2019 to 2030.
func (g gen) at() time.Time {
	return time.Unix(int64(g.in(1546300800, 1893456000)), int64(g.IntN(1e9))).UTC()
}

func layout(l string) maker { return func(g gen, _ string) string { return g.at().Format(l) } }

// check appends the digit that makes the weighted sum of s a multiple of 10.
func check(s string, weights ...int) string {
	sum := 0
	for i := range s {
		sum += int(s[i]-'0') * weights[i%len(weights)]
	}
	return s + strconv.Itoa((10-sum%10)%10)
}

// luhn appends Luhn's check digit.
func luhn(s string) string {
	sum := 0
	for i := range s {
		v := int(s[len(s)-1-i] - '0')
		if i%2 == 0 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return s + strconv.Itoa((10-sum%10)%10)
}

// base writes n in an alphabet, width characters.
func base(n *big.Int, alphabet string, width int) string {
	b := make([]byte, width)
	n, radix, rest := new(big.Int).Set(n), big.NewInt(int64(len(alphabet))), new(big.Int)
	for i := width - 1; i >= 0; i-- {
		n.DivMod(n, radix, rest)
		b[i] = alphabet[rest.Int64()]
	}
	return string(b)
}

const (
	crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	base62    = digits + large + small
)

// timed is a number of bits whose highest are a time, the others random.
func (g gen) timed(stamp int64, bits, low int) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(stamp), uint(low))
	for i := range low {
		if g.IntN(2) == 1 {
			n.SetBit(n, i, 1)
		}
	}
	return n
}

func ulid(g gen, _ string) string { return base(g.timed(g.at().UnixMilli(), 128, 80), crockford, 26) }

func ksuid(g gen, _ string) string {
	return base(g.timed(g.at().Unix()-1400000000, 160, 128), base62, 27)
}

func snowflake(g gen, epoch string) string {
	return g.timed(g.at().UnixMilli()-int64(number(epoch)), 64, 22).String()
}

func uuid(version byte) maker {
	return func(g gen, _ string) string {
		b := []byte(g.of("0123456789abcdef", 32))
		b[12], b[16] = version, "89ab"[g.IntN(4)]
		if version == '7' {
			copy(b, fmt.Sprintf("%012x", g.at().UnixMilli()))
		}
		s := string(b)
		return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
	}
}

func ean(n int) maker {
	return func(g gen, prefix string) string {
		s := prefix + g.of(digits, n-1-len(prefix))
		if n%2 == 0 {
			return check(s, 3, 1)
		}
		return check(s, 1, 3)
	}
}

func isbn10(g gen, _ string) string {
	s := g.of(digits, 9)
	sum := 0
	for i := range s {
		sum += int(s[i]-'0') * (10 - i)
	}
	return s[:1] + "-" + s[1:4] + "-" + s[4:] + "-" + "0123456789X"[(11-sum%11)%11:][:1]
}

func isbn13(g gen, _ string) string {
	s := check("978"+g.of(digits, 9), 1, 3)
	return s[:3] + "-" + s[3:4] + "-" + s[4:7] + "-" + s[7:12] + "-" + s[12:]
}

func issn(g gen, _ string) string {
	s := g.of(digits, 7)
	sum := 0
	for i := range s {
		sum += int(s[i]-'0') * (8 - i)
	}
	return s[:4] + "-" + s[4:] + "0123456789X"[(11-sum%11)%11:][:1]
}

// freight is the number of a container (ISO 6346).
func freight(g gen, _ string) string {
	s := g.word("MSCU|MAEU|HLXU|CMAU|TCLU|OOLU|TGHU") + g.of(digits, 6)
	sum := 0
	for i := range s {
		v := int(s[i] - '0')
		if s[i] >= 'A' {
			v = 10
			for c := byte('A'); c < s[i]; c++ {
				if v++; v%11 == 0 { // 11, 22 and 33 are not used for letters
					v++
				}
			}
		}
		sum += v << i
	}
	return s + strconv.Itoa(sum%11%10)
}

// mod97 appends the two check digits of ISO 7064 mod 97-10 to s: those of an LEI.
func mod97(s string) string {
	r := 0
	for _, c := range s + "00" {
		if c >= 'A' {
			r = (r*100 + int(c-'A') + 10) % 97
		} else {
			r = (r*10 + int(c-'0')) % 97
		}
	}
	return s + fmt.Sprintf("%02d", 98-r)
}

func isin(g gen, _ string) string {
	s := g.word("US|GB|FR|CH|JP|SE|CA") + g.of(digits+"ABCDEFGH", 3) + g.of(digits, 6)
	spelled := ""
	for _, c := range s {
		if c >= 'A' {
			spelled += strconv.Itoa(int(c-'A') + 10)
		} else {
			spelled += string(c)
		}
	}
	whole := luhn(spelled)
	return s + whole[len(whole)-1:]
}

var values = map[string]maker{
	"dig": letters(digits), "hex": letters("0123456789abcdef"), "HEX": letters("0123456789ABCDEF"), "low": letters(small), "UP": letters(large), "an": letters(small + digits),
	"AN": letters(large + digits), "mix": letters(base62), "b64": letters(base62 + "+/"), "b64u": letters(base62 + "-_"), "b32": letters("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), "b58": letters("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"),
	"k8s": letters("bcdfghjklmnpqrstvwxz2456789"), "bit": letters("01"), "nz": letters("123456789"), "oct": letters("01234567"),
	"num": func(g gen, args string) string {
		lo, hi, _ := strings.Cut(args, ":")
		return strconv.Itoa(g.in(number(lo), number(hi)))
	},
	"pad": func(g gen, args string) string { // {pad:2:12} 01 to 12
		width, hi, _ := strings.Cut(args, ":")
		return fmt.Sprintf("%0*d", number(width), g.in(1, number(hi)))
	},
	"pick": func(g gen, args string) string { return g.word(args) },
	"luhn": func(g gen, args string) string {
		n, prefix, _ := strings.Cut(args, ":")
		return luhn(prefix + g.of(digits, number(n)-1-len(prefix)))
	},
	"dec": func(g gen, args string) string { // {dec:3:6}: 3 digits, 6 decimals
		a, b, _ := strings.Cut(args, ":")
		return strconv.Itoa(g.IntN(pow10(number(a)))) + "." + g.of(digits, number(b))
	},
	"ulid": ulid, "ksuid": ksuid, "snowflake": snowflake, "uuid1": uuid('1'), "uuid4": uuid('4'), "uuid7": uuid('7'),
	"objectid": func(g gen, _ string) string { return fmt.Sprintf("%08x", g.at().Unix()) + g.of("0123456789abcdef", 16) },
	"xid": func(g gen, _ string) string {
		return strings.ToLower(base(g.timed(g.at().Unix(), 96, 64), "0123456789abcdefghijklmnopqrstuv", 20))
	},
	"epoch": func(g gen, _ string) string { return strconv.FormatInt(g.at().Unix(), 10) }, "epochms": func(g gen, _ string) string { return strconv.FormatInt(g.at().UnixMilli(), 10) },
	"epochus": func(g gen, _ string) string { return strconv.FormatInt(g.at().UnixMicro(), 10) }, "epochns": func(g gen, _ string) string { return strconv.FormatInt(g.at().UnixNano(), 10) },
	"iso": layout("2006-01-02T15:04:05Z07:00"), "isoms": layout("2006-01-02T15:04:05.000Z07:00"), "isons": layout("2006-01-02T15:04:05.000000000Z07:00"), "stamp": layout("2006-01-02 15:04:05.000"), "comma": layout("2006-01-02 15:04:05,000"),
	"clf": layout("02/Jan/2006:15:04:05 +0000"), "syslog": layout("Jan _2 15:04:05"), "ansic": layout(time.ANSIC), "rfc1123": layout(time.RFC1123), "slash": layout("2006/01/02 15:04:05"), "compact": layout("20060102150405"), "day": layout("2006-01-02"),
	"ymd": layout("20060102"), "short": layout("060102"), "hms": layout("15:04:05"), "julian": layout("2006002"), "us": layout("01/02/2006"), "german": layout("02.01.2006"), "kube": layout("0102 15:04:05.000000"), "go": layout("15:04:05.000000"),
	"private": func(g gen, _ string) string {
		return g.word("10."+strconv.Itoa(g.IntN(250))+"|172.20|192.168") + fmt.Sprintf(".%d.%d", g.IntN(250), g.in(2, 250))
	},
	"ean13": ean(13), "ean8": ean(8), "upc": ean(12), "gtin14": ean(14), "sscc": ean(18), "isbn10": isbn10, "isbn13": isbn13, "issn": issn, "imei": func(g gen, _ string) string { return luhn(g.word("35|86|01") + g.of(digits, 12)) },
	"freight": freight, "isin": isin, "lei": func(g gen, _ string) string {
		return mod97(g.word("5299|2138|7245|3157") + "00" + g.of(digits+large, 12))
	},
	"rf": func(g gen, _ string) string { s := g.of(digits, 12); return "RF" + g.of(digits, 2) + s },
	"awb": func(g gen, _ string) string {
		n := g.in(1000000, 9999999)
		return fmt.Sprintf("%s-%07d%d", g.word("020|220|074|125|176"), n, n%7)
	},
	"vin": func(g gen, _ string) string {
		return g.word("WVWZZZ|1HGCM8|JTDKB2|VF1RFA|5YJ3E1") + g.of("0123456789ABCDEFGHJKLMNPRSTUVWXYZ", 11)
	}, "lat": func(g gen, _ string) string { return fmt.Sprintf("%.6f", g.Float64()*170-85) },
	"lon": func(g gen, _ string) string { return fmt.Sprintf("%.6f", g.Float64()*350-175) },
	"enc64": func(g gen, args string) string {
		return base64.StdEncoding.EncodeToString([]byte(g.of(base62, number(args))))
	},
	"pairs": func(g gen, args string) string { // {pairs:8:-}
		n, sep, _ := strings.Cut(args, ":")
		list := make([]string, number(n))
		for i := range list {
			list[i] = hex.EncodeToString([]byte{byte(g.IntN(256))})
		}
		return strings.Join(list, sep)
	},
	"svc": func(g gen, _ string) string {
		return g.word("ledger|catalog|mailer|search|gateway|billing|inventory|geo|notify|reports")
	},
	"env": func(g gen, _ string) string { return g.word("prod|staging|dev|qa|sandbox") }, "host": func(g gen, _ string) string { return g.word("kestrel|osprey|heron|lark") + strconv.Itoa(g.in(1, 99)) },
	"zone": func(g gen, _ string) string {
		return g.word("eu-north-1a|us-west-2b|ap-south-1c|westeurope-2|europe-west4-b")
	},
	"who": func(g gen, _ string) string { return g.word("marta|oleg|yuki|fatima|diego|anneke") },
}

func pow10(n int) (p int) {
	for p = 1; n > 0; n-- {
		p *= 10
	}
	return p
}
