package message

import (
	"strings"
	"time"

	"github.com/penstockhq/penstock/internal/logvalue"
)

// maxTag is the longest tag; RFC 3164 says 32, and programs exceed it.
const maxTag = 128

// traditional parses the part after the priority in RFC 3164: TIMESTAMP HOSTNAME TAG[PID]: CONTENT. Programs omit the host, and some
// libraries everything except the content; Cisco's devices put a number or a name first and a colon after the time.
func (m *Message) traditional(rest string, clock Clock) {
	head := sequence(rest)
	t, end, ok := clock.at(strings.TrimLeft(head, "*."))
	if !ok {
		m.Host, head, t, end, ok = clock.device(head)
	}
	if !ok {
		m.Reason = NoHeader
		m.Body = strings.TrimPrefix(rest, bom)
		return
	}
	m.Time = t
	head = strings.TrimLeft(head, "*.")[end:]
	if strings.HasPrefix(head, ":") {
		m.Body = strings.TrimPrefix(head[1:], " ")
		m.mnemonic()
		return
	}
	m.sender(strings.TrimPrefix(head, " "))
}

// device reads what Cisco's devices send before the time if they are told to name themselves: a name, a number or nothing, each with a
// colon after it. Only a mnemonic after the time makes sure that it is one. rest begins with the time.
func (c Clock) device(s string) (host, rest string, t time.Time, end int, ok bool) {
	for range 2 {
		field, after, found := strings.Cut(s, ": ")
		if !found || (field != "" && !isHost(field)) {
			break
		}
		if strings.Trim(field, "0123456789") != "" {
			host = field
		}
		s = after
		rest = strings.TrimLeft(s, "*.")
		if t, end, ok = c.at(rest); ok && strings.HasPrefix(rest[end:], ": %") {
			return host, rest, t, end, true
		}
	}
	return "", s, time.Time{}, 0, false
}

// sequence is rest without the number at the beginning of Cisco's messages: `123: `.
func sequence(rest string) string {
	n := 0
	for n < len(rest) && n < 11 && logvalue.IsDigit(rest[n]) {
		n++
	}
	if n > 0 && strings.HasPrefix(rest[n:], ": ") {
		return rest[n+2:]
	}
	return rest
}

// mnemonic returns the id of a message that begins as Cisco's do: %FACILITY-SEVERITY-MNEMONIC:
func (m *Message) mnemonic() {
	if !strings.HasPrefix(m.Body, "%") {
		return
	}
	id, _, ok := strings.Cut(m.Body[1:], ":")
	if ok && len(id) <= maxTag && strings.Count(id, "-") >= 2 && !strings.Contains(id, " ") {
		m.MsgID = id
	}
}

// sender parses HOSTNAME TAG[PID]: CONTENT. If the first word is a tag, the host is missing.
func (m *Message) sender(rest string) {
	m.Body = rest
	if m.tag(rest) {
		return
	}
	host, after, ok := strings.Cut(rest, " ")
	if !isHost(host) {
		return
	}
	m.Host = host
	if m.Body = after; ok {
		m.tag(after)
	}
	m.Body = strings.TrimPrefix(m.Body, bom)
	if m.App == "" {
		if strings.HasPrefix(m.Body, ": %") { // an ASA that names itself
			m.Body = m.Body[2:]
		}
		m.mnemonic()
	}
}

// tag reads `app: text` or `app[123]: text`.
func (m *Message) tag(rest string) bool {
	end := strings.IndexAny(rest[:min(len(rest), maxTag)], ":[ \t\"")
	if end < 1 || rest[0] == '%' {
		return false
	}
	after := rest[end:]
	pid := ""
	if after[0] == '[' {
		close := strings.IndexByte(after, ']')
		if close < 2 || close > maxTag || strings.ContainsAny(after[1:close], " \"") {
			return false
		}
		pid = after[1:close]
		after = strings.TrimPrefix(after[close+1:], ":")
	} else if after[0] == ':' && (len(after) == 1 || after[1] == ' ') {
		after = after[1:]
	} else {
		return false
	}
	m.App, m.ProcID = rest[:end], pid
	m.Body = strings.TrimPrefix(strings.TrimPrefix(after, " "), bom)
	return true
}

func isHost(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !logvalue.IsAlnum(c) && c != '-' && c != '.' && c != '_' && c != ':' && c != '%' {
			return false
		}
	}
	return logvalue.IsAlnum(s[0]) || s[0] == ':'
}
