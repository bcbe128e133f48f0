package detect

import (
	"slices"
	"strings"
)

// How far a word may be from what it describes, in bytes.
const (
	before = 48
	after  = 32
)

// words are lower-case words that give context. A word of up to four letters must be complete ("tel" is not "telemetry"); longer ones may
// be the beginning of a word ("phone" in "phoneNumber").
type words struct {
	list   []string
	sorted []string   // by their first bytes
	from   [257]uint8 // where in sorted those of a first byte begin; they end where those of the next do
	first  [4]uint64  // the set of their first bytes
	second [32]uint32 // by the low five bits of the first byte, the set of those of the second: the same in both cases
	memo   int        // its index in scan.memos, 0 if none
	hint   hint       // its group, 0 if none
	long   int        // length of the longest with a blank
}

// memo remembers how far a text was searched for words, and after which position the last of them begins, because candidates that are
// close together search the same bytes again and again.
type memo struct{ to, last int }

// memos of a scan.
const (
	phoneMemo = 1 + iota
	phoneWeakMemo
	cardMemo
	callMemo // of phoneWords and phoneWeakWords
	memoEnd
)

// remembered gives w an index in the memos of a scan.
func (w words) remembered(place int) words {
	w.memo = place
	return w
}

// hinted makes w one of a group of words.
func (w words) hinted(h hint) words {
	w.hint = h
	return w
}

func wordsOf(list ...string) words {
	w := words{list: list, sorted: slices.Clone(list)}
	slices.SortStableFunc(w.sorted, func(a, b string) int { return int(a[0]) - int(b[0]) })
	for c := range w.from {
		for int(w.from[c]) < len(list) && int(w.sorted[w.from[c]][0]) < c {
			w.from[c]++
		}
	}
	for _, word := range list {
		w.first[word[0]>>6] |= 1 << (word[0] & 63)
		if len(word) > 1 && word[1] != ' ' {
			w.second[word[0]&31] |= 1 << (word[1] & 31)
		} else {
			w.second[word[0]&31] = ^uint32(0)
		}
		if strings.IndexByte(word, ' ') > 0 {
			w.long = max(w.long, len(word))
		}
	}
	return w
}

// in reports whether one of w begins a word of t[from:to].
func (w *words) in(t string, from, to int) bool { return w.next(t, from, to) >= 0 }

// next returns where the first of w in t[from:to] begins, -1 if there is none.
func (w *words) next(t string, from, to int) int {
	from, to = max(from, 0), min(to, len(t))
	for i := from; i < to; i++ {
		if !is(t[i], cLetter) && t[i] < 0x80 {
			if t[i] == '[' {
				if end := Mark(t, i); end > 0 {
					i = end - 1
				}
			}
			continue
		}
		if w.second[t[i]&31]&(1<<(at(t, i+1)&31)) == 0 {
			continue
		}
		first := lower(t[i])
		if w.first[first>>6]&(1<<(first&63)) == 0 {
			continue
		}
		// A word begins after a non-letter, and at the hump of camelCase.
		if i > 0 && is(t[i-1], cLetter) && !(is(t[i], cUpper) && is(t[i-1], cLower)) {
			continue
		}
		second := at(t, i+1) & 31
		for _, word := range w.sorted[w.from[first]:w.from[int(first)+1]] {
			if len(word) > 1 && word[1]&31 != second && word[1] != ' ' {
				continue
			}
			end := wordAt(t[:to], i, word)
			if end == 0 || len(word) <= 4 && i > 0 && is(t[i-1], cDigit) && word[0] < 0x80 && !escapedDigit(t, i) { // "2cc" of a hash
				continue
			}
			if otherCard(t, i, word) || inToken(t, i) {
				continue
			}
			if next := at(t, end); len(word) > 4 && !continued(t, end, word) || !is(next, cLower|cDigit) && !(is(next, cUpper) && is(t[end-1], cUpper)) {
				return i
			}
		}
	}
	return -1
}

// inToken reports whether t[i] is inside a long run of letters and digits that is not a word: a token may spell "Tel" by chance.
func inToken(t string, i int) bool {
	from, to := runBack(t, i, cAlnum, 40), run(t, i, cAlnum, 40)
	return to-from >= 24 && digitRun(t[from:to]) > 2
}

// cardKinds precede "card" in the names of cards that are not payment cards.
var cardKinds = wordsOf("business", "sd", "sim", "smart", "graphics", "memory", "network", "video", "sound", "wild", "report", "time", "score", "postcard", "greeting", "playing", "interface", "index", "line")

// otherCard reports whether word, which begins at t[i], is a card of another kind: "business cards", "sd card".
func otherCard(t string, i int, word string) bool {
	if word == "card" {
		for _, use := range [...]string{" stock", " slot", " layout"} {
			if foldAt(t, i+len(word), use) {
				return true
			}
		}
	}
	if word != "card" && word != "cards" || at(t, i-1) != ' ' && at(t, i-1) != '_' && at(t, i-1) != '-' {
		return false
	}
	return cardKinds.exact(t[runBack(t, i-1, cLetter, 16) : i-1])
}

