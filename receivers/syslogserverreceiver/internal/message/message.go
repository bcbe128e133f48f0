// Package message parses syslog messages of RFC 5424 and RFC 3164, and what devices send instead. Nothing of a message is lost: what can't
// be parsed stays in its body, and the reason says why.
package message

import (
	"strconv"
	"strings"
	"time"

	"github.com/penstockhq/penstock/internal/logvalue"
)

// The reasons why a message could not be parsed completely.
const (
	NoPriority    = "no_priority"
	BadPriority   = "bad_priority"
	NoHeader      = "no_header"
	BadHeader     = "bad_header"
	BadTime       = "bad_timestamp"
	BadStructure  = "bad_structured_data"
	LongStructure = "large_structured_data"
)

// maxParams is how many parameters of structured data are parsed: a gateway refuses records with more than 4096 attributes.
const maxParams = 1024

// bom is the byte order mark that begins a text in UTF-8.
const bom = "\xEF\xBB\xBF"

// Message is a parsed text. Its strings share the text's memory, or are new.
type Message struct {
	// Prioritized reports whether Facility and Severity are set.
	Prioritized        bool
	Facility, Severity int
	Time               time.Time // zero if there is none
	Host, App          string    // empty if there is none
	ProcID, MsgID      string    // empty if there is none
	Params             []Param
	Body               string
	// Reason is why the message could not be parsed completely, empty if it could.
	Reason string
}

// Param is a parameter of structured data. An element without parameters has one with an empty name and value.
type Param struct{ Element, Name, Value string }

// Clock completes times that lack a part.
type Clock struct {
	// Now is when the message arrived.
	Now time.Time
	// Local is the zone of times without one.
	Local *time.Location
}

// Parse parses a message without its framing. A text without a priority is a body, unchanged, unless it has RFC 3164's time and tag.
func Parse(text string, clock Clock) Message {
	m := Message{Body: text}
	if rest, ok := strings.CutPrefix(text, bom); ok && strings.HasPrefix(rest, "<") {
		text = rest
	}
	if text == "" || text[0] != '<' {
		if _, ok := logvalue.MonthAt(text, 0); ok {
			if m.traditional(text, clock); m.App != "" {
				m.Reason = NoPriority
				return m
			}
		}
		return Message{Body: text, Reason: NoPriority}
	}
	end := strings.IndexByte(text[:min(len(text), 5)], '>')
	priority, err := strconv.ParseUint(text[1:max(end, 1)], 10, 8)
	if end < 2 || err != nil || priority > 191 {
		m.Reason = BadPriority
		return m
	}
	m.Prioritized, m.Facility, m.Severity = true, int(priority>>3), int(priority&7)
	rest := text[end+1:]
	if strings.HasPrefix(rest, "1 ") {
		m.structured(rest[2:], clock)
	} else {
		m.traditional(rest, clock)
	}
	return m
}

// structured parses the part after the version of RFC 5424: TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG.
func (m *Message) structured(rest string, clock Clock) {
	var parts [5]string
	for i := range parts {
		var more bool
		if parts[i], rest, more = strings.Cut(rest, " "); !more {
			m.Reason = BadHeader
			return
		}
	}
	if parts[0] != "-" {
		t, end, ok := clock.iso(parts[0])
		if ok && end == len(parts[0]) {
			m.Time = t
		} else {
			m.Reason = BadTime
		}
	}
	m.Host, m.App, m.ProcID, m.MsgID = value(parts[1]), value(parts[2]), value(parts[3]), value(parts[4])
	params, after, reason := structure(rest)
	if reason != "" {
		m.Reason, m.Body = reason, rest
		return
	}
	m.Params = params
	m.Body = strings.TrimPrefix(strings.TrimPrefix(after, " "), bom)
}

func value(field string) string {
	if field == "-" {
		return ""
	}
	return field
}

// structure parses structured data: - or elements, [id name="value" ...]; rest is the part after it.
func structure(s string) (params []Param, rest, reason string) {
	if s == "-" || strings.HasPrefix(s, "- ") {
		return nil, s[1:], ""
	}
	if !strings.HasPrefix(s, "[") {
		return nil, s, BadStructure
	}
	for strings.HasPrefix(s, "[") {
		end := strings.IndexAny(s, " ]")
		if end < 2 {
			return nil, s, BadStructure
		}
		id := s[1:end]
		s = s[end:]
		none := true
		for {
			s = strings.TrimLeft(s, " ")
			if strings.HasPrefix(s, "]") {
				s = s[1:]
				break
			}
			name, text, ok := strings.Cut(s, `="`)
			if !ok || name == "" || strings.ContainsAny(name, ` ]"`) {
				return nil, s, BadStructure
			}
			var unquoted string
			if unquoted, s, ok = quoted(text); !ok {
				return nil, s, BadStructure
			}
			if len(params) == maxParams {
				return nil, s, LongStructure
			}
			none = false
			params = append(params, Param{id, name, unquoted})
		}
		if none {
			params = append(params, Param{Element: id})
		}
	}
	if s != "" && s[0] != ' ' {
		return nil, s, BadStructure
	}
	return params, s, ""
}

// quoted reads up to the next quotation mark without a backslash before it. A backslash before anything but \, " and ] is literal.
func quoted(s string) (text, rest string, ok bool) {
	var unescaped []byte
	from := 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			if unescaped == nil {
				return s[:i], s[i+1:], true
			}
			return string(append(unescaped, s[from:i]...)), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '\\' || s[i+1] == '"' || s[i+1] == ']'):
			unescaped = append(unescaped, s[from:i]...)
			i++
			from = i
		}
	}
	return "", s, false
}
