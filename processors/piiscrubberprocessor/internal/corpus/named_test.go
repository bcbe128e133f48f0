package corpus_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/detect"
)

// spellings of a name of several words.
func spellings(words string) []string {
	list := strings.Fields(words)
	camel := list[0]
	for _, w := range list[1:] {
		camel += strings.ToUpper(w[:1]) + w[1:]
	}
	return []string{strings.Join(list, "_"), strings.Join(list, "-"), strings.Join(list, "."), camel, strings.ToUpper(camel[:1]) + camel[1:], strings.ToUpper(strings.Join(list, "_")), words}
}

// pairs are ways to write a key and a value.
var pairs = []string{"%s=%s", "%s: %s", `"%s":"%s"`, `"%s": "%s"`, `{\"%s\":\"%s\"}`, `'%s' => '%s'`, "%%22%s%%22%%3A%%22%s%%22", "<x %s=\"%s\"/>", "a=1&%s=%s&b=2", "%s -> %s", "[%s] %s"}

// A value named by a key is found in every spelling of the key and every way to write a pair: cards, telephone numbers, identifiers.
func TestNamedInEverySpelling(t *testing.T) {
	s := scanner()
	m := maker{rand.New(rand.NewPCG(17, 19))}
	groups := func(sizes ...int) func() string {
		return func() string {
			var parts []string
			for _, n := range sizes {
				parts = append(parts, m.from("23456789", n))
			}
			return strings.Join(parts, " ")
		}
	}
	card := func() string {
		c := m.card()
		if m.IntN(2) == 0 {
			return c
		}
		sep := []string{" ", "-", "."}[m.IntN(3)]
		return c[:4] + sep + c[4:8] + sep + c[8:12] + sep + c[12:]
	}
	for _, c := range []struct {
		key   string
		value func() string
	}{
		{"card number", card}, {"credit card", card}, {"customer card", card}, {"payment card number", card}, {"cc", card},
		{"phone", groups(4, 7)}, {"phone number", groups(2, 4, 4)}, {"customer tel", groups(4, 3, 3)}, {"home phone", groups(11)}, {"telefon", groups(4, 3, 2, 2)},
		{"user ssn", func() string { return "5" + m.from("123456789", 8) }}, {"social security number", func() string { return "5" + m.from("123456789", 8) }},
		{"taxpayer itin", func() string {
			return "9" + m.from("123456789", 2) + "-7" + m.from("12345678", 1) + "-" + m.from("123456789", 4)
		}},
		{"customer dni", func() string { return dni(m) }}, {"codice fiscale", func() string { return "RSSMRA85T10A562S" }}, {"national insurance number", func() string { return "JG103759A" }},
		{"person nummer", func() string { return "811218-9876" }}, {"tax id", func() string { return "86095742719" }},
	} {
		if c.key == "person nummer" {
			c.key = "personnummer"
		}
		found, all := 0, 0
		missed := ""
		for _, key := range spellings(c.key) {
			for _, pair := range pairs {
				for range 6 {
					v := c.value()
					if strings.Contains(pair, "%%22") || strings.Contains(pair, "&") {
						v = strings.ReplaceAll(v, " ", "+")
					}
					text := fmt.Sprintf(pair, key, v)
					all++
					left := text
					spans := s.Scan(nil, "", text)
					for i := len(spans) - 1; i >= 0; i-- {
						left = left[:spans[i].Start] + left[spans[i].End:]
					}
					if strings.Contains(left, v[len(v)/2:]) || strings.Contains(left, v[:len(v)/2]) {
						missed = text
						continue
					}
					found++
				}
			}
		}
		if *rates {
			t.Logf("%7.3f %%  %s %q", 100*float64(found)/float64(all), c.key, missed)
		}
		assert.GreaterOrEqual(t, float64(found)/float64(all), 0.95, "%s, such as %q", c.key, missed)
	}
}

func dni(m maker) string {
	n := 10000000 + m.IntN(89999999)
	return fmt.Sprintf("%d%c", n, "TRWAGMYFPDXBNJZSQVHLCKE"[n%23])
}

