package logqlpipeline

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"time"
	"unicode"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
)

// templateFunctions are those that Loki documents. Each text that one makes is bounded.
func templateFunctions() template.FuncMap {
	all := template.FuncMap{}
	for _, group := range []template.FuncMap{textFunctions(), numberFunctions(), timeFunctions(), printFunctions(), expressionFunctions()} {
		for name, f := range group {
			all[name] = f
		}
	}
	return all
}

func checked(s string) (string, error) {
	if len(s) > maxOutput {
		return "", errOutput
	}
	return s, nil
}

// replace counts before it makes the text.
func replace(old, with, s string) (string, error) {
	if grows := len(with) - len(old); grows > 0 && len(s)+strings.Count(s, old)*grows > maxOutput {
		return "", errOutput
	}
	return strings.ReplaceAll(s, old, with), nil
}

func repeat(n any, s string) (string, error) {
	count := max(whole(n), 0)
	if len(s) > 0 && count > int64(maxOutput/len(s)) {
		return "", errOutput
	}
	return strings.Repeat(s, int(count)), nil
}

func indent(n any, s string) (string, error) {
	pad, err := repeat(n, " ")
	if err != nil {
		return "", err
	}
	inner, err := replace("\n", "\n"+pad, s)
	return pad + inner, err
}

func textFunctions() template.FuncMap {
	return template.FuncMap{
		"ToLower": strings.ToLower, "lower": strings.ToLower, "ToUpper": strings.ToUpper, "upper": strings.ToUpper,
		"Trim": strings.Trim, "TrimLeft": strings.TrimLeft, "TrimRight": strings.TrimRight,
		"TrimPrefix": strings.TrimPrefix, "TrimSuffix": strings.TrimSuffix, "TrimSpace": strings.TrimSpace,
		"trim": strings.TrimSpace, "title": title, "trunc": trunc, "substr": substr,
		"trimAll":    func(cut, s string) string { return strings.Trim(s, cut) },
		"trimSuffix": func(cut, s string) string { return strings.TrimSuffix(s, cut) },
		"trimPrefix": func(cut, s string) string { return strings.TrimPrefix(s, cut) },
		"contains":   func(part, s string) bool { return strings.Contains(s, part) },
		"hasPrefix":  func(part, s string) bool { return strings.HasPrefix(s, part) },
		"hasSuffix":  func(part, s string) bool { return strings.HasSuffix(s, part) },
		"replace":    replace, "repeat": repeat, "indent": indent,
		"nindent": func(n any, s string) (string, error) {
			text, err := indent(n, s)
			return "\n" + text, err
		},
		"Replace": func(s, old, with string, n any) (string, error) {
			if count := int(whole(n)); count >= 0 {
				if grows := len(with) - len(old); grows > 0 && len(s)+min(strings.Count(s, old), count)*grows > maxOutput {
					return "", errOutput
				}
				return strings.Replace(s, old, with, count), nil
			}
			return replace(old, with, s)
		},
		"alignLeft": func(n any, s string) (string, error) {
			r := []rune(s)
			if short := int(whole(n)) - len(r); short > 0 {
				pad, err := repeat(short, " ")
				return s + pad, err
			}
			return string(r[:max(whole(n), 0)]), nil
		},
		"alignRight": func(n any, s string) (string, error) {
			r := []rune(s)
			if short := int(whole(n)) - len(r); short > 0 {
				pad, err := repeat(short, " ")
				return pad + s, err
			}
			return string(r[len(r)-int(max(whole(n), 0)):]), nil
		},
		"default": func(instead, given any) any {
			if given == nil || given == "" || given == 0 || given == false {
				return instead
			}
			return given
		},
		"b64enc": func(s string) (string, error) { return checked(base64.StdEncoding.EncodeToString([]byte(s))) },
		"b64dec": func(s string) (string, error) {
			b, err := base64.StdEncoding.DecodeString(s)
			return string(b), err
		},
		"urlencode": func(s string) (string, error) { return checked(url.QueryEscape(s)) },
		"urldecode": url.QueryUnescape,
		"fromJson": func(s string) (v any) {
			_ = json.Unmarshal([]byte(s), &v)
			return v
		},
		"bytes": logql.ParseBytes,
	}
}

