package corpus_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// place is the place of a value in a form of testdata/leaks.txt that must be removed: {H} a password as people choose it, {S} letters and
// digits, {P} signs too; {A32}, {L32}, {X32}, {U32}, {W32}, {N6}, {B44} as many random letters and digits, letters, hexadecimal digits,
// capitals of base 32, small letters and digits, digits, characters of base64; and the rest as in place.value.
var place = regexp.MustCompile(`\{([A-Z]+)([0-9]*)\}`)

var alphabets = map[string]string{"A": letters + "0123456789", "L": letters, "X": "0123456789abcdef", "U": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "W": "abcdefghijklmnopqrstuvwxyz0123456789",
	"N": "123456789", "B": letters + "0123456789+/", "BECH": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"}

var (
	choices = strings.Fields("Sommer Winter letmein Passw0rd dragon Berlin changeIt qwerty Welcome hunter monkey S3cure tr0ub4dor Football Admin")
	wallet  = strings.Fields("abandon ability able about above absent absorb abstract absurd abuse access accident account accuse achieve acid acoustic acquire across act zebra zoo zone youth year wrong write")
)

func (m maker) of(list []string) string { return list[m.IntN(len(list))] }

// value makes the value of a place; empty if there is no such place.
func (m maker) value(kind string, n int) string {
	if a, ok := alphabets[kind]; ok && n > 0 {
		v := m.from(a, n-1)
		if kind == "A" {
			return v + m.from("23456789", 1)
		}
		return v + m.from(a, 1)
	}
	raw := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	switch kind {
	case "H":
		return m.of(choices) + m.of([]string{"", "!", "#", "_"}) + m.from("0123456789", 2+m.IntN(3)) + m.of([]string{"", "!", "$", "x"})
	case "S":
		return m.secret()
	case "P":
		return m.signed()
	case "VT":
		return "hvs." + m.from(alphabets["A"], 24)
	case "E":
		return base64.StdEncoding.EncodeToString([]byte("bob:" + m.secret()))
	case "J":
		return raw(`{"alg":"HS256","typ":"JWT"}`) + "." + raw(`{"sub":"`+m.secret()+`"}`) + "." + m.from(letters, 43)
	case "UUID":
		return uuid(m)
	case "BCRYPT":
		return "$2b$12$" + m.from(alphabets["A"], 53)
	case "CRYPT":
		return "$1$" + m.from(alphabets["A"], 4) + "$" + m.from(alphabets["A"], 22)
	case "MNEMONIC":
		words := make([]string, 12)
		for i := range words {
			words[i] = m.of(wallet)
		}
		return strings.Join(words, " ")
	case "MAIL":
		return strings.ToLower(m.from(letters, 6)+"."+m.from(letters, 5)) + "@acme.io"
	case "I":
		w, x, y, z := m.address()
		return fmt.Sprintf("%d.%d.%d.%d", w, x, y, z)
	case "CARD":
		c := m.card()
		if n == 4 {
			return c[:4] + " " + c[4:8] + " " + c[8:12] + " " + c[12:]
		}
		return c
	case "SSN":
		d := alphabets["N"]
		if n == 9 {
			return "5" + m.from(d, 8)
		}
		return "5" + m.from(d, 2) + "-" + m.from(d, 2) + "-" + m.from(d, 4)
	}
	return ""
}

// Values in the usual carriers of secrets are removed: at least 95 of 100 values of each form.
func TestCarriers(t *testing.T) {
	raw, err := os.ReadFile("testdata/leaks.txt")
	require.NoError(t, err)
	s := scanner()
	m := maker{rand.New(rand.NewPCG(71, 11))}
	forms := 0
	for _, line := range strings.Split(string(raw), "\n") {
		if line == "" || strings.HasPrefix(line, "== ") {
			continue
		}
		forms++
		form := strings.ReplaceAll(line, "⏎", "\n")
		all, missed, left := 0, 0, ""
		for range 100 {
			var gone []string
			text := place.ReplaceAllStringFunc(form, func(p string) string {
				parts := place.FindStringSubmatch(p)
				n, _ := strconv.Atoi(parts[2]) // none is zero
				v := m.value(parts[1], n)
				if v == "" {
					return p
				}
				gone = append(gone, v)
				return v
			})
			rest := text
			spans := s.Scan(nil, "", text)
			for i := len(spans) - 1; i >= 0; i-- {
				rest = rest[:spans[i].Start] + "[]" + rest[spans[i].End:]
			}
			for _, v := range gone {
				if all++; strings.Contains(rest, v) || len(v) > 5 && strings.Contains(rest, v[len(v)/2:]) {
					missed, left = missed+1, rest
				}
			}
		}
		assert.Positive(t, all, line)
		assert.LessOrEqual(t, float64(missed), 0.05*float64(all), "%s leaves %q", line, left)
	}
	assert.Greater(t, forms, 400)
}
