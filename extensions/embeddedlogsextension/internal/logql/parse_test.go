package logql_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
)

// Each query, and the one form in which it is written back; empty: it is in that form already.
var queries = []struct{ text, form string }{
	{`{app="a"}`, ""},
	{`{app!=""}`, ""},
	{`{app="a",b=~"x.*", c!="y", d!~"z"}`, `{app="a", b=~"x.*", c!="y", d!~"z"}`},
	{"{app=`a\\d`} # a comment\n |= `b`", `{app="a\\d"} |= "b"`},
	{`{a="b"}|="x"!="y"|~"z+"!~"q"`, `{a="b"} |= "x" != "y" |~ "z+" !~ "q"`},
	{`{a="b"} |= "x" or "y" or "z" |> "<_>a<_>" !> "b<_>"`, ""},
	{`{a="b"} |= ip("10.0.0.0/8") != ip("1.2.3.4-1.2.3.9")`, ""},
	{`{a="b"} | json`, ""},
	{`{a="b"} | json x="a.b[0]", y`, `{a="b"} | json x="a.b[0]", y="y"`},
	{`{a="b"} | logfmt --strict --keep-empty x="y"`, ""},
	{`{a="b"} | logfmt | json != "error"`, ""},
	{"{a=\"b\"} | regexp `(?P<x>\\w+)`", ""},
	{`{a="b"} | pattern "<ip> - <_>" | unpack | decolorize`, ""},
	{`{a="b"} | x="1", y=~"2" z!="3" | w!~"4"`, `{a="b"} | x="1" and y=~"2" and z!="3" | w!~"4"`},
	{`{a="b"} | a="1" or b="2" and c="3"`, ""},
	{`{a="b"} | (a="1" or b="2") and c="3"`, ""},
	{`{a="b"} | a="1", b="2" or c="3" d="4"`, `{a="b"} | a="1" and (b="2" or c="3" and d="4")`},
	{`{a="b"} | a="1" and b="2", c="3" or d="4"`, `{a="b"} | a="1" and b="2" and (c="3" or d="4")`},
	{`{a="b"} | JSON | a="1" OR b="2" | KEEP By`, `{a="b"} | json | a="1" or b="2" | keep By`},
	{`SUM BY (x) (Rate({a="b"} | UNWRAP Bytes(Of)[1m] OFFSET 1m)) > BOOL 5`, `sum by (x) (rate({a="b"} | unwrap bytes(Of)[1m] offset 1m)) > bool 5`},
	{`{a="b"} | size>20MB and took>=1h30m and n==5 or m!=-1.5`, ""},
	{`{a="b"} | n=5`, `{a="b"} | n==5`},
	{`{a="b"} | addr=ip("10.0.0.1")`, ""},
	{"{a=\"b\"} | line_format `{{.x}} \"y\"`", ""},
	{`{a="b"} | label_format x=y, z="{{.w}}"`, ""},
	{`{a="b"} | drop x, y="z", w=~"v" | keep u`, ""},
	{`count_over_time({a="b"}[5m])`, ""},
	{`count_over_time({a="b"}[5m] |= "x" | json)`, `count_over_time({a="b"} |= "x" | json[5m])`},
	{`count_over_time(({a="b"} |= "x")[1h30m] offset 1m)`, `count_over_time({a="b"} |= "x"[1h30m] offset 1m)`},
	{`rate({a="b"}[1d] offset -1w)`, `rate({a="b"}[24h] offset -168h)`},
	{`sum by (x, y) (rate({a="b"}[1m]))`, ""},
	{`sum(rate({a="b"}[1m])) without (x)`, `sum without (x) (rate({a="b"}[1m]))`},
	{`topk(5, sum by (x) (rate({a="b"}[1m])))`, ""},
	{`topk by (y) (5, rate({a="b"}[1m]))`, ""},
	{`quantile_over_time(0.99, {a="b"} | json | unwrap duration(took) | __error__="" [1m]) by (x)`,
		`quantile_over_time(0.99, {a="b"} | json | unwrap duration(took) | __error__=""[1m]) by (x)`},
	{`sum_over_time({a="b"}|logfmt|unwrap x[1m])`, `sum_over_time({a="b"} | logfmt | unwrap x[1m])`},
	{`absent_over_time({a="b"}[1m])`, ""},
	{`1 + 2 * 3`, `7`},
	{`2 ^ 3 ^ 2`, `512`},
	{`vector(1)+vector(1)`, `vector(1) + vector(1)`},
	{`rate({a="b"}[1m]) / rate({a="b"}[1m]) * 100 > bool 5`, `((rate({a="b"}[1m]) / rate({a="b"}[1m])) * 100) > bool 5`},
	{`rate({a="b"}[1m]) and on (x) rate({c="d"}[1m])`, ""},
	{`rate({a="b"}[1m]) * on (x) group_left (y) rate({c="d"}[1m])`, ""},
	{`rate({a="b"}[1m]) + bool on (x) 1`, `rate({a="b"}[1m]) + 1`},
	{`rate({a="b"}[1m]) or on (x) group_left (y) vector(1)`, `rate({a="b"}[1m]) or on (x) vector(1)`},
	{`rate({a="b"}[1m]) - ignoring (x) rate({c="d"}[1m])`, ""},
	{`sort_desc(sum by (x) (rate({a="b"}[1m])))`, ""},
	{`label_replace(rate({a="b"}[1m]), "x", "$1", "y", "(.*)")`, ""},
	{`{a="b"} | json | level="x" | line_format "by {{.by}}" | by="on"`, ""},
}

