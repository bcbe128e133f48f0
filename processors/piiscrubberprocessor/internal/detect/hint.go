package detect

// hint is a set of groups of words.
type hint uint8

const (
	phoneHint hint = 1 << iota // of phoneContexts
	idHint                     // of idWords
	cardHint                   // of cardWords, payWords and brands
)

// hintSlots is the size of hintTable; the first three bytes of a word select a slot.
const hintSlots = 1 << 13

func hintSlot(a, b, c byte) uint32 {
	return (uint32(a&31)<<8 | uint32(b&31)<<3 ^ uint32(c&31)) & (hintSlots - 1)
}

// hintTable has the groups with a word that begins with three bytes, and by chance some others.
var hintTable = func() (t [hintSlots]hint) {
	add := func(h hint, w *words) {
		for _, word := range w.list {
			for b := range 256 {
				for c := range 256 {
					if k := len(word); (k < 2 || word[1] == ' ' || byte(b) == word[1]) && (k < 3 || word[1] == ' ' || word[2] == ' ' || byte(c) == word[2]) {
						t[hintSlot(word[0], byte(b), byte(c))] |= h
					}
				}
			}
		}
	}
	add(phoneHint, &phoneContexts)
	add(idHint, &idWords)
	add(cardHint, &cardWords)
	add(cardHint, &payWords)
	for k := range brands {
		add(cardHint, &brands[k].words)
	}
	return t
}()

// maxHints is the length of a text, in bytes, for which one set of hints is kept.
const maxHints = 512

// mayHold reports whether a word of group h may begin in t[from:to]. If not, there is none; if so, it has to be searched for. Candidates
// that are close together search the same bytes, which are read once.
func (sc *scan) mayHold(h hint, from, to int) bool {
	from, to = max(from, 0), min(to, len(sc.t))
	if from < sc.hintFrom || from > sc.hintTo || to-sc.hintFrom > maxHints {
		sc.hints, sc.hintFrom, sc.hintTo = 0, from, from
	}
	if to > sc.hintTo {
		sc.hints |= hintsIn(sc.t, sc.hintTo, to)
		sc.hintTo = to
	}
	return sc.hints&h != 0
}

// hintsIn returns the groups of which a word may begin in t[from:to].
func hintsIn(t string, from, to int) (h hint) {
	prev := charClass[at(t, from-1)]
	for i := from; i < to; i++ {
		c := t[i]
		class := charClass[c]
		if class&cLetter == 0 && c < 0x80 || prev&cLetter != 0 && !(class&cUpper != 0 && prev&cLower != 0) {
			prev = class
			continue
		}
		prev = class
		h |= hintTable[hintSlot(c, at(t, i+1), at(t, i+2))]
	}
	return h
}
