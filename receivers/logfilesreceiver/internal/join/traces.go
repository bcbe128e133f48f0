package join

import (
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/parse"
)

type answer int

const (
	no answer = iota
	maybe
	yes
)

// state classifies the lines so far.
type state int

const (
	single     state = iota // an ordinary line
	traceAt                 // a header and frames: Java, Node, .NET, Ruby, PHP
	python                  // inside a traceback
	pythonDone              // after its last line
	goroutine               // a panic, before its goroutines
	goroutines              // inside goroutines
	nodeHead                // the source location that Node shows before an error
	rust                    // a panic of Rust
	dotnetLog               // the first line of a record of .NET's console logger
)

const (
	tracebackHead = "Traceback (most recent call last)"
	groupHead     = "Exception Group " + tracebackHead
)

// stateOf returns the state that a line starts.
func stateOf(line string) state {
	switch c := line[0]; {
	case c == 'T' && strings.HasPrefix(line, tracebackHead), c == ' ' && strings.Contains(line[:min(len(line), 60)], groupHead):
		return python
	case c == 'p' && strings.HasPrefix(line, "panic: "), c == 'f' && strings.HasPrefix(line, "fatal error: "), strings.HasPrefix(line, "SIGQUIT: quit"):
		return goroutine
	case c == 'g' && isGoroutine(line):
		return goroutines
	case c == 't' && strings.HasPrefix(line, "thread '") && strings.Contains(line, "' panicked at "):
		return rust
	case isNodePlace(line):
		return nodeHead
	case isDotnetHead(line):
		return dotnetLog
	case parse.IsFrame(line), c >= 'A' && isHeader(line), isRuby(line):
		return traceAt
	}
	return single
}

// extends reports whether line belongs to the held lines, and if so changes the state.
func (j *Joiner) extends(line string) answer {
	blank := isBlank(line)
	switch j.state {
	case single:
		return j.afterLine(line, blank)
	case traceAt:
		return j.inFrames(line, blank)
	case python, pythonDone:
		return j.inPython(line, blank)
	case goroutine, goroutines:
		return j.inGo(line, blank)
	case nodeHead:
		return j.inNodeHead(line, blank)
	case rust:
		return j.inRust(line, blank)
	case dotnetLog:
		return j.inDotnetLog(line, blank)
	}
	return no
}

func (j *Joiner) enter(s state, trace int) answer {
	j.state = s
	if j.trace < 0 {
		j.trace = trace
	}
	return yes
}

// afterLine starts a trace after a log line. Frames and goroutines always belong to the line before; a trace with its own header does if
// that line is a log record that can report one.
func (j *Joiner) afterLine(line string, blank bool) answer {
	if blank {
		return no
	}
	switch c := line[0]; c {
	case ' ', '\t', '.', '-', '#':
		if parse.IsFrame(line) && !parse.Final(j.lines[0].Text) {
			j.frame = true
			return j.enter(traceAt, 0)
		}
		if strings.Contains(line[:min(len(line), 60)], groupHead) && j.reports() {
			return j.enter(python, 1)
		}
		return no
	case 'g':
		if isGoroutine(line) && !parse.Final(j.lines[0].Text) {
			return j.enter(goroutines, 0)
		}
		return no
	case 'T':
		if strings.HasPrefix(line, tracebackHead) && j.reports() {
			return j.enter(python, 1)
		}
	case '{', '[', '<', '"', '(', '=', '*':
		return no
	}
	if isHeader(line) && j.reports() {
		return j.enter(traceAt, 1)
	}
	return no
}

// reports reports whether the first line is a log record of a level at which errors are reported.
func (j *Joiner) reports() bool {
	first := j.lines[0].Text
	structured, level := parse.Structured(first)
	return structured && !parse.Final(first) && (level == plog.SeverityNumberUnspecified || level >= plog.SeverityNumberWarn)
}

func (j *Joiner) inFrames(line string, blank bool) answer {
	switch {
	case blank:
		if j.frame {
			return maybe
		}
		return no
	case parse.IsFrame(line):
		j.frame = true
		return yes
	case j.frame && (line[0] == ' ' || line[0] == '\t' || line == "}" || strings.HasPrefix(line, "Node.js v") || strings.HasPrefix(line, "[CIRCULAR REFERENCE")):
		return yes
	case j.frame && !strings.HasPrefix(strings.TrimLeft(j.lines[len(j.lines)-1].Text, " \t"), "Caused by: ") && j.sure == len(j.lines):
		return no
	case isHeader(line) || begins(line):
		return no
	}
	return maybe // a further line of a message
}

