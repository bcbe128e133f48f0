package detect

// wide handles the first byte of a character that hides others: a full-width digit or sign, a character without width. The text is then
// searched a second time as people read it.
func (sc *scan) wide(i int) int {
	t := sc.t
	switch {
	case t[i] == 0xEF && at(t, i+1) == 0xBC:
		if c := at(t, i+2); c >= 0x90 && c <= 0x99 || c == 0xA0 || c == 0x8B { // digits, '@', '+'
			sc.hidden = true
		} else if c == 0x9A && sc.on.Has(Password) { // the colon
			return sc.pairOf(i, i+len(wideColon)-1)
		}
	case noWidth(t, i) > 0:
		sc.hidden = true
	}
	return i + 1
}

// noWidth returns the length of the character at i if it has no width: joiners, marks of direction, the byte order mark, the soft hyphen.
func noWidth(t string, i int) int {
	switch at(t, i) {
	case 0xE2:
		if c := at(t, i+2); at(t, i+1) == 0x80 && (c >= 0x8B && c <= 0x8F) || at(t, i+1) == 0x81 && c == 0xA0 {
			return 3
		}
	case 0xEF:
		if at(t, i+1) == 0xBB && at(t, i+2) == 0xBF {
			return 3
		}
	case 0xC2:
		if at(t, i+1) == 0xAD {
			return 2
		}
	}
	return 0
}

// softBreak returns the length of the line break at i that only wraps a long line: "=" of quoted-printable, "\" of a shell, between
// two parts of a word.
func softBreak(t string, i int) int {
	if c := at(t, i); c != '=' && c != '\\' || !is(at(t, i-1), cAlnum) {
		return 0
	}
	n := 1
	if at(t, i+n) == '\r' {
		n++
	}
	if at(t, i+n) != '\n' || !is(at(t, i+n+1), cAlnum) && at(t, i+n+1) != '@' && at(t, i+n+1) != '.' {
		return 0
	}
	return n + 1
}

// readable returns t as people read it, and the position in t of each of its bytes.
func readable(t string) (text string, from []int) {
	b := make([]byte, 0, len(t))
	from = make([]int, 0, len(t)+1)
	for i := 0; i < len(t); {
		if n := noWidth(t, i); n > 0 {
			i += n
			continue
		}
		if n := softBreak(t, i); n > 0 {
			i += n
			continue
		}
		from = append(from, i)
		if t[i] == 0xEF && i+2 < len(t) { // U+FF01 to U+FF5E stand for '!' to '~'
			if r := int(t[i+1]&0x3F)<<6 | int(t[i+2]&0x3F) | 0xF000; r >= 0xFF01 && r <= 0xFF5E && t[i+1] >= 0xBC {
				b = append(b, byte(r-0xFF01+'!'))
				i += 3
				continue
			}
		}
		b = append(b, t[i])
		i++
	}
	return string(b), append(from, len(t))
}

// searchReadable adds the findings in the text as people read it.
func (sc *scan) searchReadable() {
	text, from := readable(sc.t)
	if len(text) == len(sc.t) {
		return
	}
	again := scan{Scanner: sc.Scanner, t: text, key: sc.key, atPos: -1, endPos: -1}
	again.walk()
	for _, s := range again.out {
		if end := from[s.End]; end > from[s.Start] {
			sc.out = append(sc.out, Span{from[s.Start], end, s.Kind})
		}
	}
	sc.out = merge(sc.out, sc.base)
}
