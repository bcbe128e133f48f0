// Package protect turns a found value into what may be kept of it: a mark, a mask, a keyed hash, a token, a ciphertext.
//
// Its output is deterministic, so that a resource stays one resource and a retry has the same bytes, and contains nothing that a detector
// would find again: payloads consist of the letters a to p.
package protect

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Action is what happens to a finding.
type Action uint8

// The actions. The zero value is Redact.
const (
	Redact   Action = iota
	Mask            // keep the first and last n characters
	Hash            // HMAC-SHA-256
	Tokenize        // AES-SIV; a mail address keeps the form of one
	Encrypt         // AES-SIV
	Drop            // removes the whole attribute
	Count           // nothing changes
	Off             // don't search
)

var actionNames = [...]string{"redact", "mask", "hash", "tokenize", "encrypt", "drop", "count", "off"}

func (a Action) String() string { return actionNames[a] }

// ParseAction is the inverse of String.
func ParseAction(name string) (Action, error) {
	for a, n := range actionNames {
		if n == name {
			return Action(a), nil
		}
	}
	return 0, fmt.Errorf("unknown action %q, want one of %s", name, strings.Join(actionNames[:], ", "))
}

// Keyed reports whether a needs a key.
func (a Action) Keyed() bool { return a == Hash || a == Tokenize || a == Encrypt }

// Rule is an action and its settings.
type Rule struct {
	Action              Action
	KeepFirst, KeepLast int // characters that Mask keeps
}

// AppendRedacted appends "[REDACTED:name]".
func AppendRedacted(dst []byte, name string) []byte {
	dst = append(dst, "[REDACTED:"...)
	dst = append(dst, name...)
	return append(dst, ']')
}

// AppendMasked appends v with its letters and digits replaced by '*', except the first and last few. Separators stay, so that a card
// number still looks like one. At most half of the letters and digits is kept. Masking twice gives the same as masking once.
func AppendMasked(dst []byte, v string, first, last int) []byte {
	n := 0
	for _, r := range v {
		if maskable(r) {
			n++
		}
	}
	if first+last > n/2 {
		first, last = min(first, n/4), min(last, n/4)
	}
	i := 0
	for _, r := range v {
		if maskable(r) {
			if i++; i > first && i <= n-last {
				r = '*'
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

func maskable(r rune) bool {
	return r == '*' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= 0x80
}
