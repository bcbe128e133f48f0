package querylimit_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/querylimit"
)

var text = querylimit.Text{Length: 1000, Depth: 10, Tokens: 100}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		query string
		want  querylimit.Reason // empty: admitted
	}{
		"empty":                        {"", ""},
		"ordinary":                     {`sum by (job) (rate(http_requests_total{code=~"5.."}[5m])) / on (job) group_left sum(up)`, ""},
		"as long as may be":            {strings.Repeat("a", 1000), ""},
		"too long":                     {strings.Repeat("a", 1001), querylimit.TooLong},
		"long comment":                 {"up # " + strings.Repeat("a", 1001), querylimit.TooLong},
		"as deep as may be":            {strings.Repeat("(", 10) + "1" + strings.Repeat(")", 10), ""},
		"parentheses":                  {strings.Repeat("(", 11) + "1" + strings.Repeat(")", 11), querylimit.TooDeep},
		"never closed":                 {strings.Repeat("(", 11), querylimit.TooDeep},
		"signs":                        {strings.Repeat("-", 11) + "1", querylimit.TooDeep},
		"signs with spaces":            {strings.Repeat("- +\n", 6) + "1", querylimit.TooDeep},
		"signs in parentheses":         {strings.Repeat("-(", 6) + strings.Repeat("-", 6) + "1", querylimit.TooDeep},
		"side by side":                 {strings.Repeat("(1)+", 20) + "1", ""},
		"closed before it was opened":  {strings.Repeat(")", 50) + strings.Repeat("(", 11), querylimit.TooDeep},
		"subqueries":                   {"a" + strings.Repeat("[1:1]", 25), querylimit.TooMany},
		"sum of many":                  {strings.Repeat("1+", 60) + "1", querylimit.TooMany},
		"brackets in a string":         {`{a="` + strings.Repeat("(", 50) + `"}`, ""},
		"behind an escaped quote":      {`{a="\"` + strings.Repeat("(", 50) + `"}`, ""},
		"brackets behind a raw string": {"{a=`\\`}" + strings.Repeat("(", 50), querylimit.TooDeep},
		"brackets in a comment":        {"up #" + strings.Repeat("(", 50) + "\n + up", ""},
		"brackets behind a comment":    {"up # \"\n" + strings.Repeat("(", 50), querylimit.TooDeep},
		"string never closed":          {`{a="` + strings.Repeat("(", 50), ""},
		"repetition":                   {`{a=~"x{900}"}`, ""},
		"repetition written out":       {`{a=~"x{1000}"}`, querylimit.TooLong},
		"repetition of a repetition":   {`{a=~"((xyz{3}){10}){30}"}`, querylimit.TooLong},
		"repetition in single quotes":  {`{a!~'(xyz\'"{10}){100}'}`, querylimit.TooLong},
		"repetition in a raw string":   {"{a=~`(xyz{10}){100}`}", querylimit.TooLong},
		"two that are too long as one": {`{a=~"x{600}",b=~"x{600}"}`, querylimit.TooLong},
		"an argument is one as well":   {`label_replace(up, "a", "$1", "b", "(xyz{10}){100}")`, querylimit.TooLong},
		"a class of many ranges":       {`{a=~"\\pL\\pL"}`, querylimit.TooLong},
		"no regular expression":        {`{a=~"x{1001}"}`, ""},
		"a pattern of every day":       {`{pod=~"api-[a-z0-9]{5,10}-[a-z0-9]{5}"}`, ""},
	} {
		err := text.Check(c.query)
		if c.want == "" {
			assert.NoError(t, err, name)
			continue
		}
		var limit *querylimit.Error
		if assert.ErrorAs(t, err, &limit, name) {
			assert.Equal(t, c.want, limit.Reason, name)
			assert.Contains(t, err.Error(), fmt.Sprint(limit.Limit), name)
			assert.Contains(t, err.Error(), "query::max_", name)
		}
	}
}

