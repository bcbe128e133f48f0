package corpus

import (
	_ "embed"
	"strings"
)

// Class makes lines of one kind of telemetry without personal data.
type Class struct {
	Name, Key string
	Next      func() string
}

// telemetryText holds the classes: "== name" begins one; each line is a form of it, "key⇒" in front of a class's lines its attribute
// key, «shape» a random value, «|a|b» one of several words, ⏎ a line break.
//
//go:embed testdata/telemetry.txt
var telemetryText string

// Telemetry returns the classes of telemetry values.
func Telemetry(seed uint64) (list []Class) {
	var forms [][]shape
	add := func() {
		if n := len(list); n > 0 && list[n-1].Next == nil {
			list[n-1].Next = lines(forms, newGen(seed+uint64(n)))
		}
		forms = nil
	}
	for _, line := range strings.Split(telemetryText, "\n") {
		name, isName := strings.CutPrefix(line, "== ")
		switch {
		case isName:
			add()
			list = append(list, Class{Name: name})
		case line != "":
			if key, rest, found := strings.Cut(line, "⇒"); found {
				list[len(list)-1].Key, line = key, rest
			}
			forms = append(forms, template(strings.ReplaceAll(line, "⏎", "\n")))
		}
	}
	add()
	return list
}

// template compiles a form: text, and «shapes» in it.
func template(form string) (list []shape) {
	for {
		before, rest, found := strings.Cut(form, "«")
		list = append(list, shape{{text: before}})
		if !found {
			return list
		}
		inner, after, closed := strings.Cut(rest, "»")
		if !closed {
			panic("no » in " + rest)
		}
		if words, isPick := strings.CutPrefix(inner, "|"); isPick {
			list = append(list, shape{{class: '|', text: words}})
		} else {
			list = append(list, compile(inner))
		}
		form = after
	}
}

func lines(forms [][]shape, g gen) func() string {
	var buf []byte
	n := 0
	return func() string {
		buf = buf[:0]
		for _, s := range forms[n%len(forms)] {
			if len(s) == 1 && s[0].class == '|' {
				buf = append(buf, pick(g, strings.Split(s[0].text, "|")...)...)
				continue
			}
			buf = s.append(buf, g)
		}
		n++
		return string(buf)
	}
}