func TestParse(t *testing.T) {
	for _, q := range queries {
		want := q.form
		if want == "" {
			want = q.text
		}
		e, err := logql.Parse(q.text, logql.DefaultLimits)
		if !assert.NoError(t, err, q.text) {
			continue
		}
		assert.Equal(t, want, e.String(), q.text)
		again, err := logql.Parse(e.String(), logql.DefaultLimits)
		require.NoError(t, err, e.String())
		assert.Equal(t, want, again.String())
	}
}

func TestParseErrors(t *testing.T) {
	for query, want := range map[string]string{
		``:                                       `line 1, col 1: unexpected end of query, expecting a selector {...}, a function, a number or "("`,
		`{`:                                      `line 1, col 2: unexpected end of query, expecting a name`,
		`{}`:                                     `line 1, col 1: queries require at least one matcher`,
		`{a=~".*"}`:                              `line 1, col 1: queries require at least one`,
		`{a!="b"}`:                               `line 1, col 1: queries require at least one`,
		`{a="b",}`:                               `line 1, col 8: unexpected "}", expecting a name`,
		`{a="b"`:                                 `line 1, col 7: unexpected end of query, expecting ","`,
		`{a=b}`:                                  `line 1, col 4: unexpected "b", expecting a string`,
		"{a=\"b\"}\n |= foo":                     `line 2, col 5: unexpected "foo", expecting a string`,
		`{a="b} `:                                `line 1, col 4: string without an end`,
		`{a="\q"}`:                               `line 1, col 4: string with an unknown escape`,
		`{a=~"("}`:                               "line 1, col 5: error parsing regexp: missing closing )",
		`{a=~"a)(b"}`:                            "line 1, col 5: error parsing regexp: unexpected )",
		`{a=~"((x{1000}){1000}){10}"}`:           "line 1, col 5: error parsing regexp",
		`{a="b"} |~ "x{500}y{500}(z{100}){100}"`: "line 1, col 12: ",
		`{a="b"} § `:                             `line 1, col 9: unexpected character '§'`,
		`{a="b"} | regexp "x"`:                   `line 1, col 18: at least one named group is needed`,
		`{a="b"} | logfmt --loose`:               `line 1, col 18: unknown flag --loose`,
		`{a="b"} | distinct x`:                   "line 1, col 11: `distinct` is not supported",
		`{a="b"} | label_format x=y, x=z`:        `line 1, col 29: multiple label name "x" not allowed`,
		`{a="b"} | label_format __error__="x"`:   `line 1, col 24: __error__ cannot be formatted`,
		`{a="b"} | x > foo`:                      `line 1, col 15: unexpected "foo", expecting a string, a number, a duration or a size`,
		`{a="b"} | x > 5q`:                       `line 1, col 15: "5q" is neither a duration nor a size`,
		`{a="b"} | x =~ 5`:                       `line 1, col 16: unexpected "5", expecting a string`,
		`{a="b"} | addr = ip("x")`:               `line 1, col 21: "x" is not an address, a range or a CIDR`,
		`{a="b"} + 1`:                            `line 1, col 9: "+" takes metric queries, not lines`,
		`rate_counter({a="b"} | unwrap x[1m])`:   "line 1, col 1: `rate_counter` is not supported",
		`approx_topk(5, rate({a="b"}[1m]))`:      "line 1, col 1: `approx_topk` is not supported",
		`variants(rate({a="b"}[1m])) of ({a="b"}[1m])`:  "line 1, col 1: `variants` is not supported",
		`sum_over_time({a="b"}[1m])`:                    `line 1, col 1: invalid aggregation sum_over_time without unwrap`,
		`count_over_time({a="b"} | unwrap x[1m])`:       `line 1, col 1: invalid aggregation count_over_time with unwrap`,
		`sum_over_time({a="b"} | unwrap x [1m]) by (y)`: `line 1, col 40: grouping not allowed for sum_over_time`,
		`rate({a="b"})`:                                 `line 1, col 13: unexpected ")", expecting a range such as [5m]`,
		`rate({a="b"}[5])`:                              `line 1, col 14: unexpected "5", expecting a duration`,
		`sum({a="b"})`:                                  `line 1, col 5: expecting a metric query, not lines`,
		`topk(0, rate({a="b"}[1m]))`:                    `line 1, col 6: invalid parameter "0" of topk`,
		`rate({a="b"}[1m]) and 1`:                       `line 1, col 19: "and" takes no numbers`,
		`({a="b"}) |= "x"`:                              `line 1, col 11: unexpected "|=", expecting end of query`,
		`vector(-1)`:                                    `line 1, col 8: unexpected "-", expecting a number`,
		`rate({a="b"}[1.5h])`:                           `line 1, col 14: the range "1.5h" has to be whole numbers`,
		`rate({a="b"}[1m1h])`:                           `line 1, col 14: the range "1m1h" has to be whole numbers`,
		`rate({a="b"}[ 1m ])`:                           `line 1, col 13: no spaces between the brackets of a range: [1m]`,
		`sum_over_time({a="b"} | unwrap foo(x)[1m])`:    "line 1, col 32: `foo` is not supported",
		`sum_over_time({a="b"} | unwrap x | json [1m])`: `line 1, col 36: only label filters stand behind unwrap`,
	} {
		_, err := logql.Parse(query, logql.DefaultLimits)
		assert.ErrorContains(t, err, "parse error at "+want, query)
	}
}