func (j *Joiner) inPython(line string, blank bool) answer {
	switch {
	case blank:
		return maybe
	case strings.HasPrefix(line, "During handling of the above exception"), strings.HasPrefix(line, "The above exception was the direct cause"):
		j.state, j.frame = python, true // frame: another traceback follows
		return yes
	case strings.HasPrefix(line, tracebackHead):
		if j.state == pythonDone || len(j.lines) > 1 && !j.frame {
			return no
		}
		j.frame = false
		return yes
	case strings.HasPrefix(line, "  |"), strings.HasPrefix(line, "    |"), strings.HasPrefix(line, "  +"), strings.HasPrefix(line, "    +"):
		return yes // a group of exceptions draws a tree of its members
	case j.state == pythonDone:
		return no
	case line[0] == ' ' || line[0] == '\t':
		return yes
	}
	kind, _, _ := strings.Cut(line, ":")
	if strings.ContainsAny(kind, " \t[{\"") {
		return no
	}
	j.state = pythonDone
	return yes
}

func (j *Joiner) inGo(line string, blank bool) answer {
	switch {
	case blank:
		return maybe
	case isGoroutine(line):
		j.state = goroutines
		return yes
	case line[0] == '\t', strings.HasPrefix(line, "[signal "), strings.HasPrefix(line, "exit status "), strings.HasPrefix(line, "created by "),
		strings.HasPrefix(line, "runtime"), strings.HasPrefix(line, "..."), strings.HasPrefix(line, "[originating from"), strings.HasPrefix(line, "PC="),
		strings.HasPrefix(line, "goroutine running on"), isCall(line), isRegister(line):
		return yes
	case j.state == goroutines, begins(line):
		return no
	}
	return maybe // a further line of a message
}

func (j *Joiner) inNodeHead(line string, blank bool) answer {
	switch {
	case blank:
		return maybe
	case isHeader(line):
		return j.enter(traceAt, len(j.lines))
	case line[0] != ' ' && begins(line):
		return no
	}
	return maybe
}

func (j *Joiner) inRust(line string, blank bool) answer {
	switch {
	case blank:
		return no
	case len(j.lines) == 1 && !begins(line), line[0] == ' ', strings.HasPrefix(line, "note: "), strings.HasPrefix(line, "stack backtrace:"):
		return yes
	}
	return no
}

func (j *Joiner) inDotnetLog(line string, blank bool) answer {
	if blank || !strings.HasPrefix(line, "      ") {
		return no
	}
	if j.trace < 0 && isHeader(strings.TrimLeft(line, " ")) {
		j.trace = len(j.lines)
	}
	return yes
}

// begins reports whether a line always starts a record.
func begins(line string) bool {
	structured, _ := parse.Structured(line)
	return structured
}

func isBlank(line string) bool {
	return line == "" || (line[0] <= ' ' || line[0] >= utf8.RuneSelf) && strings.TrimSpace(line) == ""
}

func isHeader(line string) bool {
	_, _, ok := parse.Header(line)
	return ok
}

// isGoroutine: goroutine 1 [running]:
func isGoroutine(line string) bool {
	rest, ok := strings.CutPrefix(line, "goroutine ")
	return ok && rest != "" && rest[0] >= '0' && rest[0] <= '9' && strings.Contains(rest, " [")
}

// isCall: main.(*server).handle(0xc000012345, {0x1, 0x2})
func isCall(line string) bool {
	open := strings.IndexByte(line, '(')
	return open > 0 && line[len(line)-1] == ')' && !strings.ContainsAny(line[:open], " \t:") && (strings.Contains(line[:open], ".") || line[:open] == "panic")
}

// isRegister: rax    0x0
func isRegister(line string) bool {
	name, value, ok := strings.Cut(line, " ")
	return ok && len(name) <= 7 && strings.HasPrefix(strings.TrimLeft(value, " "), "0x")
}

// isNodePlace: /srv/app/index.js:10
func isNodePlace(line string) bool {
	if line[0] != '/' && line[0] != 'f' && line[0] != 'n' && !(len(line) > 2 && line[1] == ':' && line[2] == '\\') {
		return false
	}
	if line[0] == 'f' && !strings.HasPrefix(line, "file://") || line[0] == 'n' && !strings.HasPrefix(line, "node:") {
		return false
	}
	at := strings.LastIndexByte(line, ':')
	if at < 2 || at == len(line)-1 || strings.ContainsAny(line, " \t") {
		return false
	}
	return strings.Trim(line[at+1:], "0123456789") == ""
}

// isRuby: app.rb:1:in `foo': text (RuntimeError)
func isRuby(line string) bool {
	if line[len(line)-1] != ')' {
		return false
	}
	at := strings.Index(line[:min(len(line), 300)], ".rb:")
	return at > 0 && strings.Contains(line[at:], ":in ")
}

// isDotnetHead: fail: Microsoft.AspNetCore.Server.Kestrel[13]
func isDotnetHead(line string) bool {
	if len(line) < 8 || line[4] != ':' || line[len(line)-1] != ']' {
		return false
	}
	switch line[:4] {
	case "info", "warn", "fail", "crit", "dbug", "trce":
		return true
	}
	return false
}
