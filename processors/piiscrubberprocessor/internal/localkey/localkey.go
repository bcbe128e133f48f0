// Package localkey keeps the key of one data directory: created once, readable only by its owner.
package localkey

import (
	"bytes"
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
	"time"

	"github.com/penstockhq/penstock/internal/durable"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/protect"
)

// Opened is the key of a file, and how it was obtained.
type Opened struct {
	protect.Key
	// Made: the file is new.
	Made bool
	// Aside is the new name of a damaged file; empty: there was none.
	Aside string
}

// Open returns the key in the file at path, and creates the file if there is none: base64 of protect.MinSecret random bytes, mode 0600.
// Two processes that create it at once get the same key. A file that a crash or a disk has damaged (empty, or with a zero byte in it) is
// renamed, and another key is created. Any other file without a key is an error, and stays unchanged.
func Open(path string) (Opened, error) {
	o, found, err := Read(path)
	if err != nil || found {
		return o, err
	}
	if o.Made, err = Save(path, New()); err != nil {
		return Opened{}, err
	}
	read, found, err := Read(path)
	if err == nil && !found {
		err = fs.ErrNotExist
	}
	o.Key = read.Key
	return o, err
}

// Read is Open without creating a file; found: there is a file with a key.
func Read(path string) (o Opened, found bool, err error) {
	text, err := os.ReadFile(path)
	if err == nil && (len(text) == 0 || bytes.IndexByte(text, 0) >= 0) {
		if o.Aside, err = durable.SetAside(path, time.Now()); err == nil {
			return o, false, nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return o, false, nil
	}
	if err != nil {
		return Opened{}, false, err
	}
	secret, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(secret) < protect.MinSecret {
		return Opened{}, false, fmt.Errorf("%s: want base64 of at least %d bytes", path, protect.MinSecret)
	}
	o.Key = protect.Key{ID: Fingerprint(secret), Secret: secret}
	return o, true, nil
}

// Save creates the file at path with a key in it; if there already is one, made is false and the file stays unchanged.
func Save(path string, secret []byte) (made bool, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return false, err
	}
	return durable.Create(path, []byte(base64.StdEncoding.EncodeToString(secret)+"\n"), 0o600)
}

// New returns a random secret.
func New() []byte {
	secret := make([]byte, protect.MinSecret)
	_, _ = rand.Read(secret) // It ends the process instead of failing.
	return secret
}

// Fingerprint names a key in its marks: "f" and eight letters from a to p. It distinguishes keys and reveals nothing about them.
func Fingerprint(secret []byte) string {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte("penstock pii_scrubber fingerprint v1"))
	b := []byte{'f'}
	for _, c := range h.Sum(nil)[:4] {
		b = append(b, 'a'+c>>4, 'a'+c&15)
	}
	return string(b)
}