func title(s string) string {
	before := ' '
	return strings.Map(func(r rune) rune {
		begins := !unicode.IsLetter(before) && !unicode.IsDigit(before) && before != '_' && before != '\''
		before = r
		if begins {
			return unicode.ToTitle(r)
		}
		return r
	}, s)
}

// trunc keeps the first n characters, or the last -n.
func trunc(n any, s string) string {
	r, count := []rune(s), int(whole(n))
	switch {
	case count >= 0 && count < len(r):
		return string(r[:count])
	case count < 0 && len(r)+count > 0:
		return string(r[len(r)+count:])
	}
	return s
}

func substr(start, end any, s string) (string, error) {
	r := []rune(s)
	from, to := int(whole(start)), int(whole(end))
	if to < 0 || to > len(r) {
		to = len(r)
	}
	if from = max(from, 0); from > to {
		return "", fmt.Errorf("%d is behind the end", from)
	}
	return string(r[from:to]), nil
}

// expressionFunctions remember what they compiled: a template runs for each line.
func expressionFunctions() template.FuncMap {
	const most = 64
	known := map[string]*regexp.Regexp{}
	compiled := func(text string) (*regexp.Regexp, error) {
		if re, ok := known[text]; ok {
			return re, nil
		}
		re, err := logql.CompileRegexp(text)
		if err == nil && len(known) < most {
			known[strings.Clone(text)] = re
		}
		return re, err
	}
	return template.FuncMap{
		"regexReplaceAll": func(text, s, with string) (string, error) {
			re, err := compiled(text)
			if err != nil {
				return "", err
			}
			if err := replaceFits(re, s, with); err != nil {
				return "", err
			}
			return checked(re.ReplaceAllString(s, with))
		},
		"regexReplaceAllLiteral": func(text, s, with string) (string, error) {
			re, err := compiled(text)
			if err != nil {
				return "", err
			}
			if err := replaceFits(re, s, with); err != nil {
				return "", err
			}
			return checked(re.ReplaceAllLiteralString(s, with))
		},
		"count": func(text, s string) (int, error) {
			re, err := compiled(text)
			if err != nil {
				return 0, err
			}
			return len(re.FindAllStringIndex(s, -1)), nil
		},
	}
}

// replaceFits bounds a replacement before it is made: each match becomes the text with at most the match for each of its groups.
func replaceFits(re *regexp.Regexp, s, with string) error {
	const short = 1024
	if len(s) <= short && len(with) <= short/2 {
		return nil
	}
	groups := strings.Count(with, "$")
	size := len(s)
	for _, at := range re.FindAllStringIndex(s, -1) {
		if size += len(with) + groups*(at[1]-at[0]); size > maxOutput {
			return errOutput
		}
	}
	return nil
}

// printFunctions stand in for those of text/template, which print any number of blanks.
func printFunctions() template.FuncMap {
	sizeOf := func(args []any) int {
		size := 0
		for _, a := range args {
			if s, ok := a.(string); ok {
				size += len(s)
			}
		}
		return size
	}
	fits := func(args []any) error {
		if sizeOf(args) > maxOutput {
			return errOutput
		}
		return nil
	}
	return template.FuncMap{
		"print":   func(args ...any) (string, error) { return fmt.Sprint(args...), fits(args) },
		"println": func(args ...any) (string, error) { return fmt.Sprintln(args...), fits(args) },
		"printf": func(format string, args ...any) (string, error) {
			if err := fits(args); err != nil {
				return "", err
			}
			if len(format) > 4096 {
				return "", errOutput
			}
			for word := range strings.SplitSeq(format, "%") {
				digits := strings.TrimLeft(word, "+-# 0.[]*")
				if n := len(digits) - len(strings.TrimLeft(digits, "0123456789")); n > 4 || strings.Contains(word[:len(word)-len(digits)], "*") {
					return "", errOutput
				}
			}
			return checked(fmt.Sprintf(format, args...))
		},
		"html": func(args ...any) (string, error) { return bounded(template.HTMLEscaper, fits, args) },
		"js":   func(args ...any) (string, error) { return bounded(template.JSEscaper, fits, args) },
		"urlquery": func(args ...any) (string, error) {
			return bounded(template.URLQueryEscaper, fits, args)
		},
	}
}

