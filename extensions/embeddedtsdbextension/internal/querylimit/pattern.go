package querylimit

import (
	"regexp/syntax"
	"strings"
)

// classSize bounds the bytes of text that a class of characters expands to: the largest Unicode classes have some 700 ranges.
const classSize = 700

// writtenOut returns by how many bytes text would grow if it were a regular expression with its repetitions and classes expanded, or a number above
// limit. Any string of a query may be one (it can be an argument of label_replace). Text that is not a regular expression does not grow.
func writtenOut(text string, limit int) int {
	if !strings.ContainsAny(text, `{\[`) {
		return 0
	}
	// Parsing a class creates its ranges, so count them before parsing.
	if classes := strings.Count(text, `\p`) + strings.Count(text, `\P`); classes > limit/classSize {
		return limit + 1
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return 0
	}
	return max(0, size(tree, limit)-len(text))
}

// size counts the characters and ranges of a regular expression, each as often as it is repeated, and stops above limit. Regular expressions are
// nested at most 1000 deep; syntax.Parse refuses others.
func size(re *syntax.Regexp, limit int) int {
	own := 1
	switch re.Op {
	case syntax.OpConcat, syntax.OpRepeat: // no more than its parts
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
