package protect_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/detect"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/protect"
)

func secret(b byte) []byte { return bytes.Repeat([]byte{b}, protect.MinSecret) }

func ring(tb testing.TB, ids ...string) *protect.Keyring {
	tb.Helper()
	var keys []protect.Key
	for _, id := range ids {
		keys = append(keys, protect.Key{ID: id, Secret: secret(id[len(id)-1])})
	}
	r, err := protect.NewKeyring(keys)
	require.NoError(tb, err)
	return r
}

func TestMask(t *testing.T) {
	for _, c := range []struct {
		v, want     string
		first, last int
	}{
		{"4111 1111 1111 1111", "**** **** **** 1111", 0, 4},
		{"jane@example.com", "j***@*******.***", 1, 0},
		{"hunter2", "*******", 0, 0},
		{"ab", "**", 4, 4}, // never more than half
		{"größe-ß", "g****-*", 1, 0},
		{"", "", 1, 1},
	} {
		got := string(protect.AppendMasked(nil, c.v, c.first, c.last))
		assert.Equal(t, c.want, got)
		assert.Equal(t, got, string(protect.AppendMasked(nil, got, c.first, c.last)), "masking twice is masking once")
	}
}

func TestDecryptAfterRotation(t *testing.T) {
	old, rotated := ring(t, "k1"), ring(t, "k2", "k1")
	enc := string(old.AppendEncrypted(nil, "acme", "iban", "DE89370400440532013000"))
	tok := string(old.AppendToken(nil, "acme", detect.Email, "email", "jane@example.com"))
	assert.True(t, strings.HasPrefix(enc, "[ENC:iban:k1:"), enc)
	assert.True(t, strings.HasSuffix(tok, "@k1.tok.invalid"), tok)
	for mark, want := range map[string]string{enc: "DE89370400440532013000", tok: "jane@example.com"} {
		got, err := rotated.Decrypt("acme", mark)
		require.NoError(t, err)
		assert.Equal(t, want, got)
		_, err = rotated.Decrypt("other", mark)
		require.ErrorIs(t, err, protect.ErrTampered, "another tenant's")
		_, err = ring(t, "k3").Decrypt("acme", mark)
		require.ErrorIs(t, err, protect.ErrUnknownKey)
	}
	assert.True(t, strings.HasPrefix(string(rotated.AppendEncrypted(nil, "acme", "iban", "x")), "[ENC:iban:k2:"), "the first key is the active one")
}

func TestDecryptRefuses(t *testing.T) {
	r := ring(t, "k1")
	enc := string(r.AppendEncrypted(nil, "a", "email", "jane@example.com"))
	for mark, want := range map[string]error{
		"":                    protect.ErrNoMark,
		"jane@example.com":    protect.ErrNoMark,
		"[ENC:email:k1:xyz]":  protect.ErrNoMark,
		enc + "x":             protect.ErrNoMark,
		"zz@k1.tok.invalid":   protect.ErrNoMark,
		"abc@k1.tok.invalid":  protect.ErrNoMark,
		"abcd@k1.tok.invalid": protect.ErrTampered,
		string(r.AppendHashed(nil, "a", "email", "x")): protect.ErrHashed,
		swapLast(enc): protect.ErrTampered,
	} {
		_, err := r.Decrypt("a", mark)
		assert.ErrorIs(t, err, want, mark)
	}
}

// swapLast changes the last letter of a mark's payload.
func swapLast(mark string) string {
	b := []byte(mark)
	b[len(b)-2] = 'a' + (b[len(b)-2]-'a'+1)%16
	return string(b)
}

func TestHashIsScopedByTenant(t *testing.T) {
	r := ring(t, "k1")
	a, b := r.AppendHashed(nil, "a", "email", "x"), r.AppendHashed(nil, "b", "email", "x")
	assert.Equal(t, a, r.AppendHashed(nil, "a", "email", "x"))
	assert.NotEqual(t, a, b)
	assert.NotEqual(t, a, ring(t, "k2").AppendHashed(nil, "a", "email", "x"))
	assert.NotEqual(t, r.AppendHashed(nil, "ab", "email", "c"), r.AppendHashed(nil, "a", "email", "bc"))
}

func TestKeyringRefuses(t *testing.T) {
	_, err := protect.NewKeyring([]protect.Key{{ID: "k1", Secret: secret(1)[:31]}})
	require.ErrorContains(t, err, "31 bytes")
	_, err = protect.NewKeyring([]protect.Key{{ID: "k1", Secret: secret(1)}, {ID: "k1", Secret: secret(2)}})
	require.ErrorContains(t, err, "taken")
}

// A token can be decrypted, is the same each time, and is invisible to every detector.
func FuzzToken(f *testing.F) {
	f.Add("jane@example.com", "acme")
	f.Add("4111111111111111", "")
	f.Add("\xff\x00", "x")
	r := ring(f, "k1")
	s := detect.New(detect.Options{Detectors: detect.Precise.With(detect.HighEntropy), Regions: []string{"US", "DE"}, SpecialAddresses: true})
	f.Fuzz(func(t *testing.T, v, tenant string) {
		for _, kind := range []detect.Kind{detect.Email, detect.IBAN} {
			for _, mark := range []string{
				string(r.AppendToken(nil, tenant, kind, kind.String(), v)),
				string(r.AppendEncrypted(nil, tenant, kind.String(), v)),
			} {
				got, err := r.Decrypt(tenant, mark)
				require.NoError(t, err)
				require.Equal(t, v, got)
				require.Empty(t, s.Scan(nil, "phone", mark), mark)
				require.Empty(t, s.Scan(nil, "", "password="+mark+" tel: "+mark), mark)
			}
		}
		require.Empty(t, s.Scan(nil, "ssn", string(r.AppendHashed(nil, tenant, "us_ssn", v))))
	})
}

func ExampleKeyring_Decrypt() {
	r, _ := protect.NewKeyring([]protect.Key{{ID: "k1", Secret: bytes.Repeat([]byte{7}, 32)}})
	token := r.AppendToken(nil, "acme", detect.Email, "email", "jane@example.com")
	plain, _ := r.Decrypt("acme", string(token))
	fmt.Println(plain)
	// Output: jane@example.com
}
