package logqlpipeline_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlpipeline"
)

func run(t testing.TB, query, line string) *logqlpipeline.Record {
	t.Helper()
	e, err := logql.Parse(query, logql.DefaultLimits)
	require.NoError(t, err)
	p, err := logqlpipeline.Compile(query, e.(*logql.LogQuery).Stages)
	require.NoError(t, err)
	r, ok := p.Run(&logqlpipeline.Entry{Line: line})
	require.True(t, ok)
	return r
}

// A template that would take all memory or time is an error of the line.
func TestTemplatesAreBounded(t *testing.T) {
	for _, template := range []string{
		`{{ range $i := 1000000000 }}{{ end }}`,
		`{{ range $i := 100000 }}{{ range $j := 100000 }}{{ end }}{{ end }}`,
		`{{ if true }}{{ range 1000000 }}{{ end }}{{ end }}`,
		`{{ repeat 1000000000 "x" }}`,
		`{{ repeat 1000000 "xxxxxxxx" }}`,
		`{{ alignLeft 1000000000 "x" }}`,
		`{{ alignRight 1000000000 "x" }}`,
		`{{ indent 1000000000 "x" }}`,
		`{{ nindent 1000000000 "x" }}`,
		`{{ printf "%1000000000d" 1 }}`,
		`{{ printf "%*d" 100000 1 }}`,
		`{{ printf "%-900000s%-900000s" "a" "b" }}`,
		`{{ $x := "xxxxxxxxxxxxxxxx" }}{{ range 100 }}{{ $x = printf "%s%s" $x $x }}{{ end }}`,
		`{{ $x := "xxxxxxxxxxxxxxxx" }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}`,
		`{{ $x := "xxxxxxxxxxxxxxxx" }}{{ range 100 }}{{ $x = replace "x" "xx" $x }}{{ end }}`,
		`{{ $x := "xxxxxxxxxxxxxxxx" }}{{ range 100 }}{{ $x = Replace $x "x" "xx" -1 }}{{ end }}`,
		`{{ $x := "xxxxxxxxxxxxxxxx" }}{{ range 100 }}{{ $x = regexReplaceAll "x" $x "xx" }}{{ end }}`,
		`{{ $x := "xxxxxxxxxxxxxxxx" }}{{ range 100 }}{{ $x = regexReplaceAllLiteral "x" $x "xx" }}{{ end }}`,
		`{{ $x := "<<<<<<<<<<<<<<<<" }}{{ range 100 }}{{ $x = urlencode $x }}{{ $x = replace "%" "<<" $x }}{{ end }}`,
		`{{ range 9999 }}{{ repeat 1000 "x" }}{{ end }}`,
		`{{ div 1 0 }}`, `{{ divf 1 0 }}`, `{{ mod 1 0 }}`, `{{ index .x 5 }}`, `{{ slice .x 5 }}`,
	} {
		r := run(t, "{a=\"b\"} | line_format `"+template+"`", "as it was")
		assert.Equal(t, "TemplateFormatErr", r.Failed(), template)
		assert.Equal(t, "as it was", r.Line, template)
	}
	for template, want := range map[string]string{
		`{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}`: "define and block are not supported",
		`{{ template "x" }}`:                       "template is not supported",
		`{{ range 5 }}{{ template "x" }}{{ end }}`: "template is not supported",
		`{{ call .x }`:                             "invalid template",
		`{{ nothing . }}`:                          `function "nothing" not defined`,
	} {
		query := "{a=\"b\"} | line_format `" + template + "`"
		e, err := logql.Parse(query, logql.DefaultLimits)
		require.NoError(t, err)
		_, err = logqlpipeline.Compile(query, e.(*logql.LogQuery).Stages)
		assert.ErrorContains(t, err, want, template)
		assert.ErrorContains(t, err, "parse error at line 1, col 11: ", template)
	}
}

// Deep JSON is an error of the line.
func TestJSONIsBounded(t *testing.T) {
	for _, line := range []string{
		strings.Repeat(`{"a":`, 1_000_000), `{"a":` + strings.Repeat("[", 1_000_000), `{"a":` + strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 201),
	} {
		assert.Equal(t, "JSONParserErr", run(t, `{a="b"} | json`, line).Failed())
		x, _ := run(t, `{a="b"} | json x="b.a"`, line).Value("x")
		assert.Empty(t, x)
		assert.Equal(t, "JSONParserErr", run(t, `{a="b"} | unpack`, line).Failed())
	}
}

// A line with very many fields keeps the first of them.
func TestLabelsAreBounded(t *testing.T) {
	var line, object strings.Builder
	object.WriteString("{")
	for i := range 5000 {
		fmt.Fprintf(&line, "k%d=v ", i)
		fmt.Fprintf(&object, `"k%d":"v",`, i)
	}
	object.WriteString(`"z":1}`)
	for _, r := range []*logqlpipeline.Record{run(t, `{a="b"} | logfmt`, line.String()), run(t, `{a="b"} | json`, object.String())} {
		assert.Equal(t, "TooManyLabelsErr", r.Failed())
		assert.Len(t, r.Labels(), 2002) // the error and its details
	}
}

// No line makes a parser panic.
func FuzzStages(f *testing.F) {
	for _, line := range []string{
		`{"a":1,"b":{"c":[1,"x"]},"d":"\u00e9"}`, `a=b c="d \"e\"" f= g`, `10.0.0.1 - - [x] "GET / HTTP/1.1" 200`, "\x1b[31mred\x1b[0m", `{"_entry":"x","y":"z"}`,
	} {
		f.Add(line)
	}
	var pipelines []*logqlpipeline.Pipeline
	for _, stages := range []string{
		`| json`, `| json x="a", y="b.c[0]", z="[\"d\"]"`, `| logfmt`, `| logfmt --strict --keep-empty`, `| logfmt a, b="c"`, `| unpack`, `| decolorize`,
		`| pattern "<ip> - <user> [<_>] \"<rest>"`, `| regexp "(?P<x>\\w+)=(?P<y>\\S*)"`, `|> "<_>a<_>b"`, `|= ip("10.0.0.0/8")`, `| json | logfmt | pattern "<a> <b>"`,
		"| line_format `{{ fromJson __line__ }} {{ trunc 3 __line__ | alignLeft 9 }}`", `| json | a > 5 or d > 5s or b_c > 5MB`,
	} {
		query := `{a="b"} ` + stages
		e, err := logql.Parse(query, logql.DefaultLimits)
		require.NoError(f, err, query)
		p, err := logqlpipeline.Compile(query, e.(*logql.LogQuery).Stages)
		require.NoError(f, err, query)
		pipelines = append(pipelines, p)
	}
	stream := logqlpipeline.NewLabels(logqlpipeline.Label{Name: "a", Value: "b"})
	f.Fuzz(func(_ *testing.T, line string) {
		for _, p := range pipelines {
			if r, ok := p.Run(&logqlpipeline.Entry{Line: line, Stream: stream}); ok {
				r.Labels()
			}
		}
	})
}
