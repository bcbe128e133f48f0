package detect

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func numberOf(s string) (d number) {
	d.addAll(s)
	return d
}

// Known numbers, from the publications that define the checks or from test suites of their issuers.
var known = map[string]struct {
	valid     func(number) bool
	good, bad []string
}{
	"luhn":     {luhn, []string{"4111111111111111", "378282246310005", "79927398713"}, []string{"4111111111111112", "79927398710"}},
	"verhoeff": {verhoeff, []string{"2363", "234123412346"}, []string{"2364", "234123412345"}},
	"mod97":    {func(d number) bool { return mod97(d.b[:d.n]) }, []string{"GB82WEST12345698765432", "DE89370400440532013000"}, []string{"GB82WEST12345698765431"}},
	"ssn":      {validSSN, []string{"536904399", "001010001"}, []string{"000123456", "666123456", "900123456", "123004567", "123450000", "078051120"}},
	"nhs":      {validNHS, []string{"9434765919", "4010232137"}, []string{"9434765918", "1111111111"}},
	"nino":     {validNINO, []string{"AB123456C", "JG103759A"}, []string{"BG123456C", "AB123456E", "QQ123456C"}},
	"de":       {validDETaxID, []string{"86095742719", "47036892816", "65929970489"}, []string{"86095742718", "00000000001", "12345678903"}},
	"nir":      {validNIR, []string{"269054958815780"}, []string{"269054958815781", "969054958815780"}},
	"dni":      {validDNI, []string{"12345678Z", "X1234567L"}, []string{"12345678A", "A1234567L"}},
	"cf":       {validFiscalCode, []string{"RSSMRA85T10A562S", "MRTMTT91D08F205J"}, []string{"RSSMRA85T10A562T", "1SSMRA85T10A562S"}},
	"bsn":      {validBSN, []string{"111222333", "123456782"}, []string{"111222334", "000000000"}},
	"nrn":      {validNRN, []string{"85073003328"}, []string{"85073003329"}},
	"ahv":      {validAHV, []string{"7569217076985"}, []string{"7569217076986", "1239217076985"}},
	"pesel":    {validPESEL, []string{"44051401359"}, []string{"44051401358"}},
	"pnr":      {validPersonnummer, []string{"8112189876", "198112189876"}, []string{"8112189877", "8199189876"}},
	"hetu":     {validHETU, []string{"131052308T", "131052A308T"}, []string{"131052308U", "131052Z308T"}},
	"sin":      {validSIN, []string{"130692544"}, []string{"046454286", "130692545"}},
	"cpf":      {validCPF, []string{"52998224725"}, []string{"52998224724", "11111111111"}},
	"aadhaar":  {validAadhaar, []string{"234123412346"}, []string{"034123412346", "234123412347"}},
	"cn":       {validCNResident, []string{"11010519491231002X"}, []string{"110105194912310021", "11010519491331002X"}},
	"rrn":      {validRRN, []string{"9001011234568"}, []string{"9001011234567", "9013011234568"}},
	"nric":     {validNRIC, []string{"S1234567D", "F1234567N"}, []string{"S1234567A", "A1234567D"}},
}

func TestValidators(t *testing.T) {
	for name, k := range known {
		for _, s := range k.good {
			assert.True(t, k.valid(numberOf(s)), "%s: %s", name, s)
		}
		for _, s := range k.bad {
			assert.False(t, k.valid(numberOf(s)), "%s: %s", name, s)
		}
	}
}

// A check digit works: change one digit, and the number is refused. (Not so for the letters and dates of mod 11 schemes.)
func TestCheckDigits(t *testing.T) {
	for _, name := range []string{"luhn", "verhoeff", "nhs", "bsn", "pesel", "cpf", "ahv", "aadhaar"} {
		k := known[name]
		for _, good := range k.good {
			for i := range good {
				for c := byte('0'); c <= '9'; c++ {
					if c != good[i] {
						assert.False(t, k.valid(numberOf(good[:i]+string(c)+good[i+1:])), "%s: %s with %c at %d", name, good, c, i)
					}
				}
			}
		}
	}
}

// No validator reads past its input, whatever the scanner passes to it: texts that fit one of its layouts.
func FuzzValidators(f *testing.F) {
	for _, k := range known {
		for _, s := range append(k.good, k.bad...) {
			f.Add(s)
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		for i := range idRules {
			r := &idRules[i]
			for _, n := range r.bare {
				if d := numberOf(s); d.n == n && allDigits(d) {
					r.valid(d)
				}
			}
			for _, form := range r.layouts {
				if d, ok := shaped(s, form); ok {
					r.valid(d)
				}
			}
		}
		d := numberOf(s)
		if allDigits(d) {
			luhn(d)
			verhoeff(d)
			cardPrefix(d)
		}
		for _, l := range literals {
			if l.valid != nil {
				l.valid(s)
			}
		}
		ipv4At(s, 0)
		ipv6At(s, 0)
		macAt(s, 0)
		dottedMAC(s, 0)
		uuidAt(s, 0)
		dateEnd(s+"          ", 0)
		domainEnd(s, 0)
		if s != "" {
			joseHeader(s)
			Mark(s, 0)
			placeholder(s)
			if end := domainEnd(s, 0); end > 0 {
				mailDomain(s[:end])
			}
		}
	})
}

// shaped returns the characters of s if it fits the layout without its separators.
func shaped(s, form string) (number, bool) {
	form = strings.Map(func(r rune) rune {
		if r == 'd' || r == 'A' || r == 'x' {
			return r
		}
		return -1
	}, form)
	if len(s) != len(form) {
		return number{}, false
	}
	for i := range form {
		if form[i] == 'd' && !is(s[i], cDigit) || form[i] == 'A' && !is(s[i], cUpper) || !is(s[i], cDigit|cUpper) {
			return number{}, false
		}
	}
	return numberOf(s), true
}

// The table of account numbers is well formed: its lengths are those of the registry.
func TestIBANTable(t *testing.T) {
	for country, n := range map[string]int{"NO": 15, "BE": 16, "DE": 22, "GB": 22, "FR": 27, "IT": 27, "MT": 31, "LC": 32, "RU": 33, "CH": 21, "PL": 28, "BR": 29} {
		assert.Len(t, ibanFormats[[2]byte{country[0], country[1]}], n-4, country)
	}
	require.Greater(t, len(ibanFormats), 80)
}
