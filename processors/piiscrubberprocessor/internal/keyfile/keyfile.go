// Package keyfile keeps the key of one data directory: made once, read by its owner only.
package keyfile

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/protect"
)

// Open returns the key in the file at path, and makes the file if there is none: base64 of protect.MinSecret random bytes, mode 0600.
// Of two processes that make it at once both get the key of one. A file that holds no key is an error, never overwritten: another key
// would start new series.
func Open(path string) (key protect.Key, made bool, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if made, err = create(path); err == nil {
			text, err = os.ReadFile(path)
		}
	}
	if err != nil {
		return protect.Key{}, false, err
	}
	secret, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(secret) < protect.MinSecret {
		return protect.Key{}, false, fmt.Errorf("%s: want base64 of at least %d bytes", path, protect.MinSecret)
	}
	return protect.Key{ID: Fingerprint(secret), Secret: secret}, made, nil
}

// create writes a new key beside path and links it there: the file is whole or absent.
func create(path string) (made bool, err error) {
	secret := make([]byte, protect.MinSecret)
	if _, err := rand.Read(secret); err != nil {
		return false, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return false, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".pii.key.*") // 0600
	if err != nil {
		return false, err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // the link stays
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(secret) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return false, err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return false, err
	} else if err != nil {
		return false, nil // another process was first
	}
	return true, nil
}

// Fingerprint names a key in the marks that it makes: "f" and eight letters from a to p. It tells keys apart and nothing about them.
func Fingerprint(secret []byte) string {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte("penstock pii_scrubber fingerprint v1"))
	b := []byte{'f'}
	for _, c := range h.Sum(nil)[:4] {
		b = append(b, 'a'+c>>4, 'a'+c&15)
	}
	return string(b)
}
