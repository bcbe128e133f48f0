package detect

import "math"

const minRandom = 20 // characters a random token has at least

// highEntropy detects long tokens whose characters are distributed like random ones. It is a second pass, which costs nothing unless it is
// enabled.
func (sc *scan) highEntropy() {
	n := len(sc.out)
	for i := 0; i < len(sc.t); {
		if !is(sc.t[i], cBase64) {
			i++
			continue
		}
		end := i
		for end < len(sc.t) && (is(sc.t[end], cBase64) || sc.t[end] == '+' || sc.t[end] == '/' || sc.t[end] == '=') {
			end++
		}
		if end-i >= minRandom && sc.random(i, end) && !overlaps(sc.out[sc.base:n], i, end) {
			sc.out = append(sc.out, Span{i, end, HighEntropy})
		}
		i = end
	}
	sortSpans(sc.out[sc.base:])
}

// random: digits, upper and lower case mixed, and Shannon entropy over the threshold. A UUID or a hexadecimal hash has one case.
func (sc *scan) random(i, end int) bool {
	var count [256]uint16
	var classes uint8
	n := min(end-i, 1<<12)
	for _, c := range []byte(sc.t[i : i+n]) {
		count[c]++
		classes |= charClass[c] & (cDigit | cUpper | cLower)
	}
	if classes != cDigit|cUpper|cLower {
		return false
	}
	h := 0.0
	for _, c := range count {
		if c > 0 {
			p := float64(c) / float64(n)
			h -= p * math.Log2(p)
		}
	}
	return h >= sc.entropy
}
