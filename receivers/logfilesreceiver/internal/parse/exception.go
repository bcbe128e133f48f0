package parse

import (
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/penstockhq/penstock/internal/logvalue"
)

// Exception is the content of a stack trace.
type Exception struct {
	Type, Message string
	// Stacktrace is the text; empty: the argument of ExceptionIn.
	Stacktrace string
	// Fatal says that it ended the process.
	Fatal bool
}

// parts returns how many attributes put adds at most.
func (e *Exception) parts() int {
	if e.Type == "" && e.Message == "" && e.Stacktrace == "" {
		return 0
	}
	return 3
}

// put adds attributes under the names of the semantic conventions. It does not replace attributes of these names that the application
// wrote.
func (e *Exception) put(a pcommon.Map, text string) {
	if e.Stacktrace == "" && text != "" && (e.Type != "" || e.Message != "") {
		e.Stacktrace = text
	}
	for _, pair := range [...]struct{ key, value string }{
		{"exception.type", e.Type}, {"exception.message", e.Message}, {"exception.stacktrace", e.Stacktrace},
	} {
		if pair.value == "" {
			continue
		}
		if _, own := a.Get(pair.key); !own {
			a.PutStr(pair.key, pair.value)
		}
	}
}

// ExceptionIn finds type and message in a stack trace of Java, Python, Go, Node, .NET, Ruby, PHP or Rust. Of a chain it returns the one
// that was thrown last: Python's chains end with it, others begin with it. A Go panic has the type `panic`.
func ExceptionIn(text string) (e Exception) {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, "\r")
	}
	for i, line := range lines {
		switch {
		case strings.Contains(line, "Traceback (most recent call last)"):
			return pythonException(lines[i:])
		case strings.HasPrefix(line, "panic: "), strings.HasPrefix(line, "fatal error: "):
			return goPanic(lines[i:])
		case strings.HasPrefix(line, "goroutine ") && i > 0:
			return goServed(lines[i-1])
		case strings.HasPrefix(line, "thread '") && strings.Contains(line, "' panicked at "):
			e = Exception{Type: "panic", Fatal: true}
			if i+1 < len(lines) {
				e.Message = lines[i+1]
			}
			return e
		}
		if kind, message, ok := Header(line); ok {
			return Exception{Type: kind, Message: messageOf(message, lines[i+1:]), Fatal: unhandled(line)}
		}
		if i > 20 {
			break
		}
	}
	return headerBeforeFrames(lines)
}

func unhandled(line string) bool {
	return strings.HasPrefix(line, "Exception in thread ") || strings.HasPrefix(line, "Unhandled ") || strings.HasPrefix(line, "Uncaught ") || strings.HasPrefix(line, "PHP Fatal error")
}

// messageOf adds the further lines of a message, up to the first frame.
func messageOf(first string, rest []string) string {
	for i, line := range rest {
		if IsFrame(line) {
			if i > 0 && i <= 10 {
				return first + "\n" + strings.Join(rest[:i], "\n")
			}
			return first
		}
		if strings.HasPrefix(line, "Caused by: ") {
			break
		}
	}
	return first
}

// headerBeforeFrames finds a header with an unusual type: the last line before the first frame, if it is of the form `Type: message`.
func headerBeforeFrames(lines []string) (e Exception) {
	for i, line := range lines {
		if i == 0 || !IsFrame(line) {
			continue
		}
		head := lines[i-1]
		if at := strings.LastIndex(head, " - "); at >= 0 { // a log line that ends with the exception
			if kind, message, ok := Header(head[at+3:]); ok {
				return Exception{Type: kind, Message: message}
			}
		}
		kind, message, _ := strings.Cut(head, ": ")
		if kind != "" && len(kind) < 200 && !strings.ContainsAny(kind, " \t\"'/[]") && isLetter(kind[0]) {
			return Exception{Type: kind, Message: message}
		}
		for _, word := range strings.Fields(head) { // `ERROR [main] request failed java.lang.RuntimeException: boom`
			if isType(strings.TrimSuffix(word, ":")) {
				_, message, _ := strings.Cut(head[strings.Index(head, word):], ": ")
				return Exception{Type: strings.TrimSuffix(word, ":"), Message: message}
			}
		}
		return e
	}
	return e
}

// pythonException parses the last line that is not indented: `ValueError: text`, after all tracebacks of a chain.
func pythonException(lines []string) (e Exception) {
	inside := false
	for i, line := range lines {
		bare := strings.TrimLeft(line, " |+-")
		switch {
		case strings.Contains(line, "Traceback (most recent call last)"):
			inside = true
		case inside && bare != "" && (line[0] != ' ' || bare != line && strings.HasPrefix(strings.TrimLeft(line, " "), "| ") && isType(firstToken(bare))):
			if strings.HasPrefix(line, "  | ") && strings.HasPrefix(strings.TrimPrefix(line, "  | "), " ") {
				continue
			}
			kind, message, _ := strings.Cut(bare, ": ")
			kind = strings.TrimSuffix(kind, ":")
			if strings.ContainsAny(kind, " \t") {
				continue
			}
			e.Type, e.Message = kind, strings.TrimRight(strings.Join(append([]string{message}, untilChain(lines[i+1:])...), "\n"), "\n")
			inside = false
		}
	}
	return e
}

// untilChain returns the further lines of a message: those before the next traceback or the end, without the phrases between them.
func untilChain(lines []string) []string {
	for i, line := range lines {
		if strings.HasPrefix(line, "Traceback ") || strings.HasPrefix(line, "During handling of") || strings.HasPrefix(line, "The above exception") || strings.HasPrefix(line, "  +") || line == "" {
			return lines[:i]
		}
	}
	return lines
}

