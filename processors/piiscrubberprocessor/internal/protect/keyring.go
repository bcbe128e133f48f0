package protect

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/detect"
	"github.com/tink-crypto/tink-go/v2/daead/subtle"
)

// MinSecret is the shortest secret for a key, in bytes.
const MinSecret = 32

// maxMail is the longest value whose token is a mail address, in bytes: more than an address can have.
const maxMail = 512

// Errors of Decrypt.
var (
	ErrNoMark     = errors.New("not a token or ciphertext of pii_scrubber")
	ErrUnknownKey = errors.New("the key is not in the ring")
	ErrHashed     = errors.New("a hash can't be reversed")
	ErrTampered   = errors.New("doesn't decrypt: another tenant's, another key's, or changed")
)

// Key is a secret and its name in the values made with it.
type Key struct {
	ID     string
	Secret []byte
}

// Keyring protects values with its first key and can read those of all. It is immutable and safe for concurrent use.
type Keyring struct {
	keys []derived
}

type derived struct {
	id  string
	siv *subtle.AESSIV // RFC 5297 with 256-bit keys
	mac []byte
}

// NewKeyring derives the keys (HKDF-SHA-256, RFC 5869). The first is the active one. Ids are unique; secrets have at least
// MinSecret bytes.
func NewKeyring(keys []Key) (*Keyring, error) {
	r := &Keyring{}
	for _, k := range keys {
		if len(k.Secret) < MinSecret {
			return nil, fmt.Errorf("key %q: the secret has %d bytes, at least %d are needed", k.ID, len(k.Secret), MinSecret)
		}
		if r.find(k.ID) != nil {
			return nil, fmt.Errorf("key %q: the id is taken", k.ID)
		}
		siv, err := hkdf.Key(sha256.New, k.Secret, nil, "penstock pii_scrubber aes-siv v1", subtle.AESSIVKeySize)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", k.ID, err)
		}
		mac, err := hkdf.Key(sha256.New, k.Secret, nil, "penstock pii_scrubber hmac v1", sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", k.ID, err)
		}
		cipher, err := subtle.NewAESSIV(siv)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", k.ID, err)
		}
		r.keys = append(r.keys, derived{k.ID, cipher, mac})
	}
	return r, nil
}

// Len returns the number of keys.
func (r *Keyring) Len() int { return len(r.keys) }

func (r *Keyring) find(id string) *derived {
	for i := range r.keys {
		if r.keys[i].id == id {
			return &r.keys[i]
		}
	}
	return nil
}

// AppendHashed appends "[HMAC:name:key:letters]", 128 bits of HMAC-SHA-256 over tenant and value: equal values of one tenant have equal
// hashes everywhere.
func (r *Keyring) AppendHashed(dst []byte, tenant, name, v string) []byte {
	k := &r.keys[0]
	h := hmac.New(sha256.New, k.mac)
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(tenant)))
	h.Write(size[:])
	h.Write([]byte(tenant))
	h.Write([]byte(v))
	var sum [sha256.Size]byte
	return appendMark(dst, "HMAC", name, k.id, h.Sum(sum[:0])[:16])
}

// AppendEncrypted appends "[ENC:name:key:letters]".
func (r *Keyring) AppendEncrypted(dst []byte, tenant, name, v string) []byte {
	k := &r.keys[0]
	return appendMark(dst, "ENC", name, k.id, k.seal(tenant, v))
}

// AppendToken appends a token: "letters@key.tok.invalid" for a mail address, so that software that expects addresses still works;
// "[TOK:name:key:letters]" for anything else.
func (r *Keyring) AppendToken(dst []byte, tenant string, kind detect.Kind, name, v string) []byte {
	k := &r.keys[0]
	sealed := k.seal(tenant, v)
	if kind != detect.Email || len(v) > maxMail {
		return appendMark(dst, "TOK", name, k.id, sealed)
	}
	dst = appendLetters(dst, sealed)
	dst = append(dst, '@')
	dst = append(dst, k.id...)
	return append(dst, detect.TokenDomain...)
}

// seal encrypts deterministically: the same value of the same tenant gives the same ciphertext, which reveals only equality.
func (k *derived) seal(tenant, v string) []byte {
	sealed, err := k.siv.EncryptDeterministically([]byte(v), []byte(tenant))
	if err != nil {
		panic(err) // only for plaintexts near the size of the address space
	}
	return sealed
}

// Decrypt returns the value of a token or ciphertext.
func (r *Keyring) Decrypt(tenant, mark string) (string, error) {
	id, letters := "", ""
	switch {
	case strings.HasPrefix(mark, "[HMAC:"):
		return "", ErrHashed
	case strings.HasPrefix(mark, "[ENC:") || strings.HasPrefix(mark, "[TOK:"):
		part := strings.Split(strings.TrimSuffix(mark, "]"), ":")
		if len(part) != 4 || detect.Mark(mark, 0) != len(mark) {
			return "", ErrNoMark
		}
		id, letters = part[2], part[3]
	default:
		local, domain, _ := strings.Cut(mark, "@")
		var ok bool
		if id, ok = strings.CutSuffix(domain, detect.TokenDomain); !ok {
			return "", ErrNoMark
		}
		letters = local
	}
	k := r.find(id)
	if k == nil {
		return "", ErrUnknownKey
	}
	sealed, ok := fromLetters(letters)
	if !ok {
		return "", ErrNoMark
	}
	v, err := k.siv.DecryptDeterministically(sealed, []byte(tenant))
	if err != nil {
		return "", ErrTampered
	}
	return string(v), nil
}

func appendMark(dst []byte, head, name, key string, payload []byte) []byte {
	dst = append(dst, '[')
	dst = append(dst, head...)
	dst = append(dst, ':')
	dst = append(dst, name...)
	dst = append(dst, ':')
	dst = append(dst, key...)
	dst = append(dst, ':')
	dst = appendLetters(dst, payload)
	return append(dst, ']')
}

// appendLetters writes each half byte as a letter from a to p: no digits and one case, so that no detector matches.
func appendLetters(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, 'a'+c>>4, 'a'+c&15)
	}
	return dst
}

func fromLetters(s string) ([]byte, bool) {
	b := make([]byte, 0, len(s)/2)
	for i := 0; i+1 < len(s); i += 2 {
		hi, lo := s[i]-'a', s[i+1]-'a'
		if hi > 15 || lo > 15 {
			return nil, false
		}
		b = append(b, hi<<4|lo)
	}
	return b, len(s)%2 == 0
}
