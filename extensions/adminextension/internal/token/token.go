// Package token keeps, in a file, the secret that allows irreversible operations.
package token

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/penstockhq/penstock/internal/durable"
)

const (
	randomBytes = 32
	minChars    = 32   // of a token that an operator wrote
	maxChars    = 4096 // of the whole file
)

// errDamaged is content that no person writes.
var errDamaged = errors.New("damaged")

// Token is a secret in memory, stored as its hash. The zero value allows nothing. Safe for concurrent use.
type Token struct {
	hash [sha256.Size]byte
	set  bool
}

// Allows compares in a time that does not depend on the secret.
func (t Token) Allows(given string) bool {
	hash := sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(hash[:], t.hash[:]) == 1 && t.set
}

// Open returns the token in the file at path. If there is none, it writes 32 random bytes in hex, mode 0600, in directories of mode 0700, whatever
// the umask; made reports that. A crash never leaves a partial token, and several processes that start together all return the same one. A file
// that a crash or a disk has damaged (empty, or with a zero byte) is renamed to <name>.damaged-<time>, and a new token is created; the old token is
// no longer valid.
func Open(path string) (t Token, made bool, err error) {
	t, err = read(path)
	if errors.Is(err, errDamaged) {
		if _, err = durable.SetAside(path, time.Now()); err == nil {
			err = os.ErrNotExist
		}
	}
	if !errors.Is(err, os.ErrNotExist) {
		return t, false, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return Token{}, false, err
	}
	if made, err = durable.Create(path, fresh(), 0o600); err != nil {
		return Token{}, false, err
	}
	t, err = read(path)
	return t, made, err
}

// Readable says whether users other than the owner can read the file.
func Readable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Perm()&0o077 != 0
}

func read(path string) (Token, error) {
	file, err := os.Open(path)
	if err != nil {
		return Token{}, err
	}
	content, err := io.ReadAll(io.LimitReader(file, maxChars+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return Token{}, err
	}
	text := strings.TrimSpace(string(content))
	switch {
	case len(content) == 0 || bytes.IndexByte(content, 0) >= 0:
		return Token{}, fmt.Errorf("%q is %w", path, errDamaged)
	case len(text) < minChars:
		return Token{}, fmt.Errorf("%q has %d characters, but a token has %d; delete the file to get a new one", path, len(text), minChars)
	case len(content) > maxChars:
		return Token{}, fmt.Errorf("%q is longer than %d bytes", path, maxChars)
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return Token{}, fmt.Errorf("%q is not one line of printable ASCII", path)
	}
	return Token{hash: sha256.Sum256([]byte(text)), set: true}, nil
}

func fresh() []byte {
	var secret [randomBytes]byte
	_, _ = rand.Read(secret[:]) // rand.Read ends the process instead of failing.
	return []byte(hex.EncodeToString(secret[:]) + "\n")
}
