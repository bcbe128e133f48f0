package line_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/receivers/statsdserverreceiver/internal/line"
)

func tags(l line.Line) (all []string) {
	for _, t := range l.Tags {
		all = append(all, string(t))
	}
	return all
}

func TestParse(t *testing.T) {
	for text, check := range map[string]func(*testing.T, line.Line){
		"hits:1|c": func(t *testing.T, l line.Line) {
			assert.Equal(t, "hits", string(l.Name))
			assert.Equal(t, line.Counter, l.Kind)
			assert.Equal(t, []float64{1}, l.Values)
			assert.Equal(t, 1.0, l.Rate)
		},
		"hits:-0.5|c|@0.7|#canary,env:prod,url:http://a/b": func(t *testing.T, l line.Line) {
			assert.Equal(t, []float64{-0.5}, l.Values)
			assert.Equal(t, 0.7, l.Rate)
			assert.Equal(t, []string{"canary", "env:prod", "url:http://a/b"}, tags(l))
		},
		"t:1:2.5:3e2|d|#a|@0.5": func(t *testing.T, l line.Line) {
			assert.Equal(t, []float64{1, 2.5, 300}, l.Values)
			assert.Equal(t, 0.5, l.Rate)
			assert.Equal(t, line.Histogram, l.Kind)
		},
		"t:320|ms": func(t *testing.T, l line.Line) { assert.Equal(t, line.Timer, l.Kind) },
		"t:320|h":  func(t *testing.T, l line.Line) { assert.Equal(t, line.Histogram, l.Kind) },
		"q:+5:-3:2|g": func(t *testing.T, l line.Line) {
			assert.Equal(t, []float64{5, -3, 2}, l.Values)
			assert.Equal(t, []bool{true, true, false}, l.Relative)
		},
		"u:a:b|s": func(t *testing.T, l line.Line) { assert.Equal(t, "a:b", string(l.Member)) },
		"hits:3|c|T1656581400|c:ci-83c0a99c|e:it-false|card:low": func(t *testing.T, l line.Line) {
			assert.Equal(t, int64(1656581400), l.Time)
			assert.Equal(t, "83c0a99c", string(l.Container))
			assert.Equal(t, 2, l.Ignored)
		},
		"hits:3|c|c:83c0": func(t *testing.T, l line.Line) { assert.Equal(t, "83c0", string(l.Container)) },
		"hits:3|c|c:in-99": func(t *testing.T, l line.Line) {
			assert.Empty(t, l.Container)
			assert.Equal(t, 1, l.Ignored)
		},
		"hits:3|c|#|": func(t *testing.T, l line.Line) { assert.Empty(t, l.Tags) },
	} {
		var l line.Line
		assert.Empty(t, l.Parse([]byte(text)), text)
		check(t, l)
	}
}

func TestRefused(t *testing.T) {
	for text, reason := range map[string]string{
		"":                                     line.NoName,
		":1|c":                                 line.NoName,
		"hits":                                 line.NoValue,
		"hits|c":                               line.NoValue,
		"hits|c|#a:b":                          line.NoValue,
		"hits:|c":                              line.NoValue,
		"hits:1":                               line.NoType,
		"hits:1|":                              line.NoType,
		"hits:1|x":                             line.UnknownType,
		"hits:1|C":                             line.UnknownType,
		"hits:one|c":                           line.BadValue,
		"hits:1:|c":                            line.BadValue,
		"hits:NaN|c":                           line.BadValue,
		"hits:inf|g":                           line.BadValue,
		"hits:0x10|c":                          line.BadValue,
		"hits:1e999|c":                         line.BadValue,
		"hits:1e308|c|@0.01":                   line.BadValue,
		"hits:1|c|@":                           line.BadRate,
		"hits:1|c|@0":                          line.BadRate,
		"hits:1|c|@-1":                         line.BadRate,
		"hits:1|c|@1.5":                        line.BadRate,
		"hits:1|c|Tnow":                        line.BadTime,
		"hits:1|c|T-5":                         line.BadTime,
		"hits:1|c|T99999999999":                line.BadTime,
		"q:+1|g|T1656581400":                   line.RelativeWithTime,
		"_e{5,4}:title|text":                   line.Event,
		"_sc|redis|0":                          line.ServiceCheck,
		"h:1|c|#" + strings.Repeat("a,", 1025): line.TooManyTags,
	} {
		var l line.Line
		assert.Equal(t, reason, l.Parse([]byte(text)), "%.40q", text)
	}
}

// No text panics, and an accepted line has a name, a kind and a value.
func FuzzParse(f *testing.F) {
	f.Add([]byte("hits:1|c|@0.5|#a:b,c|c:x|T1"))
	f.Add([]byte("u:a|s"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var l line.Line
		if l.Parse(text) != "" {
			return
		}
		if len(l.Name) == 0 || l.Rate <= 0 || l.Rate > 1 || (l.Kind == line.Set) != (len(l.Values) == 0) || len(l.Values) != len(l.Relative) {
			t.Fatalf("%q: %+v", text, l)
		}
	})
}