// before reports whether one of w is in t[low:start]. It is called with growing start, so all calls together read the text once.
func (sc *scan) before(w *words, low, start int) bool {
	if w.memo == 0 {
		return w.in(sc.t, low, start)
	}
	m := &sc.memos[w.memo]
	if m.to > start || m.to < low { // gone back, or far ahead
		m.to, m.last = low, 0
	}
	from := m.to - w.long // a word may have been cut off there
	for from > low && m.to-from < 32 && letter(sc.t[from-1]) {
		from--
	}
	if from = max(from, low); from > low {
		if n := markAround(sc.t, from); n > 0 {
			from = n
		}
	}
	for p := w.next(sc.t, from, start); p >= 0; p = w.next(sc.t, p+1, start) {
		m.last = p + 1
	}
	m.to = start
	return m.last > low
}

// continued reports whether what follows the beginning of a word makes it a different word: "phonetic", "credits", "charger".
func continued(t string, end int, word string) bool {
	switch word {
	case "phone":
		return foldAt(t, end, "tic") || foldAt(t, end, "me")
	case "credit":
		return foldAt(t, end, "s") || foldAt(t, end, "or")
	case "charge":
		return foldAt(t, end, "r")
	case "discover":
		return is(at(t, end), cLetter)
	}
	return false
}

// escapedDigit reports whether the digit before i is the end of a percent-encoded byte: "%22ssn".
func escapedDigit(t string, i int) bool { return i >= 3 && t[i-3] == '%' }

// wordAt returns the end of word at i, in any case; 0 if it is not there. A blank in word matches one of the characters that join words in
// keys, or nothing: "tax id" matches "tax_id", "tax-id", "taxId".
func wordAt(t string, i int, word string) int {
	for j := 0; j < len(word); j++ {
		switch c := at(t, i); {
		case word[j] == ' ' && (c == '_' || c == '-' || c == '.' || c == ' ' || c == '+'):
		case word[j] == ' ':
			continue
		case i >= len(t) || lower(c) != word[j]:
			return 0
		}
		i++
	}
	return i
}

// near reports whether the key, or the text around t[start:end], contains one of w.
func (sc *scan) near(start, end int, w *words) bool { return sc.nearer(start, end, w, after) }

// nearer is near with another reach after the finding. Our own marks give no context, because a finding must not depend on an earlier one.
func (sc *scan) nearer(start, end int, w *words, reach int) bool {
	low := max(0, start-before)
	if sc.key == "" && !sc.letters(low, end+reach) { // numbers among numbers
		return false
	}
	if w.hint != 0 && !sc.mayHold(w.hint, low, end+reach) {
		return w.in(sc.key, 0, len(sc.key))
	}
	if n := markAround(sc.t, low); n > 0 {
		low = n
	}
	return w.in(sc.key, 0, len(sc.key)) || sc.before(w, low, start) || w.in(sc.t, end, end+reach)
}

// letters reports whether t[from:to] contains a letter. A range without letters is remembered, so that numbers among numbers don't search
// their surroundings again and again.
func (sc *scan) letters(from, to int) bool {
	from, to = max(from, 0), min(to, len(sc.t))
	if from > sc.plainTo || to < sc.plainFrom {
		sc.plainFrom, sc.plainTo = from, from
	}
	for ; sc.plainFrom > from; sc.plainFrom-- {
		if letter(sc.t[sc.plainFrom-1]) {
			return true
		}
	}
	for ; sc.plainTo < to; sc.plainTo++ {
		if letter(sc.t[sc.plainTo]) {
			return true
		}
	}
	return false
}

// letter reports whether c is part of a word, or of a date after a card's number.
func letter(c byte) bool { return is(c, cLetter) || c >= 0x80 || c == '/' || c == '|' || c == '=' }

// markAround returns the end of the mark that contains t[i], 0 if there is none.
func markAround(t string, i int) int {
	if i >= len(t) {
		return 0
	}
	j := i
	for j > 0 && i-j < maxMark && (is(t[j], cKey) || t[j] == ':' || t[j] == ']' && j == i) {
		j--
	}
	if t[j] == '[' {
		if end := Mark(t, j); end > i {
			return end
		}
	}
	return 0
}

// labelled reports whether one of w names what begins at start: the label directly before it ("order no: 123"), or, at the beginning of
// the text, the key.
func (sc *scan) labelled(start int, w *words) bool { return w.in(sc.label(start), 0, maxLabel) }

const maxLabel = 1 << 10 // bytes of a label or a key that are searched

