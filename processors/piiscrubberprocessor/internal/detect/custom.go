package detect

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Custom is a user-defined detector: a pattern, and further conditions.
type Custom struct {
	re       *regexp.Regexp
	literal  string // every match begins with it
	valid    func(number) bool
	keywords []string // lower-case
	within   int
}

// validators by name, for custom patterns. They get the letters and digits of a match.
var validators = map[string]func(number) bool{
	"luhn":     func(d number) bool { return allDigits(d) && luhn(d) },
	"mod97":    func(d number) bool { return d.n > 4 && mod97(d.b[:d.n]) },
	"verhoeff": func(d number) bool { return allDigits(d) && verhoeff(d) },
}

func allDigits(d number) bool {
	for i := range d.n {
		if !is(d.b[i], cDigit) {
			return false
		}
	}
	return d.n > 0
}

// Validators lists the names that NewCustom accepts.
func Validators() []string { return []string{"luhn", "mod97", "verhoeff"} }

// NewCustom compiles a pattern (RE2, so linear). If it has a group, the first group is the finding, else the whole match. With keywords,
// one of them, in any case, must be within that many bytes of the match or in the key; within 0 means 64.
func NewCustom(pattern, validator string, keywords []string, within int) (Custom, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return Custom{}, err
	}
	if re.MatchString("") {
		return Custom{}, fmt.Errorf("matches the empty string")
	}
	c := Custom{re: re, within: within}
	if c.within == 0 {
		c.within = 64
	}
	if validator != "" {
		ok := false
		if c.valid, ok = validators[validator]; !ok {
			return Custom{}, fmt.Errorf("unknown validator %q, want one of %v", validator, Validators())
		}
	}
	for _, k := range keywords {
		c.keywords = append(c.keywords, strings.ToLower(k))
	}
	c.literal, _ = re.LiteralPrefix()
	return c, nil
}

// customSpans adds the matches of pattern k.
func (sc *scan) customSpans(k int) {
	c := &sc.custom[k]
	added := len(sc.out)
	for i := 0; i < len(sc.t); {
		if c.literal != "" {
			n := strings.Index(sc.t[i:], c.literal)
			if n < 0 {
				break
			}
			// The pattern may check the preceding character (\b): include the rune before.
			if i += n; i > 0 {
				i--
			}
		}
		loc := c.re.FindStringSubmatchIndex(sc.t[i:])
		if loc == nil {
			break
		}
		start, end := i+loc[0], i+loc[1]
		next := max(end, i+1)
		if len(loc) > 3 && loc[2] >= 0 {
			start, end = i+loc[2], i+loc[3]
		}
		i = next
		if end > start && c.accepts(sc, start, end) {
			sc.out = append(sc.out, Span{start, end, FirstCustom + Kind(k)})
		}
	}
	if len(sc.out) > added {
		sc.out = merge(sc.out, sc.base)
	}
}

func (c *Custom) accepts(sc *scan, start, end int) bool {
	if len(c.keywords) > 0 {
		low, high := max(0, start-c.within), min(len(sc.t), end+c.within)
		if !containsFold(sc.key, c.keywords) && !containsFold(sc.t[low:start], c.keywords) && !containsFold(sc.t[end:high], c.keywords) {
			return false
		}
	}
	if markAround(sc.t, start) > 0 || markAround(sc.t, end-1) > 0 || mailToken(sc.t, start, end) {
		return false
	}
	if c.valid != nil {
		var d number
		for _, ch := range []byte(sc.t[start:end]) {
			if is(ch, cLower) {
				ch -= 32
			}
			if is(ch, cAlnum) {
				d.add(ch)
			}
		}
		return c.valid(d)
	}
	return true
}

// mailToken reports whether t[start:end] is part of a mail address that tokenize wrote.
func mailToken(t string, start, end int) bool {
	at := strings.IndexByte(t[start:min(len(t), end+maxToken)], '@') + start
	if at < start && start > 0 {
		at = strings.LastIndexByte(t[max(0, start-maxDomain):start], '@') + max(0, start-maxDomain)
	}
	if at < 0 || at >= len(t) || t[at] != '@' {
		return false
	}
	low, high := runBack(t, at, cLower, maxToken), run(t, at+1, cKey, maxDomain)
	return low < end && start < high && strings.HasSuffix(t[at:high], TokenDomain)
}

func containsFold(t string, keywords []string) bool {
	for _, k := range keywords {
		for i := 0; i+len(k) <= len(t); i++ {
			if foldAt(t, i, k) {
				return true
			}
		}
	}
	return false
}

func sortSpans(s []Span) {
	slices.SortFunc(s, func(a, b Span) int { return a.Start - b.Start })
}

// merge orders the spans from base on. A span inside another is dropped; two that overlap in part become one.
func merge(s []Span, base int) []Span {
	slices.SortStableFunc(s[base:], func(a, b Span) int {
		if a.Start != b.Start {
			return a.Start - b.Start
		}
		return b.End - a.End
	})
	out := s[:base]
	for _, x := range s[base:] {
		if n := len(out); n > base && out[n-1].End > x.Start {
			out[n-1].End = max(out[n-1].End, x.End)
			continue
		}
		out = append(out, x)
	}
	return out
}

func overlaps(s []Span, start, end int) bool {
	for _, x := range s {
		if x.Start < end && start < x.End {
			return true
		}
	}
	return false
}