func TestLimits(t *testing.T) {
	for name, query := range map[string]string{
		"bytes":                 `{a="` + strings.Repeat("x", logql.DefaultLimits.Length) + `"}`,
		"tokens":                `{a="b"}` + strings.Repeat(`|="x"`, logql.DefaultLimits.Tokens),
		"brackets in each":      strings.Repeat("(", 1000) + "1" + strings.Repeat(")", 1000),
		"brackets":              `{a="b"} | x=1` + strings.Repeat(", x=1 or x=1", 500),
		"more than 64 brackets": `{a="b"} | ` + strings.Repeat("(", 1000) + `x="y"` + strings.Repeat(")", 1000),
	} {
		_, err := logql.Parse(query, logql.DefaultLimits)
		assert.ErrorContains(t, err, name)
	}
}

// No text panics, and what is read is read again the same from its own form.
func FuzzParse(f *testing.F) {
	for _, q := range queries {
		f.Add(q.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := logql.Parse(text, logql.DefaultLimits)
		if err != nil {
			var at *logql.Error
			require.ErrorAs(t, err, &at)
			return
		}
		form := e.String()
		again, err := logql.Parse(form, logql.Limits{Length: 1 << 20, Depth: 256, Tokens: 20000})
		require.NoError(t, err, form)
		require.Equal(t, form, again.String())
	})
}