// Telephone numbers as they are written in fourteen countries, beside the words of a message.
func TestNamedTelephones(t *testing.T) {
	s := scanner()
	m := maker{rand.New(rand.NewPCG(23, 29))}
	d := func(n int) string { return m.from("0123456789", n) }
	for country, make := range map[string]func() string{
		"Denmark": func() string { return "2" + d(1) + " " + d(2) + " " + d(2) + " " + d(2) }, "Denmark bare": func() string { return "28" + d(6) },
		"China": func() string { return "138 " + d(4) + " " + d(4) }, "China bare": func() string { return "139" + d(8) },
		"India": func() string { return "98" + d(3) + " " + d(5) }, "India bare": func() string { return "98" + d(8) },
		"Australia": func() string { return "04" + d(2) + " " + d(3) + " " + d(3) }, "Australia bare": func() string { return "041" + d(7) },
		"Italy": func() string { return "347 " + d(3) + " " + d(4) }, "Italy bare": func() string { return "347" + d(7) },
		"Germany": func() string { return "0171 / " + d(3) + " " + d(2) + " " + d(2) }, "Germany slash": func() string { return "030/2" + d(1) + " " + d(2) + " " + d(2) },
		"Germany dash": func() string { return "089 / 2" + d(2) + d(3) + "-" + d(2) }, "Germany paren": func() string { return "(030) 2" + d(1) + " " + d(2) + " " + d(2) },
		"France": func() string { return "06 1" + d(1) + " " + d(2) + " " + d(2) + " " + d(2) }, "Spain": func() string { return "612 " + d(2) + " " + d(2) + " " + d(2) },
	} {
		found, all := 0, 0
		missed := ""
		for _, form := range []string{"sms to %s failed", "SMS an %s gesendet", `{"to":"%s"}`, "to=%s", "contact: %s", `"contact": "%s"`, "phone %s", "tel. %s", "call: %s", "Mobile: %s", "msisdn=%s", "whatsapp %s"} {
			for range 40 {
				text := fmt.Sprintf(form, make())
				all++
				spans := s.Scan(nil, "", text)
				rest := text
				for i := len(spans) - 1; i >= 0; i-- {
					rest = rest[:spans[i].Start] + rest[spans[i].End:]
				}
				if len(spans) == 1 && !strings.ContainsAny(rest, "0123456789") {
					found++
				} else {
					missed = text
				}
			}
		}
		if *rates {
			t.Logf("%7.3f %%  %s %q", 100*float64(found)/float64(all), country, missed)
		}
		assert.GreaterOrEqual(t, float64(found)/float64(all), 0.95, "%s, such as %q", country, missed)
	}
}

// No remainders: a number is found whole or not at all.
func TestNoStubs(t *testing.T) {
	s := scanner()
	for _, text := range []string{"21 415 555 2671", "RS35 2600 0560 1001 6113 70", "part 415-555-2671-A1", "no 415-555-2671-22", "12-415-555-2671", "phone list 21 415 555 2671 9999", "A1-415-555-2671", "v415.555.2671.2"} {
		assert.Empty(t, s.Scan(nil, "", text), text)
	}
	for text, want := range map[string]string{"fax: 1 (800) 555-0199": "1 (800) 555-0199", "got 1 (800) 555-0199.": "1 (800) 555-0199", "tel: +49 (0)30 / 90 18 20 - 15": "+49 (0)30 / 90 18 20 - 15"} {
		spans := s.Scan(nil, "", text)
		if assert.Len(t, spans, 1, text) {
			assert.Equal(t, want, text[spans[0].Start:spans[0].End])
		}
	}
}

// If id_regions names a country, its identifiers need no word; otherwise they do.
func TestIDRegions(t *testing.T) {
	const text = "got 811218-9876, 12345678-Z, 529.982.247-25 and RSSMRA85T10A562S"
	assert.Empty(t, scanner().Scan(nil, "", text))
	s := detect.New(detect.Options{Detectors: detect.Precise, IDRegions: []string{"ES", "SE"}})
	var got []string
	for _, sp := range s.Scan(nil, "", text) {
		got = append(got, sp.Kind.String()+" "+text[sp.Start:sp.End])
	}
	assert.Equal(t, []string{"se_personnummer 811218-9876", "es_dni 12345678-Z"}, got)
}

// Addresses in host names of providers stay by default; host_names finds them.
func TestHostNames(t *testing.T) {
	const text = "from ec2-93-184-41-253.compute-1.amazonaws.com and 93.184.41.253.static.example.net"
	assert.Empty(t, scanner().Scan(nil, "", text))
	assert.Len(t, detect.New(detect.Options{Detectors: detect.Precise, HostNames: true}).Scan(nil, "", text), 2)
}