func firstToken(s string) string {
	end := strings.IndexAny(s, ": ")
	if end < 0 {
		return s
	}
	return s[:end]
}

// goPanic parses `panic: text`, and uses the last one if a deferred call panicked again.
func goPanic(lines []string) (e Exception) {
	e.Fatal = true
	for i, line := range lines {
		trimmed := strings.TrimLeft(line, "\t ")
		if message, ok := strings.CutPrefix(trimmed, "panic: "); ok {
			e.Type = "panic"
			e.Message = trimRecovered(messageUntilGoroutine(message, lines[i+1:]))
		} else if message, ok := strings.CutPrefix(trimmed, "fatal error: "); ok && i == 0 {
			e.Type, e.Message = "fatal error", message
		} else if strings.HasPrefix(line, "goroutine ") {
			break
		}
	}
	return e
}

func messageUntilGoroutine(first string, rest []string) string {
	for i, line := range rest {
		if line == "" || strings.HasPrefix(line, "goroutine ") || strings.HasPrefix(line, "[signal ") || strings.HasPrefix(line, "\tpanic: ") {
			return strings.Join(append([]string{first}, rest[:i]...), "\n")
		}
		if i > 10 {
			break
		}
	}
	return first
}

func trimRecovered(message string) string {
	for _, end := range [...]string{" [recovered, repanicked]", " [recovered]"} {
		message = strings.TrimSuffix(message, end)
	}
	return message
}

// goServed parses what net/http writes before the goroutine of a handler that panicked: `http: panic serving 127.0.0.1:1: text`.
func goServed(line string) (e Exception) {
	if _, rest, ok := strings.Cut(line, "panic serving "); ok {
		if _, message, ok := strings.Cut(rest, ": "); ok {
			return Exception{Type: "panic", Message: message}
		}
	}
	if at := strings.Index(line, "panic: "); at >= 0 {
		return Exception{Type: "panic", Message: trimRecovered(line[at+len("panic: "):])}
	}
	return Exception{Type: "panic", Message: line}
}

// Header reports whether a line is the first of an exception of Java, .NET, Node or Python: a type with the name of an exception, alone or
// before a colon.
func Header(line string) (kind, message string, ok bool) {
	if line == "" {
		return "", "", false
	}
	switch line[0] {
	case 'U', 'P', 'C', 'E':
		if line, ok = withoutLead(line); !ok {
			return "", "", false
		}
	}
	end := 0
	for end < len(line) && end < 200 && kinds[line[end]]&inType != 0 {
		end++
	}
	kind, rest := line[:end], line[end:]
	if strings.HasPrefix(rest, " [") { // Node: Error [ERR_CODE]: text
		if close := strings.IndexByte(rest, ']'); close > 0 {
			rest = rest[close+1:]
		}
	}
	switch {
	case rest == "", rest == ":":
	case strings.HasPrefix(rest, ": "):
		message = rest[2:]
	default:
		return "", "", false
	}
	if !isType(kind) {
		return "", "", false
	}
	return kind, message, true
}

// withoutLead removes the text before the type. False: the line can't be a header.
func withoutLead(line string) (string, bool) {
	for _, lead := range [...]string{"Unhandled exception. ", "Unhandled Exception: ", "Uncaught exception: ", "Uncaught ", "PHP Fatal error:  Uncaught ", "Caused by: "} {
		if rest, found := strings.CutPrefix(line, lead); found {
			line = rest
			break
		}
	}
	if rest, found := strings.CutPrefix(line, `Exception in thread "`); found {
		_, line, found = strings.Cut(rest, `" `)
		return line, found
	}
	return line, true
}

// isType reports whether a name is that of an exception: its last part begins with a capital and ends in a word such as Error, or is one
// of Python's and Ruby's without such a word.
func isType(name string) bool {
	for at := len(name) - 1; at >= 0; at-- {
		if c := name[at]; c == '.' || c == '\\' || c == '$' || c == '/' || c == '+' {
			name = name[at+1:]
			break
		}
	}
	if name == "" || name[0] < 'A' || name[0] > 'Z' {
		return false
	}
	for _, end := range [...]string{"Exception", "Error", "Throwable", "Failure", "Fault", "Interrupt", "ExceptionGroup", "Timeout"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return name == "SystemExit" || name == "StopIteration" || name == "StopAsyncIteration" || name == "GeneratorExit"
}

// IsFrame reports whether a line is a frame of Java, Node, .NET, Ruby or PHP, or a line that may be between frames.
func IsFrame(line string) bool {
	trimmed := line
	for trimmed != "" && (trimmed[0] == ' ' || trimmed[0] == '\t') {
		trimmed = trimmed[1:]
	}
	indented := len(trimmed) < len(line)
	if trimmed == "" {
		return false
	}
	switch trimmed[0] {
	case 'a':
		return indented && (strings.HasPrefix(trimmed, "at ") || strings.HasPrefix(trimmed, "at\t"))
	case '.':
		return indented && strings.HasPrefix(trimmed, "... ")
	case 'f':
		return indented && strings.HasPrefix(trimmed, "from ")
	case 'S':
		return indented && strings.HasPrefix(trimmed, "Suppressed: ") || trimmed == "Stack trace:"
	case 'C':
		return strings.HasPrefix(trimmed, "Caused by: ")
	case '-':
		return strings.HasPrefix(trimmed, "---> ") || strings.HasPrefix(trimmed, "--- End of ")
	case '#':
		return len(trimmed) > 2 && logvalue.IsDigit(trimmed[1]) && strings.Contains(trimmed[:min(5, len(trimmed))], " ")
	}
	return false
}