func TestSelectorsOfOneRequestCountTogether(t *testing.T) {
	assert.NoError(t, text.CheckAll([]string{`{a="b"}`, `{c="d"}`}))
	long := `{a="` + strings.Repeat("x", 600) + `"}`
	assert.NoError(t, text.CheckAll([]string{long}))
	err := text.CheckAll([]string{long, long})
	assert.ErrorContains(t, err, "longer than 1000 bytes", "the error names the limit that is configured")
	assert.Error(t, text.CheckAll(strings.Split(strings.Repeat("a,", 150), ",")))
}

// The scan never counts fewer tokens than Prometheus' lexer finds, and never less depth than the syntax tree has in parentheses,
// signs and subqueries: so what it admits costs the parser no more than the limits say.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		`sum by (job) (rate(http_requests_total{code=~"5.."}[5m:1m] offset -1h @ end()))`, `-(-(- -1))`, "{a='\\'', \"b\"!~`x{3}`} # c\n or 0x1p-3",
		`a[1m:][1h:1m][1d:5m]`, `1m2s+.5e3>bool 2`, `{"a.b"}`, `up ^ -2 ^ -+2`, `a:b:c[5m:]`, `x smoothed </2`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		if len(query) > 1000 {
			return
		}
		tokens := 0
		lexer := parser.Lex(query)
		for {
			var item parser.Item
			lexer.NextItem(&item)
			if item.Typ == parser.EOF || item.Typ == parser.ERROR {
				break
			}
			if item.Typ != parser.COMMENT {
				tokens++
			}
		}
		wide := querylimit.Text{Length: 1 << 20, Depth: 1 << 20, Tokens: 1 << 20}
		if tokens > 0 {
			assert.Error(t, querylimit.Text{Length: wide.Length, Depth: wide.Depth, Tokens: tokens - 1}.Check(query), "%d tokens", tokens)
		}
		tree, err := parser.NewParser(parser.Options{}).ParseExpr(query)
		if err != nil {
			return
		}
		if deep := nesting(tree); deep > 0 {
			assert.Error(t, querylimit.Text{Length: wide.Length, Depth: deep - 1, Tokens: wide.Tokens}.Check(query), "nested %d deep", deep)
		}
	})
}

// nesting counts how many parentheses, calls and signs lie in each other.
func nesting(node parser.Node) int {
	deepest := 0
	for child := range parser.ChildrenIter(node) {
		deepest = max(deepest, nesting(child))
	}
	switch node.(type) {
	case *parser.ParenExpr, *parser.Call, *parser.AggregateExpr:
		deepest++
	}
	return deepest
}

// The largest queries that the default limits admit, in the shapes that cost the parser most.
func BenchmarkWorstAdmitted(b *testing.B) {
	limits := querylimit.Text{Length: 256 << 10, Depth: 128, Tokens: 5_000}
	deep := strings.Repeat("(", 128) + "1" + strings.Repeat(")", 128)
	for name, query := range map[string]string{
		"sum":         strings.Repeat("1+", 2499) + "1",
		"power":       strings.Repeat("1^", 2499) + "1",
		"parentheses": strings.Repeat(deep+"+", 19) + "1",
		"matchers":    `{` + strings.Repeat(`a="b",`, 1240) + `}`,
		"patterns":    `{` + strings.Repeat(`a=~"x.*y{90}",`, 990) + `}`,
		"pattern":     `{a=~"x.*(` + strings.Repeat("[ab]", 250) + `){1000}"}`,
		"classes":     `{a=~"` + strings.Repeat(`\\pL`, 300) + `"}`,
		"alternation": `{a=~"` + strings.Repeat(`x[ab]y|`, 36000) + `z"}`,
	} {
		require.NoError(b, limits.Check(query), name)
		b.Run(name+"/scan", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = limits.Check(query)
			}
		})
		b.Run(name+"/parse", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = parser.NewParser(parser.Options{}).ParseExpr(query)
			}
		})
	}
}

func ExampleText_Check() {
	limits := querylimit.Text{Length: 1000, Depth: 3, Tokens: 100}
	err := limits.Check("((((1))))")
	var limit *querylimit.Error
	fmt.Println(errors.As(err, &limit), limit.Reason)
	// Output: true too_deep
}
