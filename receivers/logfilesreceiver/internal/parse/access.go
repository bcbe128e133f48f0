package parse

import (
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/logvalue"
)

// access parses the Common and the Combined Log Format of Apache and nginx, with or without a virtual host at the beginning:
//
//	192.0.2.1 - alice [10/Oct/2026:13:55:36 -0700] "GET /a?b=c HTTP/1.1" 200 2326 "https://ref.example/" "curl/8.0"
func access(line string, clock logvalue.Clock, r plog.LogRecord) bool {
	open := strings.IndexByte(line, '[')
	if open < 6 || open > 400 || line[open-1] != ' ' {
		return false
	}
	t, end, ok := clock.CLFAt(line, open+1)
	if !ok || !strings.HasPrefix(line[end:], `] "`) {
		return false
	}
	head := strings.Fields(line[:open])
	if len(head) < 3 {
		return false
	}
	request, rest, ok := quoted(line[end+2:])
	if !ok {
		return false
	}
	status, rest := field(rest)
	size, rest := field(rest)
	code, err := strconv.ParseInt(status, 10, 64)
	if err != nil || code < 0 || code > 999 || len(status) != 3 {
		return false
	}
	setTime(r, t)
	a := r.Attributes()
	a.EnsureCapacity(16) // including those that the reader adds
	host := head[0]
	if len(head) >= 4 && strings.Contains(host, ":") && strings.IndexByte(host, ':') == strings.LastIndexByte(host, ':') {
		putServer(a, host)
		head = head[1:]
		host = head[0]
	}
	for len(head) > 3 && strings.HasSuffix(head[0], ",") { // of X-Forwarded-For: the client, then proxies
		head = head[1:]
	}
	a.PutStr("client.address", strings.TrimSuffix(host, ","))
	if user := strings.Join(head[2:], " "); user != "-" {
		a.PutStr("user.name", user)
	}
	putRequest(a, request)
	a.PutInt("http.response.status_code", code)
	if n, err := strconv.ParseInt(size, 10, 64); err == nil {
		a.PutInt("http.response.body.size", n)
	}
	if referer, after, ok := quoted(strings.TrimLeft(rest, " ")); ok {
		if referer != "-" && referer != "" {
			a.PutEmptySlice("http.request.header.referer").AppendEmpty().SetStr(referer)
		}
		if agent, _, ok := quoted(strings.TrimLeft(after, " ")); ok && agent != "-" && agent != "" {
			a.PutStr("user_agent.original", agent)
		}
	}
	return true
}

// field removes a word from the beginning of s, after spaces.
func field(s string) (word, rest string) {
	s = strings.TrimLeft(s, " ")
	word, rest, _ = strings.Cut(s, " ")
	return word, rest
}

// quoted removes a text in quotes from the beginning of s. Escapes stay, except \" and \\.
func quoted(s string) (text, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		return "", s, false
	}
	escapes := false
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			escapes = true
			i++
		case '"':
			text = s[1:i]
			if escapes {
				text = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(text)
			}
			return text, s[i+1:], true
		}
	}
	return "", s, false
}

// putRequest parses a request line. A server writes whatever a client sent, so a text that is not a request line is left out.
func putRequest(a pcommon.Map, request string) {
	method, rest, ok := strings.Cut(request, " ")
	if !ok || method == "" || len(method) > 20 || strings.ToUpper(method) != method {
		return
	}
	a.PutStr("http.request.method", method)
	target, protocol := rest, ""
	if space := strings.LastIndexByte(rest, ' '); space >= 0 { // a target may contain spaces, although it must not
		target, protocol = rest[:space], rest[space+1:]
	}
	if full := strings.Index(target, "://"); full > 0 && full < 8 {
		a.PutStr("url.full", target)
		if slash := strings.IndexByte(target[full+3:], '/'); slash >= 0 {
			target = target[full+3+slash:]
		} else {
			target = "/"
		}
	}
	path, query, asked := strings.Cut(target, "?")
	a.PutStr("url.path", path)
	if asked {
		a.PutStr("url.query", query)
	}
	if name, version, ok := strings.Cut(protocol, "/"); ok {
		a.PutStr("network.protocol.name", strings.ToLower(name))
		a.PutStr("network.protocol.version", strings.TrimSuffix(version, ".0"))
		if version == "1.0" {
			a.PutStr("network.protocol.version", version)
		}
	}
}

func putServer(a pcommon.Map, host string) {
	name, port, _ := strings.Cut(host, ":")
	a.PutStr("server.address", name)
	if n, err := strconv.ParseInt(port, 10, 64); err == nil {
		a.PutInt("server.port", n)
	}
}

// nginxError parses what nginx appends to the messages of its error log: `client: 192.0.2.1, server: example.com, request: "GET /
// HTTP/1.1"`.
func nginxError(line string, r plog.LogRecord) {
	a := r.Attributes()
	for i, part := range strings.Split(line, ", ") {
		key, value, ok := strings.Cut(part, ": ")
		if !ok || i == 0 {
			continue
		}
		switch key {
		case "client":
			a.PutStr("client.address", value)
		case "server":
			if value != "" && value != "_" {
				a.PutStr("server.address", value)
			}
		case "request":
			if request, _, ok := quoted(value); ok {
				putRequest(a, request)
			}
		}
	}
}

// apacheError parses the error log of Apache: [Tue Nov 24 05:00:00.123456 2026] [core:error] [pid 1:tid 2] [client 192.0.2.1:5] text.
func apacheError(line string, clock logvalue.Clock, r plog.LogRecord) bool {
	if len(line) < 26 || line[4] != ' ' {
		return false
	}
	month, ok := logvalue.MonthAt(line, 5)
	day, a := logvalue.Digits(strings.ReplaceAll(line[9:11], " ", "0"), 0, 2)
	if !ok || !a || line[8] != ' ' || line[11] != ' ' {
		return false
	}
	hour, minute, second, nanos, end, ok := logvalue.ClockAt(line, 12)
	if !ok || len(line) < end+6 {
		return false
	}
	year, ok := logvalue.Digits(line, end+1, 4)
	if !ok || line[end+5] != ']' {
		return false
	}
	setTime(r, clock.In(dateOf(year, month, day, hour, minute, second, nanos)))
	if number, word := headLevel(line, end+6); number != 0 {
		r.SetSeverityNumber(number)
		r.SetSeverityText(word)
	}
	if _, client, ok := strings.Cut(line[:min(len(line), 200)], "[client "); ok {
		if inside, found := strings.CutPrefix(client, "["); found { // IPv6, with a port
			client = inside
		}
		if address, _, ok := strings.Cut(client, "]"); ok {
			if at := strings.LastIndexByte(address, ':'); at > 0 && strings.Count(address, ".") == 3 {
				address = address[:at]
			}
			r.Attributes().PutStr("client.address", address)
		}
	}
	return true
}
