package logql

import (
	"fmt"
	"regexp"
	"regexp/syntax"
)

// maxRegexpSize bounds the instructions that a regular expression becomes, about: each takes 40 bytes and a step a byte of input.
const maxRegexpSize = 10000

// CompileRegexp compiles an RE2 expression that stays small when its repetitions are written out.
func CompileRegexp(text string) (*regexp.Regexp, error) {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	if regexpSize(tree) > maxRegexpSize {
		return nil, fmt.Errorf("regular expression of more than %d parts, repetitions written out", maxRegexpSize)
	}
	return regexp.Compile(text)
}

func regexpSize(r *syntax.Regexp) int {
	size := 1 + len(r.Rune)/2
	for _, sub := range r.Sub {
		size += regexpSize(sub)
	}
	if r.Op == syntax.OpRepeat {
		size *= max(r.Min, r.Max, 1)
	}
	return min(size, maxRegexpSize+1)
}
