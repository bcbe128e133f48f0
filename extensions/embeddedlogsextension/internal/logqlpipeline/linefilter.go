package logqlpipeline

import (
	"net/netip"
	"regexp"
	"strings"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
)

// lineFilter keeps lines that one of its matches finds, or with not those that none finds.
type lineFilter struct {
	not     bool
	matches []func(line string) bool
}

func newLineFilter(f *logql.LineFilter) (stage, error) {
	s := &lineFilter{not: f.Op[0] == '!'}
	for _, a := range f.Alternatives {
		match, err := lineMatch(f.Op, a)
		if err != nil {
			return nil, err
		}
		s.matches = append(s.matches, match)
	}
	return s, nil
}

func lineMatch(op string, a logql.LineMatch) (func(string) bool, error) {
	switch {
	case a.IP:
		within, err := newIPRange(a.Text)
		return within.inLine, err
	case op == "|~" || op == "!~":
		re, err := logql.CompileRegexp(a.Text)
		if err != nil {
			return nil, err
		}
		return gated(re), nil
	case op == "|>" || op == "!>":
		p, err := parsePattern(a.Text)
		if err != nil {
			return nil, err
		}
		return p.test, p.anonymous()
	}
	return func(line string) bool { return strings.Contains(line, a.Text) }, nil
}

// gated looks for the literal beginning of an expression first: the expression itself is fifty times slower.
func gated(re *regexp.Regexp) func(string) bool {
	prefix, whole := re.LiteralPrefix()
	if whole {
		return func(line string) bool { return strings.Contains(line, prefix) }
	}
	return func(line string) bool { return strings.Contains(line, prefix) && re.MatchString(line) }
}

func (s *lineFilter) run(r *Record) bool {
	for _, match := range s.matches {
		if match(r.Line) {
			return !s.not
		}
	}
	return s.not
}

type ipRange struct{ first, last netip.Addr }

func newIPRange(text string) (*ipRange, error) {
	first, last, err := logql.ParseIPRange(text)
	return &ipRange{first, last}, err
}

func (p *ipRange) contains(text string) (in, isAddress bool) {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return false, false
	}
	return addr.Is4() == p.first.Is4() && addr.Compare(p.first) >= 0 && addr.Compare(p.last) <= 0, true
}

// inLine looks at all that is written in the letters of addresses.
func (p *ipRange) inLine(line string) bool {
	for line != "" {
		begin := strings.IndexAny(line, "0123456789abcdefABCDEF:")
		if begin < 0 {
			return false
		}
		line = line[begin:]
		end := 0
		for end < len(line) && isAddressLetter(line[end]) {
			end++
		}
		word := strings.TrimRight(line[:end], ".:")
		if in, is := p.contains(word); is {
			if in {
				return true
			}
		} else if host, _, ok := strings.Cut(word, ":"); ok { // with a port
			if in, _ := p.contains(host); in {
				return true
			}
		}
		line = line[end:]
	}
	return false
}

func isAddressLetter(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' || c == ':' || c == '.'
}