func bounded(escape func(...any) string, fits func([]any) error, args []any) (string, error) {
	if err := fits(args); err != nil {
		return "", err
	}
	return checked(escape(args...))
}

func numberFunctions() template.FuncMap {
	return template.FuncMap{
		"int": func(v any) int { return int(whole(v)) }, "float64": number,
		"add": func(v ...any) int64 { return fold(v, func(a, b int64) int64 { return a + b }) },
		"sub": func(a, b any) int64 { return whole(a) - whole(b) },
		"mul": func(v ...any) int64 { return fold(v, func(a, b int64) int64 { return a * b }) },
		"div": func(a, b any) (int64, error) {
			return divided(whole(a), whole(b), func(a, b int64) int64 { return a / b })
		},
		"mod": func(a, b any) (int64, error) {
			return divided(whole(a), whole(b), func(a, b int64) int64 { return a % b })
		},
		"max":   func(v ...any) int64 { return fold(v, func(a, b int64) int64 { return max(a, b) }) },
		"min":   func(v ...any) int64 { return fold(v, func(a, b int64) int64 { return min(a, b) }) },
		"addf":  decimal((*big.Rat).Add, false),
		"subf":  decimal((*big.Rat).Sub, false),
		"mulf":  decimal((*big.Rat).Mul, false),
		"divf":  decimal((*big.Rat).Quo, true),
		"maxf":  func(v ...any) float64 { return foldf(v, math.Max) },
		"minf":  func(v ...any) float64 { return foldf(v, math.Min) },
		"ceil":  func(v any) float64 { return math.Ceil(number(v)) },
		"floor": func(v any) float64 { return math.Floor(number(v)) },
		"round": func(v any, places any) float64 {
			scale := math.Pow(10, float64(whole(places)))
			return math.Round(number(v)*scale) / scale
		},
	}
}

func divided(a, b int64, op func(a, b int64) int64) (int64, error) {
	if b == 0 {
		return 0, errors.New("division by zero")
	}
	return op(a, b), nil
}

func fold(values []any, op func(a, b int64) int64) int64 {
	var sum int64
	for i, v := range values {
		if i == 0 {
			sum = whole(v)
		} else {
			sum = op(sum, whole(v))
		}
	}
	return sum
}

// decimal calculates with what the numbers are written as: 6 times 1.1 is 6.6.
func decimal(op func(sum, a, b *big.Rat) *big.Rat, divides bool) func(...any) (float64, error) {
	return func(values ...any) (float64, error) {
		sum := new(big.Rat)
		for i, v := range values {
			next, ok := new(big.Rat).SetString(strconv.FormatFloat(number(v), 'e', -1, 64))
			if !ok {
				return 0, fmt.Errorf("%v is no number", v)
			}
			if i == 0 {
				sum = next
				continue
			}
			if divides && next.Sign() == 0 {
				return 0, errors.New("division by zero")
			}
			op(sum, sum, next)
		}
		f, _ := sum.Float64()
		return f, nil
	}
}

func foldf(values []any, op func(a, b float64) float64) float64 {
	var sum float64
	for i, v := range values {
		if i == 0 {
			sum = number(v)
		} else {
			sum = op(sum, number(v))
		}
	}
	return sum
}

// number is 0 for what is none.
func number(v any) float64 {
	switch v := v.(type) {
	case string:
		f, _ := strconv.ParseFloat(v, 64)
		return f
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case float64:
		return v
	case time.Duration:
		return float64(v)
	case bool:
		if v {
			return 1
		}
	}
	return 0
}

func whole(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case string:
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return n
		}
	}
	f := number(v)
	if math.IsNaN(f) || math.Abs(f) >= 1<<62 {
		return 0
	}
	return int64(f)
}
