package logqlpipeline

import (
	"regexp"
	"strings"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
)

type regexpStage struct {
	re    *regexp.Regexp
	names []string
}

func newRegexpStage(s *logql.Regexp) (stage, error) {
	re, err := logql.CompileRegexp(s.Text)
	if err != nil {
		return nil, err
	}
	return &regexpStage{re, re.SubexpNames()}, nil
}

func (s *regexpStage) run(r *Record) bool {
	at := s.re.FindStringSubmatchIndex(r.Line)
	for i := 1; i < len(s.names) && at != nil; i++ {
		if s.names[i] == "" {
			continue
		}
		value := ""
		if at[2*i] >= 0 {
			value = r.Line[at[2*i]:at[2*i+1]]
		}
		r.extract(s.names[i], value)
	}
	return true
}

// maxNames bounds the names remembered by one stage.
const maxNames = 4096

// names remembers what field names become as labels.
type names struct{ known map[string]string }

func newNames() *names { return &names{make(map[string]string)} }

// of replaces what no label can have by _, and puts one before a digit.
func (n *names) of(field string) string {
	if label, ok := n.known[field]; ok {
		return label
	}
	label := sanitize(field)
	if len(n.known) < maxNames {
		n.known[strings.Clone(field)] = label // texts of entries don't stay
	}
	return label
}

func sanitize(field string) string {
	out := make([]byte, 0, len(field)+1)
	for i, c := range field {
		digit := '0' <= c && c <= '9'
		if digit && i == 0 {
			out = append(out, '_')
		}
		if digit || c < 0x80 && isLetter(byte(c)) {
			out = append(out, byte(c))
		} else {
			out = append(out, '_')
		}
	}
	return string(out)
}

type selectStage struct{ s *logql.Select }

// run drops the labels that are named, or keeps nothing else. Labels about errors are kept.
func (s *selectStage) run(r *Record) bool {
	kept := r.fields[:0]
	for _, f := range r.fields {
		named := s.names(f.Label)
		if named == s.s.Keep || s.s.Keep && (f.Name == ErrorLabel || f.Name == DetailsLabel) {
			kept = append(kept, f)
		}
	}
	r.fields = kept
	return true
}

func (s *selectStage) names(l Label) bool {
	for i := range s.s.Matchers {
		m := &s.s.Matchers[i]
		if m.Name == l.Name && (m.Op == "" || m.Matches(l.Value)) {
			return true
		}
	}
	return false
}

type decolorizeStage struct{}

var colors = regexp.MustCompile("[\u001b\u009b][[()#;?]*(?:[0-9]{1,4}(?:;[0-9]{0,4})*)?[0-9A-PR-TZcf-ntqry=><~]")

func (decolorizeStage) run(r *Record) bool {
	for i := 0; i < len(r.Line); i++ {
		if r.Line[i] == 0x1b || r.Line[i] == 0xc2 {
			r.Line = colors.ReplaceAllString(r.Line, "")
			break
		}
	}
	return true
}
