package querylimit

import (
	"regexp/syntax"
	"strings"
)

// classSize is how many bytes of text a class of characters is worth at most: the largest Unicode classes have some 700 ranges.
const classSize = 700

// writtenOut returns by how many bytes text would grow if it were a regular expression with its repetitions and classes written
// out, or a number above limit. Any string of a query may be one (label_replace takes it as an argument). Text that is no
// regular expression grows by nothing.
func writtenOut(text string, limit int) int {
	if !strings.ContainsAny(text, `{\[`) {
		return 0
	}
	// Parsing a class makes its ranges, so count those before.
	if classes := strings.Count(text, `\p`) + strings.Count(text, `\P`); classes > limit/classSize {
		return limit + 1
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return 0
	}
	return max(0, size(tree, limit)-len(text))
}

// size counts the characters and ranges of a regular expression, each as often as it is repeated, and stops above limit.
// Regular expressions are nested at most 1000 deep, or else syntax.Parse has refused them.
func size(re *syntax.Regexp, limit int) int {
	own := 1
	switch re.Op {
	case syntax.OpConcat, syntax.OpRepeat: // no more than what is in it
		own = 0
	case syntax.OpLiteral:
		own = len(re.Rune)
	case syntax.OpCharClass:
		own = max(1, len(re.Rune)/2)
	}
	for _, sub := range re.Sub {
		if own += size(sub, limit); own > limit {
			return limit + 1
		}
	}
	if re.Op == syntax.OpRepeat {
		if own *= max(re.Min, re.Max, 1); own > limit { // at most 1000 times limit: no overflow
			return limit + 1
		}
	}
	return own
}
