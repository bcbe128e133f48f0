package lines

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Encoding is the encoding of a file's text.
type Encoding uint8

// The encodings that can be detected.
const (
	UTF8 Encoding = iota
	UTF16LE
	UTF16BE
)

const (
	// detectBytes is how much of a file without a byte order mark is searched for zeros in every second byte.
	detectBytes = 512
	bomUTF8     = "\xef\xbb\xbf"
)

// Detect returns the encoding from the first bytes of a file: by its byte order mark, or by zeros in most bytes of one parity, which text
// in UTF-16 has if most of its characters are ASCII. mark is the length of the byte order mark.
func Detect(head []byte) (e Encoding, mark int64) {
	switch {
	case bytes.HasPrefix(head, []byte(bomUTF8)):
		return UTF8, 3
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
		return UTF16LE, 2
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		return UTF16BE, 2
	}
	head = head[:min(len(head), detectBytes)&^1]
	var zeros [2]int
	for i, c := range head {
		if c == 0 {
			zeros[i&1]++
		}
	}
	switch half := len(head) / 2; {
	case half < 4 || zeros[0]+zeros[1] > half:
		return UTF8, 0 // too little, or a hole
	case zeros[1] > half*2/3 && zeros[0] == 0:
		return UTF16LE, 0
	case zeros[0] > half*2/3 && zeros[1] == 0:
		return UTF16BE, 0
	}
	return UTF8, 0
}

// Newline returns the start of the first newline in b, and of the text after it; -1 if there is none. b must begin with a character.
func (e Encoding) Newline(b []byte) (end, next int) {
	if e == UTF8 {
		end = bytes.IndexByte(b, '\n')
		return end, end + 1
	}
	for at := 0; ; {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return -1, 0
		}
		i += at
		start := i
		if e == UTF16BE {
			start = i - 1
		}
		if start >= at&^1 && start&1 == 0 && start+1 < len(b) && e.order().Uint16(b[start:]) == '\n' {
			return start, start + 2
		}
		at = i + 1
	}
}

func (e Encoding) order() binary.ByteOrder {
	if e == UTF16BE {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// Whole returns how many of the first n bytes of b are complete characters.
func (e Encoding) Whole(b []byte, n int) int {
	if e != UTF8 {
		if n &^= 1; n >= 4 && e.order().Uint16(b[n-2:])&0xfc00 == 0xd800 { // the first half of a character
			n -= 2
		}
		return n
	}
	for back := 0; back < utf8.UTFMax && back < n; back++ {
		if at := n - back; at == len(b) || utf8.RuneStart(b[at]) {
			return at
		}
	}
	return n
}

// Text returns the text of a line without its end, after Trim. In UTF-8 it has the file's bytes: a container runtime cuts lines within
// characters, so only the complete line is made valid.
func (e Encoding) Text(b []byte) string {
	if e == UTF8 {
		return Trim(string(b))
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = e.order().Uint16(b[2*i:])
	}
	return Trim(string(utf16.Decode(units)))
}

// Trim removes the carriage return, and a byte order mark and zeros at the beginning, which are those of a hole that a truncated file
// keeps.
func Trim(text string) string {
	if text == "" {
		return text
	}
	if text[0] == 0 {
		text = strings.TrimLeft(text, "\x00")
	}
	return strings.TrimPrefix(strings.TrimSuffix(text, "\r"), bomUTF8)
}

// valid replaces bytes that are not UTF-8 by U+FFFD, or by `?` if the text would become longer than limit.
func valid(text string, limit int) string {
	if utf8.ValidString(text) {
		return text
	}
	if fixed := strings.ToValidUTF8(text, "\ufffd"); len(fixed) <= limit {
		return fixed
	}
	return strings.ToValidUTF8(text, "?")
}

// unended returns how many bytes at the end of text begin an incomplete character.
func unended(text string) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if utf8.RuneStart(text[len(text)-n]) {
			if utf8.FullRuneInString(text[len(text)-n:]) {
				return 0
			}
			return n
		}
	}
	return 0
}