// label returns the word or two directly before start ("order_id", "Order No.", "order number is"), or, at the beginning of the text, the
// last components of the key; empty if there is none.
func (sc *scan) label(start int) string {
	i := start
	for i > 0 && start-i < 12 {
		if escaped(sc.t, i) { // %22%3A%22
			i -= 3
			continue
		}
		if start-i >= 8 || is(sc.t[i-1], cWord) || sc.t[i-1] >= 0x80 || sc.t[i-1] == ',' || sc.t[i-1] == ';' || sc.t[i-1] == '\n' {
			break
		}
		i--
	}
	if i > 0 && sc.t[i-1] == ']' || i < start && sc.t[i] == ']' && markAround(sc.t, i) > 0 {
		return ""
	}
	if i == 0 {
		last := strings.LastIndexByte(sc.key, '.') + 1
		if last > 0 && fillers.exact(sc.key[last:]) { // "order.id"
			last = strings.LastIndexByte(sc.key[:last-1], '.') + 1
		}
		return sc.key[last:]
	}
	from := i
	for range 3 {
		from = runBack(sc.t, from, cKey, 32)
		if from == 0 || sc.t[from-1] != ' ' || !fillers.in(sc.t, from, i) {
			break
		}
		from--
	}
	return sc.t[from:i]
}

// named reports whether an ambiguous word names what begins at start: it is the whole key, or the last of its components, and only ':' or
// '=' is between them ("sin: 130 692 544", "cell=...").
func (sc *scan) named(start int, w *words) bool {
	name := sc.name(start)
	if n := strings.LastIndexByte(name, '.'); n >= 0 {
		if name = name[n+1:]; strings.EqualFold(name, "uid") { // of Kubernetes and of processes
			return false
		}
	}
	return name != "" && w.exact(name)
}

// name returns the key before start if only ':', '=', quotes and blanks are between them, or the attribute's key at the beginning of a
// text.
func (sc *scan) name(start int) string {
	t, i, sep := sc.t, start, false
	for i > 0 && start-i < 12 {
		switch c := t[i-1]; {
		case c == ':' || c == '=':
			sep = true
		case c == '>' && at(t, i-2) == '=' || c == '"' || c == '\'' || c == '\\' || c == ' ' || c == '(' || c == '[':
		case c == '2' && strings.HasSuffix(t[:i], "%22"), (c == 'A' || c == 'a' || c == 'D' || c == 'd') && i > 2 && t[i-2] == '3' && t[i-3] == '%':
			sep = sep || c != '2'
			i -= 2
		default:
			if !sep {
				return ""
			}
			from := i
			for from > 0 && i-from < maxKeyName && (is(t[from-1], cKey) || t[from-1] >= 0x80) {
				from--
			}
			if strings.HasPrefix(t[max(0, from-1):], "%22") && i-from > 2 {
				from += 2
			}
			return t[from:i]
		}
		i--
	}
	if i == 0 {
		return sc.key
	}
	return ""
}

var fillers = wordsOf("no", "nr", "number", "id", "is", "was", "num", "code", "ref")

// inOpaque reports whether t[start:end] is part of a longer token of hexadecimal digits, dashes and similar: a UUID, a hash, a trace id, a
// base64 blob. Separators of the finding itself have been consumed already.
func inOpaque(t string, start, end int) bool {
	if is(at(t, start-1), cAlnum) && !escaped(t, start) || is(at(t, end), cAlnum) {
		return true
	}
	// "550e8400-e29b-41d4-a716-446655440000": hexadecimal groups on the other side of a dash.
	if at(t, start-1) == '-' {
		from := runBack(t, start-1, cHex, 13)
		if n := start - 1 - from; (n == 4 || n == 8 || n == 12) && !is(at(t, from-1), cWord) && (n == 8 || at(t, from-1) == '-') && hasHexLetter(t[from:start-1]) {
			return true
		}
		if uuidBefore(t, start) {
			return true
		}
	}
	if at(t, end) == '-' {
		to := run(t, end+1, cHex, 13)
		if n := to - end - 1; (n == 4 || n == 12) && hasHexLetter(t[end+1:to]) && !is(at(t, to), cWord) {
			return true
		}
	}
	return false
}

func hasHexLetter(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r >= 'a' && r <= 'f' || r >= 'A' && r <= 'F' })
}

// uuidBefore reports whether the last groups of a UUID (8-4-4-4-12) may begin at start.
func uuidBefore(t string, start int) bool {
	for _, back := range [...]int{9, 14, 19, 24} {
		if uuidAt(t, start-back) > 0 {
			return true
		}
	}
	return false
}

// uuidAt returns the end of the UUID that starts at i, 0 if there is none.
func uuidAt(t string, i int) int {
	if i < 0 || i+36 > len(t) || t[i+8] != '-' || t[i+13] != '-' || t[i+18] != '-' || t[i+23] != '-' {
		return 0
	}
	for j := i; j < i+36; j++ {
		if !is(t[j], cHex) && t[j] != '-' {
			return 0
		}
	}
	return i + 36
}
